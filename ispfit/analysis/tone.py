"""The effective tone curve of a rendering, and how far its colours are from those of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ispfit.color import BT601_LUMA
from ispfit.images import FloatImage
from ispfit.metrics import ciede2000

__all__ = ["TONE_LEVELS", "ColorShift", "color_shift", "tone_curve"]

TONE_LEVELS: npt.NDArray[np.float64] = np.arange(-8.0, 0.1, 0.5)
"""L of the raw at which tone curves are measured, in stops relative to saturation."""

_MIN_SHARE = 1e-3  # of the pixels, from which a point of a curve is measured


def tone_curve(raw: FloatImage, srgb: FloatImage) -> npt.NDArray[np.float64]:
    """Return the mean luma of an srgb by the L of its raw: what was done to tone, whatever did it.

    Parameters
    ----------
    raw : float32 H x W x 3 in [0, 1], linear; L = (R + G + B) / 3.
    srgb : float32 H x W x 3 in [0, 1], encoded, on the same pixel grid.

    Returns
    -------
    float64 (17,), the mean luma (ITU-R BT.601) of the pixels around each of `TONE_LEVELS`; NaN where the raw has less
    than a thousandth of its pixels.
    """
    stops = np.log2(np.maximum(np.asarray(raw).mean(2, dtype=float), 1e-6)).ravel()
    luma = (np.asarray(srgb) @ BT601_LUMA).ravel()
    step = TONE_LEVELS[1] - TONE_LEVELS[0]
    index = np.rint((stops - TONE_LEVELS[0]) / step).astype(int)
    inside = (index >= 0) & (index < len(TONE_LEVELS))
    counts, sums = (np.bincount(index[inside], weights, len(TONE_LEVELS)) for weights in (None, luma[inside]))
    return np.where(counts >= max(1, _MIN_SHARE * len(stops)), sums / np.maximum(counts, 1), np.nan)


@dataclass(frozen=True)
class ColorShift:
    """Mean differences of two srgbs in CIELAB (D65), the second minus the first.

    Parameters
    ----------
    lightness : of L*.
    red_green, blue_yellow : of a* (positive is red) and b* (positive is yellow).
    chroma : of C*.
    ciede2000 : mean CIEDE2000 of the pixels, not negative.
    """

    lightness: float
    red_green: float
    blue_yellow: float
    chroma: float
    ciede2000: float


def color_shift(first: FloatImage, second: FloatImage) -> ColorShift:
    """Return how the colours of `second` differ from those of `first`, both srgbs H x W x 3 in [0, 1]."""
    from skimage.color import rgb2lab

    labs = [rgb2lab(np.asarray(image, np.float64)) for image in (first, second)]
    lightness, red_green, blue_yellow = (labs[1] - labs[0]).mean((0, 1)).tolist()
    chroma = float(
        np.mean(np.hypot(*np.moveaxis(labs[1][..., 1:], 2, 0)) - np.hypot(*np.moveaxis(labs[0][..., 1:], 2, 0)))
    )
    return ColorShift(lightness, red_green, blue_yellow, chroma, ciede2000(first, second))
