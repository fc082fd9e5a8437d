"""Reading TIFF files by tifffile, whose errors are of many kinds."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ispfit.errors import FileError
from ispfit.images import FloatImage

__all__ = ["check_strips", "read_deep_tiff", "read_linear_tiff"]

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it logs of broken files is raised as well

_MAX_PIXELS = 250_000_000
_ICC_PROFILE = 34675
_DEFLATE = (8, 32946)
_CHUNK = 1 << 20  # bytes
_ERRORS = (OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError, RuntimeError)


def read_linear_tiff(source: Path) -> FloatImage:
    """Read a linear TIFF: uint16 codes divided by 65535, floats as they are; H x W x 3.

    Raises
    ------
    FileError
        If the file is broken, or is not an RGB image of uint16 or finite floats.
    """
    pixels, _ = _read(source)
    if pixels.dtype == np.uint16:
        return pixels.astype(np.float32) / np.float32(65535)
    if pixels.dtype.kind != "f":
        raise FileError(
            f"{source}: expected a linear TIFF of 16-bit integers or floats, got {pixels.dtype}; "
            "8-bit images are renderings, not raw."
        )
    if not np.isfinite(pixels).all():
        raise FileError(f"{source}: contains NaN or infinite values.")
    return pixels.astype(np.float32, copy=False)


def read_deep_tiff(source: Path) -> tuple[npt.NDArray[np.uint16], bytes | None] | None:
    """Read the codes H x W x 3 and the ICC profile of a 16-bit RGB TIFF, alpha dropped; None of other kinds."""
    with _open(source) as page:
        if page.dtype != np.uint16 or page.ndim != 3:
            return None
    codes, profile = _read(source, channels=(3, 4))
    return codes[..., :3], profile


def check_strips(source: Path) -> None:
    """Raise a `FileError` if a deflated strip or tile is not what its checksum says: libtiff does not look at it."""
    with _open(source) as page, source.open("rb") as file:
        if page.compression not in _DEFLATE:
            return
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.seek(offset)
            inflate, rest = zlib.decompressobj(), file.read(count)
            while rest and not inflate.eof:
                inflate.decompress(rest, _CHUNK)  # what it is does not matter, nor how much it would become
                rest = inflate.unconsumed_tail
            if count and not inflate.eof:
                raise FileError(f"{source}: the file is damaged: a strip of the image is incomplete.")


def _read(source: Path, channels: tuple[int, ...] = (3,)) -> tuple[npt.NDArray[Any], bytes | None]:
    with _open(source) as page:
        if page.ndim != 3 or page.shape[2] not in channels:
            raise FileError(f"{source}: expected an image of shape (H, W, 3), got {page.shape}.")
        if page.shape[0] * page.shape[1] > _MAX_PIXELS:
            raise FileError(
                f"{source}: its header claims {page.shape[1]} x {page.shape[0]} pixels; more than "
                f"{_MAX_PIXELS // 10**6} megapixels are not read."
            )
        if 0 in page.databytecounts or 0 in page.dataoffsets:
            raise FileError(f"{source}: the file is damaged: strips of the image are missing.")
        pixels = page.asarray()
        if pixels.shape != page.shape or pixels.size == 0:
            raise FileError(f"{source}: the file is damaged: it holds no pixels of the shape {page.shape}.")
        return pixels, page.tags.valueof(_ICC_PROFILE)


@contextmanager
def _open(source: Path) -> Iterator[Any]:
    try:
        with tifffile.TiffFile(source) as file:
            yield file.pages[0]
    except FileError:
        raise
    except (*_ERRORS, MemoryError, struct.error, zlib.error) as error:
        raise FileError(f"{source}: not a readable TIFF file: {error or type(error).__name__}.") from error
