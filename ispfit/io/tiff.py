"""Read TIFF files by tifffile, whose many kinds of errors all become `FileError`."""

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

from ispfit.codes import CODE_OF_ONE
from ispfit.errors import FileError
from ispfit.images import Image, Shot
from ispfit.io.exif import read_exif
from ispfit.io.listing import TIFF_SUFFIXES
from ispfit.plugins import hookimpl
from ispfit.plugins.specs import RawReader

__all__ = ["check_deflated_strips", "read_16_bit_tiff", "read_linear_tiff"]

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it also raises what it logs

_MAX_PIXELS = 250_000_000
_ICC_PROFILE_TAG = 34675
_DEFLATE_CODES = (8, 32946)  # of the tag Compression
_INFLATED_CHUNK_BYTES = 1 << 20
_BUILTIN_ERRORS = (OSError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError)


def read_linear_tiff(source: Path) -> Image:
    """Read a linear TIFF: uint16 codes are divided by 65535, floats are left unchanged.

    Returns
    -------
    Image, float32 H x W x 3; its shot has the file's make and model.

    Raises
    ------
    FileError
        If the file is damaged, or is not an RGB image of uint16 or finite floats.
    """
    exif = read_exif(source)
    shot = Shot(name=source.stem, make=exif.make, model=exif.model)
    pixels, _ = _read_first_page(source)
    if pixels.dtype == np.uint16:
        return Image(pixels.astype(np.float32) / np.float32(CODE_OF_ONE[pixels.dtype]), shot)
    if pixels.dtype.kind != "f":
        raise FileError(
            f"{source}: expected a linear TIFF of 16-bit integers or floats, got {pixels.dtype}; "
            "8-bit images are renderings, not raw."
        )
    if not np.isfinite(pixels).all():
        raise FileError(f"{source}: contains NaN or infinite values.")
    return Image(pixels, shot)


def read_16_bit_tiff(source: Path) -> tuple[npt.NDArray[np.uint16], bytes | None] | None:
    """Return the codes H x W x 3 without alpha and the ICC profile of a 16-bit RGB TIFF; None for other TIFF files."""
    with _open_first_page(source) as page:
        if page.dtype != np.uint16 or page.ndim != 3:
            return None
    codes, profile = _read_first_page(source, channels=(3, 4))
    return codes[..., :3], profile


def check_deflated_strips(source: Path) -> None:
    """Raise a `FileError` if a deflated strip or tile does not match its checksum, which libtiff ignores."""
    with _open_first_page(source) as page, source.open("rb") as file:
        if page.compression not in _DEFLATE_CODES:
            return
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.seek(offset)
            inflate, rest = zlib.decompressobj(), file.read(count)
            while rest and not inflate.eof:
                inflate.decompress(rest, _INFLATED_CHUNK_BYTES)  # checks only; bounded memory whatever the size
                rest = inflate.unconsumed_tail
            if count and not inflate.eof:
                raise FileError(f"{source}: the file is damaged: a strip of the image is incomplete.")


def _read_first_page(source: Path, channels: tuple[int, ...] = (3,)) -> tuple[npt.NDArray[Any], bytes | None]:
    """Return pixels and ICC profile of the file's first image."""
    with _open_first_page(source) as page:
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
        return pixels, page.tags.valueof(_ICC_PROFILE_TAG)


@contextmanager
def _open_first_page(source: Path) -> Iterator[Any]:
    try:
        with tifffile.TiffFile(source) as file:
            yield file.pages[0]
    except FileError:
        raise
    except (*_BUILTIN_ERRORS, RuntimeError, MemoryError, struct.error, zlib.error) as error:
        raise FileError(f"{source}: not a readable TIFF file: {error or type(error).__name__}.") from error


@hookimpl
def ispfit_raw_readers() -> dict[str, RawReader]:
    """Register linear TIFF files."""
    return dict.fromkeys(sorted(TIFF_SUFFIXES), read_linear_tiff)
