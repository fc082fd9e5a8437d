"""Image quality metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError
from ispfit.images import check_floats, check_image

__all__ = [
    "PSNR_CAP",
    "SSIM_WINDOW",
    "PSNRSummary",
    "ciede2000",
    "ciede2000_map",
    "psnr",
    "psnr_from_mse",
    "psnr_summary",
    "ssim",
]

PSNR_CAP = 100.0
"""The highest PSNR that `psnr` returns, in dB, and thus that of identical images.

An infinite score would turn the mean and the ranking of a search into NaN. Images that differ by one 16-bit code in
every value have 96.3 dB.
"""

SSIM_WINDOW = 11
"""Side of the window of `ssim` in pixels; smaller images have no SSIM."""

Array = npt.NDArray[Any]


def psnr(truth: npt.ArrayLike, estimate: npt.ArrayLike) -> float:
    """Return the peak signal-to-noise ratio in dB over all pixels and channels: ``-10 log10(MSE)``.

    Parameters
    ----------
    truth, estimate : float arrays of the same shape H x W x 3, or any other with 3 channels at the end, in [0, 1].

    Returns
    -------
    float, at most `PSNR_CAP`; NaN if an array contains NaN.

    Raises
    ------
    InputError
        If shapes differ, arrays are empty, their last axis does not hold 3 channels, or they hold integers, such
        as 8-bit codes.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((2, 2, 3), 0.5)
    >>> round(psnr(image, image + 0.1), 6)
    20.0
    >>> psnr(image, image)
    100.0
    """
    first, second = _floats(truth, "truth"), _floats(estimate, "estimate")
    _check_shapes(first, second)
    return psnr_from_mse(float(np.mean(np.square(first - second))))


def psnr_from_mse(mse: float) -> float:
    """Return the PSNR in dB of a mean squared error of values in [0, 1]; see `psnr`. NaN stays NaN."""
    return min(-10 * math.log10(mse), PSNR_CAP) if mse != 0 else PSNR_CAP


def ssim(truth: npt.ArrayLike, estimate: npt.ArrayLike) -> float:
    """Return the mean structural similarity of two images, at most 1 (Wang et al. 2004, computed by scikit-image).

    As in the original paper, the window is a Gaussian of sigma = 1.5 pixels and covariances are those of a population.

    Parameters
    ----------
    truth, estimate : float images H x W x 3 in [0, 1], at least 11 x 11 pixels.

    Raises
    ------
    InputError
        If the shapes differ, an image is smaller than 11 x 11 pixels, or is none that `ispfit.ISPModel` takes: it is
        grey, or holds integers or values outside [0, 1].
    """
    from skimage.metrics import structural_similarity

    first, second = _images(truth, estimate)
    if min(first.shape[:2]) < SSIM_WINDOW:
        raise InputError(
            f"ssim: expected images of at least {SSIM_WINDOW} x {SSIM_WINDOW} pixels, got {first.shape[:2]}; use psnr."
        )
    return float(
        structural_similarity(
            first,
            second,
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def ciede2000(truth: npt.ArrayLike, estimate: npt.ArrayLike) -> float:
    """Return the mean CIEDE2000 colour difference of two srgb images (D65 white, computed by scikit-image).

    A difference of about 1 is just noticeable. Raws have no CIEDE2000: their primaries are the camera's.

    Parameters
    ----------
    truth, estimate : sRGB-encoded float images H x W x 3 in [0, 1].

    Raises
    ------
    InputError
        If the shapes differ, or an image is none that `ispfit.ISPModel` takes, as in `ssim`.
    """
    return float(np.mean(ciede2000_map(truth, estimate)))


def ciede2000_map(truth: npt.ArrayLike, estimate: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the CIEDE2000 colour difference of each pixel, (H, W); see `ciede2000`."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    first, second = _images(truth, estimate)
    difference: npt.NDArray[np.float64] = deltaE_ciede2000(rgb2lab(first), rgb2lab(second))
    return difference


@dataclass(frozen=True)
class PSNRSummary:
    """The four statistics of Table 1 of Nam & Kim (2017), in dB."""

    mean: float
    median: float
    min: float
    max: float


def psnr_summary(values: Iterable[float]) -> PSNRSummary:
    """Return mean, median, minimum and maximum of the PSNRs of several images.

    Parameters
    ----------
    values : PSNR of each image in dB.

    Raises
    ------
    InputError
        If there is no image.
    """
    array = np.fromiter(values, np.float64)
    if array.size == 0:
        raise InputError("psnr_summary: expected the PSNR of at least one image, got none.")
    return PSNRSummary(float(array.mean()), float(np.median(array)), float(array.min()), float(array.max()))


def _images(truth: npt.ArrayLike, estimate: npt.ArrayLike) -> tuple[Array, Array]:
    first, second = np.asarray(truth), np.asarray(estimate)
    _check_shapes(first, second)
    check_image(first, "truth")
    check_image(second, "estimate")
    return first.astype(np.float64), second.astype(np.float64)


def _floats(values: npt.ArrayLike, where: str) -> Array:
    array = np.asarray(values)
    if array.ndim < 2 or array.shape[-1] != 3:
        raise InputError(f"{where}: expected an image of shape (H, W, 3), got {array.shape}.")
    check_floats(array.dtype, where)
    return array.astype(np.float64)


def _check_shapes(first: Array, second: Array) -> None:
    if first.shape != second.shape:
        raise InputError(f"expected two images of the same shape, got {first.shape} and {second.shape}.")
    if first.size == 0:
        raise InputError(f"expected images with pixels, got two of shape {first.shape}.")
