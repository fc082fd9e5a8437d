"""The pictures of a report: small JPEGs, as data of the page itself."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import imageio.v3 as iio
import numpy as np

from ispfit.color import linear_to_srgb
from ispfit.images import Image
from ispfit.metrics import ciede2000
from ispfit.resize import reduce_image

__all__ = ["ERROR_SHOWN", "Comparison", "compare_images"]

ERROR_SHOWN = 32
"""The error in 8-bit codes that an error map shows white; larger ones look the same."""

_QUALITY = 85
_ERROR_COLORS = np.array([[0, 0, 4], [120, 28, 109], [237, 105, 37], [252, 255, 164]]) / 255
"""Colours of no error to `ERROR_SHOWN`: even steps of the map "inferno" (S. van der Walt and N. Smith, 2015)."""


@dataclass(frozen=True)
class Comparison:
    """Two pictures to lay over each other, and their difference, as `data:` addresses.

    Parameters
    ----------
    truth, estimate, error : the camera's image, the model's, and the map of the error.
    width, height : of each in pixels.
    mean_error : mean absolute difference in 8-bit codes, sRGB-encoded.
    ciede2000 : mean colour difference.
    """

    truth: str
    estimate: str
    error: str
    width: int
    height: int
    mean_error: float
    ciede2000: float


def compare_images(truth: Image, estimate: Image, size: int, *, linear: bool) -> Comparison:
    """Make the pictures of one shot in one direction.

    Parameters
    ----------
    truth, estimate : float32 H x W x 3 in [0, 1].
    size : longer side of the pictures in pixels.
    linear : whether the images are raw, which is shown with the sRGB curve, and measured with it.
    """
    shown = [reduce_image(image, size, linear=linear) for image in (truth, estimate)]
    if linear:
        shown = [Image(np.asarray(linear_to_srgb(np.asarray(image)), np.float32)) for image in shown]
    first, second = shown
    error = np.abs(np.asarray(first) - np.asarray(second)).mean(2) * 255
    levels = np.linspace(0, 1, len(_ERROR_COLORS))
    shares = np.clip(error / ERROR_SHOWN, 0, 1)
    colors = np.stack([np.interp(shares, levels, channel) for channel in _ERROR_COLORS.T], axis=2)
    height, width = first.shape[:2]
    return Comparison(
        _address(np.asarray(first)),
        _address(np.asarray(second)),
        _address(colors),
        width,
        height,
        float(error.mean()),
        ciede2000(first, second),
    )


def _address(pixels: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> str:
    codes = np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    data = iio.imwrite("<bytes>", codes, extension=".jpg", plugin="pillow", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
