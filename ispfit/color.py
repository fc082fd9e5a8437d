"""Colour functions and constants: lightness and chromaticity, the sRGB transfer curve, white balance, matrices.

Functions are pure, take NumPy arrays and torch tensors alike and return the same kind and dtype. Their colour
axis is the last one (H x W x 3) by default; networks pass ``axis=1`` (N x 3 x H x W).

Matrices convert linear values of one colour space to linear values of another and act on columns: for pixels
H x W x 3 write ``pixels @ matrix.T``. The white point of every space here is D65, x = 0.3127, y = 0.3290, so no matrix
adapts to another white. More digits would change the data that the virtual cameras make.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError
from ispfit.images import check_floats

__all__ = [
    "ADOBE_RGB_TO_SRGB",
    "BT601_LUMA",
    "BT2020_TO_SRGB",
    "EPSILON",
    "SRGB_LUMINANCE",
    "XYZ_TO_BT2020",
    "XYZ_TO_SRGB",
    "apply_white_balance",
    "linear_to_srgb",
    "lrg_to_rgb",
    "rgb_to_lrg",
    "srgb_to_linear",
]

Array = TypeVar("Array", bound=Any)
_Matrix: TypeAlias = npt.NDArray[np.float64]

EPSILON = 1e-4
"""Added to R + G + B by `rgb_to_lrg`, a third of it to each channel: black is grey, and gradients stay finite."""

BT601_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of encoded R, G, B in luma: ITU-R BT.601-7, section 2.5.1, the luma of JPEG too."""

