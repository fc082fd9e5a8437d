"""Sample colours from pairs, for networks that are fitted to colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.images import Image
from ispfit.splits import evenly_spaced

__all__ = ["Colors", "sample_colors"]

Colors: TypeAlias = npt.NDArray[np.float64]

_MAX_COLORS, _MAX_PAIRS = 60_000, 300
_SEED = 0


def sample_colors(pairs: Iterable[tuple[Image, Image]]) -> tuple[Colors, Colors]:
    """Draw inputs and targets (n, 3) at random pixels of the pairs; the same pairs always give the same colours.

    At most 60,000 colours are drawn, the same number from each pair. Of more than 300 pairs only 300, evenly spaced,
    are read, so that neither time nor memory grows with their number.
    """
    pairs = pairs if isinstance(pairs, Sequence) else list(pairs)
    indices = evenly_spaced(len(pairs), _MAX_PAIRS)
    colors_per_pair = _MAX_COLORS // max(1, len(indices))
    rng = np.random.default_rng(_SEED)
    parts = []
    for image, target in (pairs[index] for index in indices):
        pixels = np.concatenate([np.asarray(side).reshape(-1, 3) for side in (image, target)], 1)
        chosen = rng.choice(len(pixels), min(colors_per_pair, len(pixels)), replace=False)
        parts.append(pixels[np.sort(chosen)].astype(np.float64))
    colors = np.concatenate(parts)
    return colors[:, :3], colors[:, 3:]
