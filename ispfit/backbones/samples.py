"""Colours of pairs, for networks that fit themselves to colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.images import Image

__all__ = ["Colors", "sample_colors"]

Colors: TypeAlias = npt.NDArray[np.float64]

_TOTAL, _LEAST = 60_000, 200
_SEED = 0


def sample_colors(pairs: Iterable[tuple[Image, Image]]) -> tuple[Colors, Colors]:
    """Inputs and targets (n, 3) at pixels drawn from all pairs alike; the same for the same pairs.

    About sixty thousand in all, two hundred of each pair at least (or all that it has).
    """
    sizes = [image.shape[0] * image.shape[1] for image, _ in pairs]
    each = max(_LEAST, _TOTAL // max(1, len(sizes)))
    rng = np.random.default_rng(_SEED)
    parts = []
    for image, target in pairs:
        pixels = np.concatenate([np.asarray(side).reshape(-1, 3) for side in (image, target)], 1)
        chosen = rng.choice(len(pixels), min(each, len(pixels)), replace=False)
        parts.append(pixels[np.sort(chosen)].astype(np.float64))
    colors = np.concatenate(parts)
    return colors[:, :3], colors[:, 3:]
