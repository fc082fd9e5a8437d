"""Find shots that show the same: bursts, brackets and copies form a group, which no split may divide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ispfit.color import srgb_to_linear
from ispfit.images import FloatImage
from ispfit.resize import resize_area
from ispfit.splits import split_groups

__all__ = ["SPLITS", "Signature", "appearance", "group_lookalikes", "split_shots"]

SPLITS = ("train", "validation", "test")
_TEST_SHARE, _VALIDATION_SHARE = 0.2, 0.2  # of all shots, and of those that are not for the test

_THUMBNAIL_PX = 32
_SAMPLES_PER_PX = 8  # pixels of the image per pixel of the thumbnail; more would add nothing but time
_DETAIL_SIGMA_PX = 4.0  # coarser structure (sky above ground) is alike in very many pictures
_DARK = 0.01  # relative luminance below which there is only noise

# Correlation of two appearances. Measured: different scenes, photographs and procedural ones, up to 0.34 and 0.47; the
# same picture shifted by 2 % 0.8 and more, by 5 % 0.5 and more.
_SAME = 0.65
_SAME_IN_BURST = 0.4
_BURST_SECONDS = 10.0


@dataclass(frozen=True)
class Signature:
    """Features by which look-alikes are found.

    Parameters
    ----------
    content : hash of the RAW file.
    appearance : of the picture, see `appearance`.
    taken : time of the shot in seconds; None if unknown.
    camera : shots of different cameras are no burst.
    """

    content: str
    appearance: Sequence[int]
    taken: float | None = None
    camera: str | None = None


def appearance(srgb: FloatImage) -> list[int]:
    """Return a perceptual hash: the detail of a thumbnail's log luminance, whatever its exposure and contrast.

    Parameters
    ----------
    srgb : H x W x 3 in [0, 1].

    Returns
    -------
    32 * 32 integers with mean 0 and standard deviation 32.
    """
    step = max(1, min(srgb.shape[:2]) // (_SAMPLES_PER_PX * _THUMBNAIL_PX))
    linear = np.asarray(srgb_to_linear(np.asarray(srgb[::step, ::step], np.float32)), np.float32)
    light = linear.mean(axis=2, keepdims=True)
    enlargement = -(-_THUMBNAIL_PX // min(light.shape[:2]))  # 1 unless the picture is smaller than a thumbnail
    light = light.repeat(enlargement, axis=0).repeat(enlargement, axis=1)
    small = np.asarray(resize_area(np.repeat(light, 3, axis=2), (_THUMBNAIL_PX, _THUMBNAIL_PX)))[..., 0]
    log = np.log(small + _DARK)
    detail = log - ndimage.gaussian_filter(log, _DETAIL_SIGMA_PX)
    detail = (detail - detail.mean()) / (detail.std() + 1e-6)
    return [int(value) for value in np.rint(np.clip(detail, -4, 3.9) * 32).ravel()]


def group_lookalikes(shots: Sequence[Signature], scenes: Sequence[str] = ()) -> list[int]:
    """Return the group of each shot, numbered from 0 in the order of first shots.

    Two shots are in one group if their RAW files are equal, if they look alike, or if they look nearly alike and were
    taken by one camera within ten seconds. Grouping is transitive.

    Parameters
    ----------
    scenes : what is known of the scene of each shot; those of one scene are in one group. "" is unknown.
    """
    if not shots:
        return []
    parent = list(range(len(shots)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    details = np.array([shot.appearance for shot in shots], np.float32)
    details /= np.linalg.norm(details, axis=1, keepdims=True) + 1e-9
    for index in range(len(shots)):
        alike = details[:index] @ details[index]
        equal = np.array([shot.content == shots[index].content for shot in shots[:index]], bool)
        for other in np.flatnonzero((alike >= _SAME_IN_BURST) | equal).tolist():
            if equal[other] or alike[other] >= _SAME or _in_one_burst(shots[other], shots[index]):
                first, second = sorted((root(other), root(index)))
                parent[second] = first
    first_of: dict[str, int] = {}
    for index, scene in enumerate(scenes):
        if scene:
            first, second = sorted((root(first_of.setdefault(scene, index)), root(index)))
            parent[second] = first
    number: dict[int, int] = {}
    return [number.setdefault(root(index), len(number)) for index in range(len(shots))]


def _in_one_burst(first: Signature, second: Signature) -> bool:
    if first.taken is None or second.taken is None or first.camera != second.camera:
        return False
    return abs(first.taken - second.taken) <= _BURST_SECONDS


def split_shots(
    groups: Sequence[int], given: Mapping[int, str] | None = None, *, n_test: int = 50, random_state: int = 0
) -> dict[int, str]:
    """Return the split of each group: `n_test` shots for testing; of the rest, 80 % for training, 20 % for validation.

    Parameters
    ----------
    groups : group of each shot.
    given : splits that some groups have already; these stay.
    n_test : at most a fifth of the shots, but at least one. No split gets more than its share unless groups were given
        to it.
    random_state : seed; the result depends on it, on `groups` and on `given` alone.
    """
    total = len(groups)
    test = min(n_test, max(round(_TEST_SHARE * total), 1)) if len(set(groups)) > 1 else 0
    sizes = {"test": test, "validation": round(_VALIDATION_SHARE * (total - test))}
    return split_groups(groups, sizes, np.random.default_rng(random_state), given)
