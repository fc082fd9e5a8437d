"""What a closed-form fit remembers of each pair: some colours, where they lie, and thumbnails."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.backbones.parts.scene_statistics import clipped_shares, scene_statistics, thumbnail
from ispfit.images import Image
from ispfit.splits import evenly_spaced

__all__ = ["ShotSamples", "sample_shots"]

_SEED = 0
_MIN_COLORS_PER_SHOT, _MIN_COLORS = 2500, 60_000


@dataclass(frozen=True)
class ShotSamples:
    """Samples of one side, raw or srgb, of N shots.

    Parameters
    ----------
    colors : float64 (N, n, 3), at n pixels of each shot, the same of both sides.
    positions : float32 (N, n, 2), x and y of these pixels from -1 to 1 over the image.
    thumbnails : float32 (N, 3, 128, 128).
    clipped : float32 (N, 2), shares of clipped pixels.
    statistics : float32 (N, 24), of the thumbnails and the shares.
    """

    colors: npt.NDArray[np.float64]
    positions: Tensor
    thumbnails: Tensor
    clipped: Tensor
    statistics: Tensor


def sample_shots(
    pairs: Iterable[tuple[Image, Image]], max_shots: int, colors_per_shot: int | None = None
) -> tuple[ShotSamples, ShotSamples, list[Hashable]]:
    """Sample the inputs and the targets of pairs; the same pairs always give the same samples.

    Parameters
    ----------
    pairs : (input, target) images; of more than `max_shots` only so many, evenly spaced, are read.
    colors_per_shot : number of pixels, drawn at random with repetition; by default 2500, and more of few shots: 60,000
        of all together.

    Returns
    -------
    inputs, targets : samples of the same pixels.
    groups : the scene of each shot.
    """
    pairs = pairs if isinstance(pairs, Sequence) else list(pairs)
    rng = np.random.default_rng(_SEED)
    sides: tuple[list[ShotSamples], list[ShotSamples]] = ([], [])
    groups: list[Hashable] = []
    indices = evenly_spaced(len(pairs), max_shots)
    n_colors = colors_per_shot or max(_MIN_COLORS_PER_SHOT, _MIN_COLORS // max(1, len(indices)))
    for index in indices:
        pair = pairs[index]
        height, width = pair[0].shape[:2]
        rows, columns = rng.integers(height, size=n_colors), rng.integers(width, size=n_colors)
        for samples, image in zip(sides, pair, strict=True):
            samples.append(_sample(image, rows, columns))
        scene = pair[0].shot.scene
        groups.append(("pair", index) if scene is None else ("scene", scene))
    return _stacked(sides[0]), _stacked(sides[1]), groups


def _sample(image: Image, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> ShotSamples:
    height, width = image.shape[:2]
    positions = np.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], 1)
    tensor = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
    small, clipped = thumbnail(tensor), clipped_shares(tensor)
    return ShotSamples(
        np.asarray(image)[rows, columns].astype(np.float64),
        torch.from_numpy(positions.astype(np.float32)),
        small,
        clipped,
        scene_statistics(small, clipped),
    )


def _stacked(samples: Sequence[ShotSamples]) -> ShotSamples:
    return ShotSamples(
        np.stack([each.colors for each in samples]),
        torch.stack([each.positions for each in samples]),
        torch.cat([each.thumbnails for each in samples]),
        torch.cat([each.clipped for each in samples]),
        torch.cat([each.statistics for each in samples]),
    )
