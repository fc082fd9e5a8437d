"""Undo the shift that blind deblurring leaves open: a kernel moved one way makes an image moved the other way."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from ispfit.errors import InputError
from ispfit.images import FloatImage, Image, check_image

__all__ = ["register_shift"]

_PARTS = 20  # of a pixel, to which shifts are found


def register_shift(truth: FloatImage, estimate: FloatImage, margin: int) -> tuple[Image, Image]:
    """Return two images moved onto each other, without a margin, for PSNR and SSIM.

    Parameters
    ----------
    truth, estimate : float32 H x W x 3 in [0, 1].
    margin : pixels to cut off on each side, at least as many as the two may be shifted, and the kernel's half where the
        border is not to count.

    Returns
    -------
    Both images (H - 2 margin, W - 2 margin, 3). The estimate is interpolated by cubic splines.

    Raises
    ------
    InputError
        If an image is none, the two differ in shape, or nothing is left of them.
    """
    first, second = check_image(truth, "truth"), check_image(estimate, "estimate")
    if first.shape != second.shape:
        raise InputError(f"expected two images of the same shape, got {first.shape} and {second.shape}.")
    if not 0 <= 2 * margin < min(first.shape[:2]):
        raise InputError(f"margin: expected 0 or more and less than half of {first.shape[:2]}, got {margin!r}.")
    planes = [_windowed(np.asarray(image).mean(2)) for image in (first, second)]
    shift, _, _ = phase_cross_correlation(*planes, upsample_factor=_PARTS, normalization=None)
    shift = np.clip(shift, -margin, margin)
    moved = ndimage.shift(np.asarray(second), (*shift, 0), order=3, mode="nearest")
    inside = (slice(margin, first.shape[0] - margin), slice(margin, first.shape[1] - margin))
    return Image(first[inside]), Image(np.clip(moved, 0, 1)[inside], second.shot)


def _windowed(plane: FloatImage) -> FloatImage:
    """Return a plane without its mean, faded out towards its borders, which are not periodic."""
    rows, columns = (np.hanning(side + 2)[1:-1] for side in plane.shape)
    return np.asarray((plane - plane.mean()) * np.outer(rows, columns))
