"""Give a raw the tone of an srgb, as far as one curve can, so that the two can be compared."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ispfit.registration.geometry import PointMap

__all__ = ["luma", "match_tone"]

_Array: TypeAlias = npt.NDArray[Any]

_BLUR = 2.0  # px: makes the fit indifferent to what is left of the misalignment
_SAMPLES = 6000
_RIDGE = 1e-5


def luma(rgb: _Array) -> _Array:
    """Luma (H, W) of encoded RGB (H, W, 3), ITU-R BT.601.

    Channels are mixed alike in the raw and the srgb, rather than as would fit best: lateral chromatic aberration
    magnifies a lens's red, green and blue differently, by up to a pixel at the corners, and another mixture would
    be registered to another scale.
    """
    return np.asarray(rgb) @ np.array([0.299, 0.587, 0.114], np.float32)


def match_tone(raw: _Array, target: _Array, transform: PointMap) -> _Array:
    """`raw` (H, W) under the cubic curve that brings it nearest to `target` (h, w).

    A shift is measured free of bias only between images of one tone: under a curve, an edge that the optics
    have blurred moves towards its darker side.

    Parameters
    ----------
    raw : luma of the raw's square root.
    target : luma of the srgb.
    transform : roughly known map from pixels of `target` to those of `raw`.
    """
    stride = max(1, int(np.sqrt(target.size / _SAMPLES)))
    x, y = (index.ravel() for index in np.meshgrid(*(np.arange(0, side, stride) for side in target.shape[::-1])))
    at = np.rint(transform(np.stack([x, y], -1).astype(float))).astype(int)
    inside = ((at >= 0) & (at < raw.shape[::-1])).all(1)
    terms = _powers(ndimage.gaussian_filter(raw, _BLUR)[at[inside, 1], at[inside, 0]]).astype(float)
    wanted = ndimage.gaussian_filter(target, _BLUR)[y[inside], x[inside]]
    normal = terms.T @ terms + _RIDGE * (len(terms) + 1) * np.eye(4)
    return np.asarray(_powers(raw) @ np.linalg.solve(normal, terms.T @ wanted).astype(np.float32))


def _powers(values: _Array) -> _Array:
    return np.stack([np.ones_like(values), values, values**2, values**3], -1)
