"""Turn images upright, and back to the orientation in which a camera stores them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["FLIP_OF_ORIENTATION", "as_stored", "upright"]

Code = TypeVar("Code", bound=np.generic)

FLIP_OF_ORIENTATION = {1: 0, 2: 1, 3: 3, 4: 2, 5: 4, 6: 6, 7: 7, 8: 5}
"""EXIF's Orientation (Exif 2.32, tag 0x0112) as LibRaw's ``sizes.flip``, a sum of 1, 2 and 4; see `upright`."""


def upright(image: npt.NDArray[Code], flip: int) -> npt.NDArray[Code]:
    """Return a view of a stored image H x W x C, turned upright.

    Parameters
    ----------
    image : pixels as the file stores them.
    flip : sum of 1 (reverse the columns), 2 (reverse the rows) and then 4 (transpose), as in LibRaw's ``sizes.flip``.
    """
    turned = image[:: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1]
    return np.swapaxes(turned, 0, 1) if flip & 4 else turned


def as_stored(image: npt.NDArray[Code], flip: int) -> npt.NDArray[Code]:
    """Return a view of an upright image H x W x C as a camera stores it: the inverse of `upright`."""
    lying = np.swapaxes(image, 0, 1) if flip & 4 else image
    return lying[:: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1]
