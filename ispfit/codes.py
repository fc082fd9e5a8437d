"""Lossless conversion of float images to the 8-bit or 16-bit codes from which they were made."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CODE_OF_ONE", "to_integer_codes"]

CODE_OF_ONE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
"""The code of pixel value 1, by the dtype of the codes."""


def to_integer_codes(pixels: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    """Return the smallest integer codes that reproduce the pixels exactly, or the pixels if none do.

    Parameters
    ----------
    pixels : float32 in [0, 1], of any shape.

    Returns
    -------
    uint8 codes of 1/255, uint16 codes of 1/65535, or float32.

    Examples
    --------
    >>> to_integer_codes(np.array([0, 0.2, 1], np.float32))
    array([  0,  51, 255], dtype=uint8)
    """
    for dtype in (np.uint8, np.uint16):
        scale = np.float32(CODE_OF_ONE[np.dtype(dtype)])
        codes = np.clip(np.rint(pixels * scale), 0, scale).astype(dtype)
        if np.array_equal(codes.astype(np.float32) / scale, pixels):
            result: npt.NDArray[Any] = codes
            return result
    return np.ascontiguousarray(pixels, np.float32)
