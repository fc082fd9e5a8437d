"""Whether two images that were brought onto one grid do show the same: evidence that no fit has seen."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ispfit.registration.matching import correlate

__all__ = ["objection"]

_Array: TypeAlias = npt.NDArray[Any]

_SIZE, _STEP, _REACH = 32, 16, 8  # px
_SCORE, _MIN_PATCHES = 0.3, 12
_AGREEMENT = 0.75  # of the patches must match best within a pixel of where the map says; by chance 0.01 do
_DETAIL = 0.03  # standard deviation of a patch of which something must be seen in both images
_SIMILAR = 0.5  # correlation at which it is
_MISSING = 0.1  # share of such patches that may be different; right pairs have up to 0.06


def objection(srgb: _Array, raw: _Array, valid: npt.NDArray[np.bool_]) -> str:
    """Why `srgb` and `raw`, one luma image (H, W) each of one tone, do not show the same; empty if they do.

    Two checks: the patches with the clearest detail in common must match better here than anywhere near; and what
    either image shows strongly must be in the other too, or one of them is damaged.
    """
    found = correlate(srgb, raw, valid, _SIZE, _STEP, _REACH)
    found = found[found.scores > _SCORE]
    certainty = found.certainty[:, 0]
    found = found[certainty >= np.median(certainty)] if len(found) else found
    agreement = float((np.hypot(*found.shifts.T) < 1).mean()) if len(found) >= _MIN_PATCHES else 0.0
    if agreement < _AGREEMENT:
        return (
            f"the images do not show the same: {agreement:.0%} of {len(found)} patches agree with the best map, "
            f"{_AGREEMENT:.0%} are needed"
        )
    missing = _missing(srgb, raw, valid)
    if missing > _MISSING:
        return (
            f"{missing:.0%} of what one image shows is not in the other, {_MISSING:.0%} are tolerated: damaged, or not "
            "of one shot"
        )
    return ""


def _missing(first: _Array, second: _Array, valid: npt.NDArray[np.bool_]) -> float:
    """Share of the patches with strong detail in either image that look different in the other."""

    def mean(image: _Array) -> _Array:
        return np.asarray(ndimage.uniform_filter(np.asarray(image, np.float64), _SIZE))

    one, two = mean(first), mean(second)
    spread = [np.maximum(mean(first * first) - one**2, 0), np.maximum(mean(second * second) - two**2, 0)]
    shared = mean(first * second) - one * two
    inside = ndimage.minimum_filter(valid, _SIZE, mode="constant")
    strong = inside & (np.maximum(*spread) > _DETAIL**2)
    alike = shared >= _SIMILAR * np.sqrt(spread[0] * spread[1]) + 1e-9
    return float(1 - alike[strong].mean()) if strong.any() else 0.0
