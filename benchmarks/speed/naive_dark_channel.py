"""The dark channel step of blind deblurring in loops over pixels, as the baseline of `deblur.py`.

A transcription of Pan et al. (CVPR 2016), section 4, for one luminance image: dark channel with the place of each
minimum, thresholded minima put back to their places, sparse gradients, each with complex Fourier transforms.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from skimage.filters import threshold_otsu

__all__ = ["restore"]

WINDOW_PX = 35

_Array: TypeAlias = npt.NDArray[Any]


def restore(blurred: _Array, transfer: _Array, strength: float, mu: float) -> _Array:
    """Return the sharp image (H, W) of a periodic blurred one; `transfer` is the kernel's full spectrum."""
    image, weight = blurred, strength / threshold_otsu(blurred**2)
    while weight < 8:
        minima, places = dark_channel(image)
        minima[minima**2 < strength / weight] = 0
        pixels = put_back(image, minima, places)
        image = sparse(image, transfer, blurred, mu, pixels, weight)
        weight *= 2
    return image


def dark_channel(image: _Array) -> tuple[_Array, _Array]:
    """Return the minimum of the window around each pixel, and its index in the window."""
    reach = WINDOW_PX // 2
    padded = np.pad(image, reach, constant_values=np.inf)
    minima, places = np.zeros(image.shape), np.zeros(image.shape, int)
    for row, column in np.ndindex(image.shape):
        patch = padded[row : row + WINDOW_PX, column : column + WINDOW_PX].ravel()
        places[row, column] = patch.argmin()
        minima[row, column] = patch[places[row, column]]
    return minima, places


def put_back(image: _Array, minima: _Array, places: _Array) -> _Array:
    """Return the image with the minimum of each window set to its new value."""
    reach = WINDOW_PX // 2
    padded = np.pad(image, reach, constant_values=np.inf)
    for row, column in np.ndindex(image.shape):
        patch = padded[row : row + WINDOW_PX, column : column + WINDOW_PX]
        if patch.min() != minima[row, column]:
            patch[np.unravel_index(places[row, column], patch.shape)] = minima[row, column]
    return padded[reach:-reach, reach:-reach]


def sparse(image: _Array, transfer: _Array, blurred: _Array, mu: float, pixels: _Array, pixel_weight: float) -> _Array:
    height, width = image.shape
    right, below = np.zeros((2, height, width))
    right[0, 0], right[0, -1], below[0, 0], below[-1, 0] = -1, 1, -1, 1
    gradients = np.abs(np.fft.fft2(right)) ** 2 + np.abs(np.fft.fft2(below)) ** 2
    matched, power = np.conj(transfer) * np.fft.fft2(blurred), np.abs(transfer) ** 2
    weight = 2 * mu
    while weight < 1e5:
        h, v = np.roll(image, -1, 1) - image, np.roll(image, -1, 0) - image
        small = h**2 + v**2 < mu / weight
        h[small] = v[small] = 0
        pull = np.roll(h, 1, 1) - h + np.roll(v, 1, 0) - v
        values = matched + weight * np.fft.fft2(pull) + pixel_weight * np.fft.fft2(pixels)
        image = np.real(np.fft.ifft2(values / (power + weight * gradients + pixel_weight)))
        weight *= 2
    return image
