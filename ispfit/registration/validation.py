"""Checks of whether two images on one grid show the same, by evidence that the fit has not seen."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ispfit.registration.matching import Matches, correlate

__all__ = ["mismatch_reason"]

_Array: TypeAlias = npt.NDArray[Any]

_PATCH_PX, _REACH_PX = 32, 8
_STEPS_PX = (16, 8, 4)  # from patch to patch; small images need patches that overlap more
_MIN_SCORE, _MIN_PATCHES = 0.3, 12
_MIN_AGREEMENT = 0.75  # share of the patches that match best within a pixel of their mapped place; 0.01 by chance
_STRONG_DETAIL = 0.03  # standard deviation of luma in a patch that both images must show
_MIN_CORRELATION = 0.5  # of a patch that both images show
_MAX_MISSING = 0.1  # share of the patches of strong detail that only one image shows; correct pairs have up to 0.06


def mismatch_reason(srgb: _Array, raw: _Array, valid: npt.NDArray[np.bool_]) -> str:
    """Return why two images do not show the same, or "" if they do.

    The patches with the clearest detail must match better in place than anywhere within 8 pixels. Strong detail of
    either image must be in the other too, or one of them is damaged.

    Parameters
    ----------
    srgb, raw : lumas (H, W) of one tone on one grid.
    valid : bool (H, W), the known pixels of `raw`.
    """
    found = _correlated(srgb, raw, valid)
    if len(found) < 2 * _MIN_PATCHES:
        height, width = srgb.shape
        return (
            f"too small: {width} x {height} pixels hold {len(found)} patches that both images show, {2 * _MIN_PATCHES} "
            "are needed; use a larger picture, or do not register"
        )
    found = found[found.scores > _MIN_SCORE]
    certainty = found.certainty[:, 0]
    found = found[certainty >= np.median(certainty)] if len(found) else found
    agreement = float((np.hypot(*found.shifts.T) < 1).mean()) if len(found) >= _MIN_PATCHES else 0.0
    if agreement < _MIN_AGREEMENT:
        return (
            f"the images do not show the same view: {agreement:.0%} of {len(found)} patches agree with the best map, "
            f"{_MIN_AGREEMENT:.0%} are needed"
        )
    missing = _missing_share(srgb, raw, valid)
    if missing > _MAX_MISSING:
        return (
            f"{missing:.0%} of what one image shows is not in the other, more than {_MAX_MISSING:.0%}: one of them is "
            "damaged, or they are of two shots"
        )
    return ""


def _correlated(srgb: _Array, raw: _Array, valid: npt.NDArray[np.bool_]) -> Matches:
    """Return matches of patches all over the part that both images show: at least twice `_MIN_PATCHES`, if it can."""
    rows, columns = (np.flatnonzero(valid.any(axis)) for axis in (1, 0))
    if not len(rows):
        return Matches.none()
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    for step in _STEPS_PX:
        found = correlate(srgb[box], raw[box], valid[box], _PATCH_PX, step, _REACH_PX)
        if len(found) >= 2 * _MIN_PATCHES:
            break
    return found


def _missing_share(srgb: _Array, raw: _Array, valid: npt.NDArray[np.bool_]) -> float:
    """Share of the patches with strong detail in either image that look different in the other."""

    def mean(image: _Array) -> _Array:
        return np.asarray(ndimage.uniform_filter(np.asarray(image, np.float64), _PATCH_PX))

    srgb_mean, raw_mean = mean(srgb), mean(raw)
    srgb_variance = np.maximum(mean(srgb * srgb) - srgb_mean**2, 0)
    raw_variance = np.maximum(mean(raw * raw) - raw_mean**2, 0)
    covariance = mean(srgb * raw) - srgb_mean * raw_mean
    inside = ndimage.minimum_filter(valid, _PATCH_PX, mode="constant")
    strong = inside & (np.maximum(srgb_variance, raw_variance) > _STRONG_DETAIL**2)
    alike = covariance >= _MIN_CORRELATION * np.sqrt(srgb_variance * raw_variance) + 1e-9
    return float(1 - alike[strong].mean()) if strong.any() else 0.0
