"""Colour functions: lightness and chromaticity, the sRGB transfer curve, white balance.

Pure functions that take NumPy arrays and torch tensors alike and return the same kind and dtype. Colour
is the axis `axis`: the last one (H x W x 3) unless told otherwise; networks pass ``axis=1`` (N x 3 x H x W).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from ispfit.errors import InputError

__all__ = ["EPSILON", "apply_white_balance", "linear_to_srgb", "lrg_to_rgb", "rgb_to_lrg", "srgb_to_linear"]

Array = TypeVar("Array", bound=Any)

EPSILON = 1e-4
"""Added to R + G + B by `rgb_to_lrg`, a third of it to each channel: black is grey, and gradients stay finite."""


def rgb_to_lrg(rgb: Array, axis: int = -1) -> Array:
    """Lightness and chromaticity of RGB (Nam & Kim 2017, Eq. 4).

    ``L = (R + G + B) / 3``, ``r = R / (R + G + B)``, ``g = G / (R + G + B)``, where black, 0/0 in the paper, takes
    the limit of dark grey, r = g = 1/3: `EPSILON` / 3 is added to each channel in r and g.

    Parameters
    ----------
    rgb : array or tensor with 3 channels along `axis`, values >= 0. Linear or encoded: no assumption is made,
        and no white point enters.
    axis : the colour axis.

    Returns
    -------
    Channels L, r, g along `axis`: L in the range of `rgb`, r and g in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> rgb_to_lrg(np.array([0.0, 0.0, 0.0])).round(3).tolist()
    [0.0, 0.333, 0.333]
    """
    red, green, blue = _channels(rgb, axis)
    total = red + green + blue
    scale = 1 / (total + EPSILON)
    return _stack([total / 3, (red + EPSILON / 3) * scale, (green + EPSILON / 3) * scale], axis)


def lrg_to_rgb(lrg: Array, axis: int = -1) -> Array:
    """Inverse of `rgb_to_lrg`.

    Parameters
    ----------
    lrg : array or tensor with channels L, r, g along `axis`.
    axis : the colour axis.

    Returns
    -------
    RGB along `axis`, in the encoding that went into `rgb_to_lrg`.
    """
    lightness, r, g = _channels(lrg, axis)
    total = 3 * lightness + EPSILON
    return _stack([r * total - EPSILON / 3, g * total - EPSILON / 3, (1 - r - g) * total - EPSILON / 3], axis)


def srgb_to_linear(encoded: Array) -> Array:
    """Linear light of sRGB-encoded values (IEC 61966-2-1:1999, D65 white), both in [0, 1].

    Parameters
    ----------
    encoded : array or tensor of any shape, encoded (non-linear) values.
    """
    xp = _namespace(encoded)
    # The power is taken of the branch that is used only: a tensor's gradient stays finite at 0.
    bright = xp.where(encoded > 0.04045, encoded, xp.ones_like(encoded))
    return xp.where(encoded > 0.04045, ((bright + 0.055) / 1.055) ** 2.4, encoded / 12.92)


def linear_to_srgb(linear: Array) -> Array:
    """sRGB encoding of linear light (IEC 61966-2-1:1999, D65 white), both in [0, 1].

    Parameters
    ----------
    linear : array or tensor of any shape, linear values.
    """
    xp = _namespace(linear)
    bright = xp.where(linear > 0.0031308, linear, xp.ones_like(linear))
    return xp.where(linear > 0.0031308, 1.055 * bright ** (1 / 2.4) - 0.055, 12.92 * linear)


def apply_white_balance(rgb: Array, gains: Sequence[float], axis: int = -1) -> Array:
    """Multiply each channel of linear RGB by its gain; nothing is clipped.

    Parameters
    ----------
    rgb : array or tensor with 3 channels along `axis`, linear camera RGB.
    gains : three positive factors for R, G, B; by the convention of ispfit green is 1, and the illuminant's
        white becomes (1, 1, 1). ``1 / gains`` undoes it.
    axis : the colour axis.
    """
    if len(gains) != 3 or not all(np.isfinite(gain) and gain > 0 for gain in gains):
        raise InputError(f"gains: expected three positive numbers (r, g, b), got {tuple(gains)}.")
    channels = _channels(rgb, axis)
    return _stack([channel * float(gain) for channel, gain in zip(channels, gains, strict=True)], axis)


def _namespace(array: Any) -> Any:
    """The module, NumPy or torch, that `array` belongs to; torch is never imported for it."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


def _channels(rgb: Any, axis: int) -> tuple[Any, Any, Any]:
    if rgb.ndim == 0 or rgb.shape[axis] != 3:
        raise InputError(f"expected 3 channels along axis {axis}, got an array of shape {tuple(rgb.shape)}.")
    first, second, third = (rgb[(slice(None),) * (axis % rgb.ndim) + (index,)] for index in range(3))
    return first, second, third


def _stack(channels: list[Any], axis: int) -> Any:
    return _namespace(channels[0]).stack(channels, axis)
