"""How near one image is to another, and scorers for scikit-learn's model selection."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError

__all__ = [
    "PSNR_CAP",
    "PSNRSummary",
    "ciede2000",
    "inverse_psnr_scorer",
    "psnr",
    "psnr_from_mse",
    "psnr_scorer",
    "psnr_summary",
    "ssim",
]

PSNR_CAP = 100.0
"""The PSNR in dB of identical images, and the most that `psnr` returns: an infinite score would make the means
and the rankings of a search NaN. No 16-bit image with an error of one code anywhere reaches 100 dB."""

Array = npt.NDArray[Any]


def psnr(truth: npt.ArrayLike, estimate: npt.ArrayLike, *, peak: float = 1.0, cap: float = PSNR_CAP) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels: ``10 log10(peak² / MSE)``.

    Parameters
    ----------
    truth, estimate : arrays of one shape, such as H x W x 3, in [0, `peak`].
    peak : the largest possible value.
    cap : the largest PSNR that is returned, in dB; see `PSNR_CAP`.

    Raises
    ------
    InputError
        If the shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((2, 2, 3), 0.5)
    >>> round(psnr(image, image + 0.1), 6)
    20.0
    >>> psnr(image, image)
    100.0
    """
    first, second = _same_shape(truth, estimate)
    return psnr_from_mse(float(np.mean(np.square(first - second))), peak=peak, cap=cap)


def psnr_from_mse(mse: float, *, peak: float = 1.0, cap: float = PSNR_CAP) -> float:
    """The PSNR in dB of a mean squared error; see `psnr`. NaN stays NaN: it must never win a search."""
    return min(20 * math.log10(peak) - 10 * math.log10(mse), cap) if mse != 0 else cap


def ssim(truth: npt.ArrayLike, estimate: npt.ArrayLike) -> float:
    """Mean structural similarity of two images H x W x 3 in [0, 1] (Wang et al. 2004), by scikit-image.

    Gaussian weights of 1.5 pixels and population covariance, as in the original paper; the sides must be at
    least 11 pixels long.
    """
    from skimage.metrics import structural_similarity

    first, second = _same_shape(truth, estimate)
    if min(first.shape[:2]) < 11:
        raise InputError(f"ssim: expected images of at least 11 x 11 pixels, got {first.shape[:2]}; use psnr.")
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
    """Mean CIEDE2000 colour difference of two sRGB-encoded images H x W x 3 in [0, 1], D65 white, by scikit-image.

    About 1 is just noticeable. Not meant for raw, whose primaries are the camera's.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    first, second = _same_shape(truth, estimate)
    return float(np.mean(deltaE_ciede2000(rgb2lab(first), rgb2lab(second))))


@dataclass(frozen=True)
class PSNRSummary:
    """The four statistics that Table 1 of Nam & Kim 2017 reports, in dB."""

    mean: float
    median: float
    min: float
    max: float

    def as_dict(self) -> dict[str, float]:
        """The statistics by name, for JSON."""
        return asdict(self)


def psnr_summary(values: Iterable[float]) -> PSNRSummary:
    """Mean, median, min and max of the PSNR of several images, in dB.

    Parameters
    ----------
    values : one PSNR an image.
    """
    array = np.fromiter(values, np.float64)
    if array.size == 0:
        raise InputError("psnr_summary: expected the PSNR of at least one image, got none.")
    return PSNRSummary(float(array.mean()), float(np.median(array)), float(array.min()), float(array.max()))


def psnr_scorer(estimator: Any, X: Sequence[Any], Y: Sequence[Any]) -> float:
    """Mean PSNR in dB of the forward direction; pass it as ``scoring=psnr_scorer`` to scikit-learn.

    The estimator is an `ispfit.ISPModel`, or anything that has ``transform``, such as a pipeline that ends in one.
    """
    if hasattr(estimator, "psnr"):
        return float(np.mean(estimator.psnr(X, Y, direction="forward")))
    return _mean_psnr(Y, estimator.transform(X), "ispfit.read_srgb")


def inverse_psnr_scorer(estimator: Any, X: Sequence[Any], Y: Sequence[Any]) -> float:
    """Mean PSNR in dB of the inverse direction (raw from srgb); pass it as ``scoring=inverse_psnr_scorer``.

    The estimator is an `ispfit.ISPModel`, or anything that has ``inverse_transform``.
    """
    if hasattr(estimator, "psnr"):
        return float(np.mean(estimator.psnr(X, Y, direction="inverse")))
    return _mean_psnr(X, estimator.inverse_transform(Y), "ispfit.read_raw")


def _mean_psnr(truths: Sequence[Any], estimates: Sequence[Any], reader: str) -> float:
    if any(isinstance(truth, str | PathLike) for truth in truths):
        raise InputError(f"a scorer of a pipeline needs images, got paths; read them by {reader}.")
    return float(np.mean([psnr(truth, estimate) for truth, estimate in zip(truths, estimates, strict=True)]))


def _same_shape(truth: npt.ArrayLike, estimate: npt.ArrayLike) -> tuple[Array, Array]:
    first, second = np.asarray(truth, np.float64), np.asarray(estimate, np.float64)
    if first.shape != second.shape:
        raise InputError(f"expected two images of one shape, got {first.shape} and {second.shape}.")
    if first.size == 0:
        raise InputError(f"expected images with pixels, got two of shape {first.shape}.")
    return first, second
