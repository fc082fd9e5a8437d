"""Reduce images by averaging areas, and crop them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from ispfit.codes import CODE_OF_ONE
from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.errors import InputError
from ispfit.images import Image

__all__ = ["Size", "check_size", "crop_fraction", "reduce_image", "resize_area", "target_shape"]

Size = int | tuple[int, int]
"""The longer side in pixels, at most; or the exact (height, width)."""

_CODE_OF_ONE = CODE_OF_ONE[np.dtype(np.uint16)]


def resize_area(image: npt.NDArray[np.float32], size: Size) -> Image:
    """Return linear light reduced by exact area averaging.

    Every output pixel is the mean of the rectangle of input pixels that it covers; parts of pixels count by their area.
    The proportions of the content are kept: if those of `size` are others, the image is reduced until it just covers
    `size`, and cropped around the centre.

    Parameters
    ----------
    image : float32 array H x W x 3, linear light.
    size : the longer side of the result in pixels, or of a smaller image its own; or the exact (height, width), each at
        most that of `image`: ``(512, 512)`` is the centred square of Nam & Kim (2017).

    Returns
    -------
    Image of shape (height, width, 3) with the shot of `image`.

    Raises
    ------
    InputError
        If (height, width) is larger than the image on either side, or `size` is not one or two positive integers.

    Examples
    --------
    >>> import numpy as np
    >>> ramp = np.arange(6, dtype=np.float32).reshape(1, 6, 1).repeat(3, axis=2)
    >>> resize_area(ramp, (1, 4))[0, :, 0].tolist()
    [1.0, 2.0, 3.0, 4.0]
    >>> resize_area(ramp[:, :3].repeat(2, axis=0), (1, 1))[0, :, 0].tolist()
    [1.0]
    """
    source = image.shape[:2]
    target = target_shape(source, size)
    if target == source:
        return Image(image)
    step = min(source[0] / target[0], source[1] / target[1])
    if step < 1:
        raise InputError(
            f"size: expected at most the image's height and width {source}, got {target}; images are never enlarged."
        )
    rows, columns = (_area_weights(n, m, step) for n, m in zip(source, target, strict=True))
    narrow = rows @ np.asarray(image).reshape(source[0], -1)
    stacked = narrow.reshape(target[0], source[1], -1).swapaxes(0, 1).reshape(source[1], -1)
    pixels = (columns @ stacked).reshape(target[1], target[0], -1).swapaxes(0, 1)
    inside = np.clip(pixels, image.min(), image.max())  # rounding must not put a mean outside [0, 1]
    return Image(np.ascontiguousarray(inside), getattr(image, "shot", None))


def reduce_image(image: Image, size: Size | None, *, linear: bool) -> Image:
    """Return a raw or an srgb reduced by `resize_area`, in linear light.

    Parameters
    ----------
    image : float32 H x W x 3 in [0, 1].
    size : as for `resize_area`; None keeps the size.
    linear : True for a raw; False for an srgb, which is decoded before averaging and encoded after it.

    Returns
    -------
    Image of shape (height, width, 3), as linear or encoded as `image`.
    """
    shape = None if size is None else target_shape(image.shape, size)
    if shape is None or image.shape[:2] == shape:
        return Image(np.ascontiguousarray(image), image.shot)
    if linear:
        return resize_area(image, shape)
    codes = np.rint(np.asarray(image) * _CODE_OF_ONE).astype(np.uint16)
    reduced = resize_area(_linear_of_codes()[codes], shape)
    return Image(np.asarray(linear_to_srgb(np.asarray(reduced)), np.float32), image.shot)


@lru_cache(maxsize=1)
def _linear_of_codes() -> npt.NDArray[np.float32]:
    """Linear light of each 16-bit sRGB code; a look-up is ten times as fast as the formula."""
    return np.asarray(srgb_to_linear(np.arange(_CODE_OF_ONE + 1) / _CODE_OF_ONE), np.float32)


def crop_fraction(image: Image, box: Sequence[float]) -> Image:
    """Return the part of an image inside `box`, given as fractions (left, top, right, bottom) of its sides.

    Raises
    ------
    InputError
        If the fractions are not in [0, 1] or are out of order.
    """
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InputError(
            f"crop: expected fractions 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got {tuple(box)}."
        )
    height, width = image.shape[:2]
    return Image(image[round(top * height) : round(bottom * height), round(left * width) : round(right * width)])


def target_shape(shape: tuple[int, ...], size: Size) -> tuple[int, int]:
    """Return the (height, width) that an image of this shape has after it was reduced to `size`.

    Examples
    --------
    >>> target_shape((400, 600, 3), 300), target_shape((400, 600, 3), 900), target_shape((400, 600, 3), (300, 300))
    ((200, 300), (400, 600), (300, 300))
    """
    checked = check_size(size)
    if isinstance(checked, tuple):
        return checked
    height, width = shape[:2]
    share = min(1.0, checked / max(height, width))
    return max(1, round(share * height)), max(1, round(share * width))


def check_size(size: Size) -> Size:
    """Return `size` as Python's numbers, or raise an `InputError`."""
    numbers = tuple(size) if isinstance(size, tuple | list) else (size,)
    whole = all(isinstance(side, int | np.integer) and not isinstance(side, bool) and side > 0 for side in numbers)
    if not whole or len(numbers) != (2 if isinstance(size, tuple | list) else 1):
        raise InputError(f"size: expected the longer side in pixels, or (height, width), got {size!r}.")
    return int(numbers[0]) if len(numbers) == 1 else (int(numbers[0]), int(numbers[1]))


def _area_weights(n_source: int, n_target: int, step: float) -> csr_array:
    """Matrix (n_target, n_source) that averages adjacent windows of `step` pixels, centred on the source."""
    edges = (n_source - n_target * step) / 2 + step * np.arange(n_target + 1)
    edges = np.clip(edges, 0, n_source)
    first = np.floor(edges[:-1]).astype(int)
    pixel = first[:, None] + np.arange(int(np.ceil(step)) + 1)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    row, tap = np.nonzero(overlap > 1e-9)
    weights = (overlap / overlap.clip(0).sum(axis=1, keepdims=True))[row, tap].astype(np.float32)
    return csr_array((weights, (row, pixel[row, tap])), shape=(n_target, n_source))
