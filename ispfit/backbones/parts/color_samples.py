"""Colours of pairs, for networks that fit themselves to colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.images import Image

__all__ = ["Colors", "sample_colors"]

Colors: TypeAlias = npt.NDArray[np.float64]

_TOTAL, _PAIRS = 60_000, 300
_SEED = 0


def sample_colors(pairs: Iterable[tuple[Image, Image]]) -> tuple[Colors, Colors]:
    """Inputs and targets (n, 3) at pixels drawn from all pairs alike; the same for the same pairs.

    About sixty thousand in all, as many of each pair (or all that it has). Of many pairs three hundred are looked at,
    spread evenly: neither time nor memory grows with the rest.
    """
    pairs = pairs if isinstance(pairs, Sequence) else list(pairs)
    some = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), _PAIRS)).astype(int)).tolist()
    each = _TOTAL // max(1, len(some))
    rng = np.random.default_rng(_SEED)
    parts = []
    for image, target in (pairs[index] for index in some):
        pixels = np.concatenate([np.asarray(side).reshape(-1, 3) for side in (image, target)], 1)
        chosen = rng.choice(len(pixels), min(each, len(pixels)), replace=False)
        parts.append(pixels[np.sort(chosen)].astype(np.float64))
    colors = np.concatenate(parts)
    return colors[:, :3], colors[:, 3:]
