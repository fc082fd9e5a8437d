"""Write PNG files with 16 bits per channel, which imageio and Pillow cannot."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt

from ispfit.files import atomic_path

__all__ = ["write_png16"]


def write_png16(path: Path, codes: npt.NDArray[np.uint16]) -> None:
    """Write codes H x W x 3 without loss; the file is replaced if it exists, and never left half-written.

    Raises
    ------
    FileError
        If the file cannot be written.
    """
    data = imagecodecs.png_encode(np.ascontiguousarray(codes), level=6)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