SRGB_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of linear sRGB in luminance Y: ITU-R BT.709-6, section 3.2, whose primaries sRGB shares."""

XYZ_TO_SRGB: _Matrix = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
"""CIE XYZ to linear sRGB: IEC 61966-2-1:1999."""

XYZ_TO_BT2020: _Matrix = np.array(
    [[1.7166512, -0.3556708, -0.2533663], [-0.6666844, 1.6164812, 0.0157685], [0.0176399, -0.0427706, 0.9421031]]
)
"""CIE XYZ to linear BT.2020: computed from the primaries and the white of ITU-R BT.2020-2."""

BT2020_TO_SRGB: _Matrix = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
"""Linear BT.2020 to linear sRGB: Report ITU-R BT.2407. Colours outside sRGB become negative."""

ADOBE_RGB_TO_SRGB: _Matrix = np.array([[1.39836, -0.39836, 0.0], [0.0, 1.0, 0.0], [0.0, -0.04293, 1.04293]])
"""Linear Adobe RGB (1998) to linear sRGB: the product of the matrices in Adobe RGB (1998) Color Image Encoding, version
2005-05, section 4.3.5.3, and in IEC 61966-2-1. Colours outside sRGB become negative."""


def rgb_to_lrg(rgb: Array, axis: int = -1) -> Array:
    """Return lightness and chromaticity of RGB (Nam & Kim 2017, Eq. 4).

    ``L = (R + G + B) / 3``, ``r = R / (R + G + B)``, ``g = G / (R + G + B)``. Black, 0/0 in the paper, gets the limit
    of dark grey, r = g = 1/3, because `EPSILON` / 3 is added to each channel in r and g.

    Parameters
    ----------
    rgb : array or tensor with 3 channels along `axis`, values >= 0. Linear or encoded: no assumption is made,
        and no white point enters.
    axis : the colour axis.

    Returns
    -------
    Channels L, r, g along `axis`: L in the range of `rgb`, r and g in [0, 1].

    Raises
    ------
    InputError
        If `rgb` has not 3 channels along `axis`, or holds integers, such as 8-bit codes.

    Examples
    --------
    >>> import numpy as np
    >>> rgb_to_lrg(np.array([0.0, 0.0, 0.0])).round(3).tolist()
    [0.0, 0.333, 0.333]
    """
    check_floats(rgb.dtype, "rgb")
    red, green, blue = _channels(rgb, axis)
    total = red + green + blue
    scale = 1 / (total + EPSILON)
    return _stack([total / 3, (red + EPSILON / 3) * scale, (green + EPSILON / 3) * scale], axis)


def lrg_to_rgb(lrg: Array, axis: int = -1) -> Array:
    """Return the RGB of lightness and chromaticity: the inverse of `rgb_to_lrg`.

    Parameters
    ----------
    lrg : array or tensor with channels L, r, g along `axis`.
    axis : the colour axis.

    Returns
    -------
    RGB along `axis`, linear or encoded as the input of `rgb_to_lrg` was.

    Raises
    ------
    InputError
        As in `rgb_to_lrg`.
    """
    check_floats(lrg.dtype, "lrg")
    lightness, r, g = _channels(lrg, axis)
    total = 3 * lightness + EPSILON
    return _stack([r * total - EPSILON / 3, g * total - EPSILON / 3, (1 - r - g) * total - EPSILON / 3], axis)


def srgb_to_linear(encoded: Array) -> Array:
    """Return the linear light of sRGB-encoded values (IEC 61966-2-1:1999), both in [0, 1].

    Parameters
    ----------
    encoded : array or tensor of any shape, encoded (non-linear) values.

    Raises
    ------
    InputError
        If `encoded` holds integers, such as 8-bit codes.
    """
    check_floats(encoded.dtype, "encoded")
    xp = _namespace(encoded)
    # The power sees only values of its own branch, so that a tensor's gradient stays finite at 0.
    bright = xp.where(encoded > 0.04045, encoded, xp.ones_like(encoded))
    return xp.where(encoded > 0.04045, ((bright + 0.055) / 1.055) ** 2.4, encoded / 12.92)


def linear_to_srgb(linear: Array) -> Array:
    """Return the sRGB encoding of linear light (IEC 61966-2-1:1999), both in [0, 1].

    Parameters
    ----------
    linear : array or tensor of any shape, linear values.

    Raises
    ------
    InputError
        If `linear` holds integers, such as 16-bit codes.
    """
    check_floats(linear.dtype, "linear")
    xp = _namespace(linear)
    bright = xp.where(linear > 0.0031308, linear, xp.ones_like(linear))
    return xp.where(linear > 0.0031308, 1.055 * bright ** (1 / 2.4) - 0.055, 12.92 * linear)


def apply_white_balance(rgb: Array, gains: Sequence[float], axis: int = -1) -> Array:
    """Return linear RGB with each channel multiplied by its gain; nothing is clipped.

    Parameters
    ----------
    rgb : array or tensor with 3 channels along `axis`, linear camera RGB.
    gains : three positive factors of R, G, B. They make the white of the illuminant (1, 1, 1); ispfit scales them so
        that green is 1. The gains ``1 / gains`` undo it.
    axis : the colour axis.

    Raises
    ------
    InputError
        If `gains` are not three positive numbers, or `rgb` has not 3 channels along `axis`.
    """
    if len(gains) != 3 or not all(np.isfinite(gain) and gain > 0 for gain in gains):
        raise InputError(f"gains: expected three positive numbers (r, g, b), got {tuple(gains)}.")
    channels = _channels(rgb, axis)
    return _stack([channel * float(gain) for channel, gain in zip(channels, gains, strict=True)], axis)


def _namespace(array: Any) -> Any:
    """The module of `array`, NumPy or torch. It does not import torch: there is no tensor before torch is imported."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(array, torch.Tensor) else np


def _channels(rgb: Any, axis: int) -> tuple[Any, Any, Any]:
    if rgb.ndim == 0 or rgb.shape[axis] != 3:
        raise InputError(f"expected 3 channels along axis {axis}, got an array of shape {tuple(rgb.shape)}.")
    first, second, third = (rgb[(slice(None),) * (axis % rgb.ndim) + (index,)] for index in range(3))
    return first, second, third


def _stack(channels: list[Any], axis: int) -> Any:
    return _namespace(channels[0]).stack(channels, axis)
