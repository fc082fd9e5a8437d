"""Give a raw the tone of its srgb, as far as one curve can, so that the two can be compared."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ispfit.color import BT601_LUMA
from ispfit.registration.geometry import PointMap

__all__ = ["luma", "match_tone"]

_Array: TypeAlias = npt.NDArray[Any]

_BLUR_PX = 2.0  # of a level: makes the fit insensitive to the remaining misalignment
_N_SAMPLES = 6000
_RIDGE = 1e-5  # per sample


def luma(rgb: _Array) -> _Array:
    """Return the luma (H, W) of encoded RGB (H, W, 3), ITU-R BT.601.

    The raw and the srgb get the same weights even if others would fit better: lateral chromatic aberration magnifies
    red, green and blue differently, by up to a pixel at the corners, so that other weights would give another scale.
    """
    return np.asarray(rgb) @ BT601_LUMA


def match_tone(raw: _Array, srgb: _Array, transform: PointMap) -> _Array:
    """Return `raw` (H, W) under the cubic curve that brings it nearest to `srgb` (h, w).

    A shift is measured without bias only between images of one tone: under a curve, an edge that the optics
    have blurred moves towards its darker side.

    Parameters
    ----------
    raw : luma of the square root of the raw.
    srgb : luma of the srgb.
    transform : approximate map from pixels of `srgb` to pixels of `raw`.
    """
    stride = max(1, int(np.sqrt(srgb.size / _N_SAMPLES)))
    x, y = (index.ravel() for index in np.meshgrid(*(np.arange(0, side, stride) for side in srgb.shape[::-1])))
    seen = np.rint(transform(np.stack([x, y], -1).astype(float))).astype(int)
    inside = ((seen >= 0) & (seen < raw.shape[::-1])).all(1)
    terms = _powers(ndimage.gaussian_filter(raw, _BLUR_PX)[seen[inside, 1], seen[inside, 0]]).astype(float)
    wanted = ndimage.gaussian_filter(srgb, _BLUR_PX)[y[inside], x[inside]]
    normal = terms.T @ terms + _RIDGE * (len(terms) + 1) * np.eye(4)
    return np.asarray(_powers(raw) @ np.linalg.solve(normal, terms.T @ wanted).astype(np.float32))


def _powers(values: _Array) -> _Array:
    return np.stack([np.ones_like(values), values, values**2, values**3], -1)
