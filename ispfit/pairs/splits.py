"""Which shots show one scene, and sharing out scenes to splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ispfit.color import srgb_to_linear
from ispfit.images import FloatImage
from ispfit.io import resize_area

__all__ = ["SPLITS", "Look", "group_scenes", "look_of", "split_scenes"]

SPLITS = ("train", "validation", "test")

_SIDE = 32
_DETAIL = 4.0  # pixels of the thumbnail: what is coarser (sky above ground) is alike in very many pictures
_DARK = 0.01  # relative luminance below which there is only noise

# Correlation of two looks. Measured: different scenes, photographs and procedural ones, up to 0.34 and 0.47; the
# same picture shifted by 2 % 0.8 and more, by 5 % 0.5 and more.
_SAME = 0.65
_SAME_IN_BURST = 0.4
_BURST_SECONDS = 10.0


@dataclass(frozen=True)
class Look:
    """What tells whether two shots show the same.

    Parameters
    ----------
    digest : of the RAW file's bytes.
    detail : look of the picture, see `look_of`.
    taken : when, seconds; None if unknown.
    camera : shots of different cameras are no burst.
    """

    digest: str
    detail: Sequence[int]
    taken: float | None = None
    camera: str | None = None


def look_of(srgb: FloatImage) -> list[int]:
    """Detail of a thumbnail's log luminance, as 32 * 32 integers of unit variance * 32; free of exposure and contrast.

    Parameters
    ----------
    srgb : H x W x 3 in [0, 1]; at least 32 pixels high and wide.
    """
    step = max(1, min(srgb.shape[:2]) // (8 * _SIDE))  # more samples would add nothing but time
    linear = np.asarray(srgb_to_linear(np.asarray(srgb[::step, ::step], np.float32)), np.float32)
    light = linear.mean(axis=2, keepdims=True)
    small = np.asarray(resize_area(np.repeat(light, 3, axis=2), _SIDE))[..., 0]
    log = np.log(small + _DARK)
    detail = log - ndimage.gaussian_filter(log, _DETAIL)
    detail = (detail - detail.mean()) / (detail.std() + 1e-6)
    return [int(value) for value in np.rint(np.clip(detail, -4, 3.9) * 32).ravel()]


def group_scenes(looks: Sequence[Look]) -> list[int]:
    """Number of the scene of each shot, from 0 in the order of first shots.

    Two shots show one scene if their files are equal, if they look alike, or if they look nearly alike and were taken
    by one camera within ten seconds; and if each shows one scene with a third.
    """
    if not looks:
        return []
    scene = list(range(len(looks)))

    def root(index: int) -> int:
        while scene[index] != index:
            scene[index] = scene[scene[index]]
            index = scene[index]
        return index

    details = np.array([look.detail for look in looks], np.float32)
    details /= np.linalg.norm(details, axis=1, keepdims=True) + 1e-9
    for index in range(len(looks)):
        alike = details[:index] @ details[index]
        equal = np.array([look.digest == looks[index].digest for look in looks[:index]], bool)
        for other in np.flatnonzero((alike >= _SAME_IN_BURST) | equal).tolist():
            if equal[other] or alike[other] >= _SAME or _burst(looks[other], looks[index]):
                first, second = sorted((root(other), root(index)))
                scene[second] = first
    number: dict[int, int] = {}
    return [number.setdefault(root(index), len(number)) for index in range(len(looks))]


def _burst(first: Look, second: Look) -> bool:
    if first.taken is None or second.taken is None or first.camera != second.camera:
        return False
    return abs(first.taken - second.taken) <= _BURST_SECONDS


def split_scenes(
    scenes: Sequence[int], given: Mapping[int, str] | None = None, *, n_test: int = 50, random_state: int = 0
) -> dict[int, str]:
    """Split of each scene: `n_test` test shots, of the others 80 % train and 20 % validation.

    Parameters
    ----------
    scenes : scene of each shot.
    given : splits that some scenes have already; these stay.
    n_test : at most a fifth of the shots, so it is scaled down where there are fewer than five times as many; but one
        at least. No split gets more than its share unless scenes were given to it.
    random_state : seed; the result depends on it, on `scenes` and on `given` alone.
    """
    count = Counter(scenes)
    total, split_of = len(scenes), {scene: split for scene, split in (given or {}).items() if scene in count}
    test = min(n_test, max(round(total / 5), 1)) if len(count) > 1 else 0
    order = np.random.default_rng(random_state).permutation(sorted(count.keys() - split_of.keys())).tolist()
    for split, share in (("test", test), ("validation", round((total - test) / 5))):
        room = share - sum(count[scene] for scene, other in split_of.items() if other == split)
        for scene in order:
            if scene not in split_of and count[scene] <= room and len(split_of) < len(count) - 1:
                split_of[scene] = split
                room -= count[scene]
    return {scene: split_of.get(scene, "train") for scene in count}
