"""Limits on what a TIFF file may make its decoder allocate: the pixels of its picture, and little more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tifffile

from ispfit.errors import FileError
from ispfit.io.jpeg_scans import first_picture

__all__ = ["check_layout"]

_MAX_PIXELS = 250_000_000
_MAX_CHANNELS = 8
_MAX_TILE_PIXELS = 1 << 22  # of a picture that is smaller than its tiles
_PADDING_PX = 16  # by which a JPEG may exceed its strip or tile
_COMPRESSIONS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "LZMA", "ZSTD", "JPEG")


def check_layout(page: Any, source: Path) -> None:
    """Raise a `FileError` if a page cannot be decoded within the memory of its pixels, or if parts of it are missing.

    Parameters
    ----------
    page : a `tifffile.TiffPage`, not decoded yet.
    source : path of the file, for the message.
    """
    compression = getattr(page.compression, "name", page.compression)
    if compression not in _COMPRESSIONS:
        raise FileError(
            f"{source}: its compression {compression} is not supported; save it with LZW, deflate, Zstandard or none."
        )
    _check_size(page, source)
    if 0 in page.databytecounts or 0 in page.dataoffsets or len(page.databytecounts) != len(page.dataoffsets):
        raise FileError(f"{source}: the file is damaged: strips of the image are missing.")
    if (largest := max(page.databytecounts)) > (size := source.stat().st_size):
        raise FileError(f"{source}: the file is damaged: it has {size} bytes, but claims a strip of {largest}.")
    if page.compression == tifffile.COMPRESSION.JPEG:
        _check_jpegs(page, source)


def _check_size(page: Any, source: Path) -> None:
    width, height, channels = page.imagewidth, page.imagelength, page.samplesperpixel
    claim = f"{source}: its header claims"
    if width * height > _MAX_PIXELS:
        raise FileError(f"{claim} {width} x {height} pixels; more than {_MAX_PIXELS // 10**6} megapixels are not read.")
    if channels > _MAX_CHANNELS:
        raise FileError(f"{claim} {channels} channels; more than {_MAX_CHANNELS} are not read.")
    if page.imagedepth != 1:
        raise FileError(f"{claim} {page.imagedepth} planes of depth; expected one.")
    if page.is_tiled:
        tile = page.tilewidth * page.tilelength * page.tiledepth
        if tile > max(width * height, _MAX_TILE_PIXELS):
            raise FileError(
                f"{claim} tiles of {page.tilewidth} x {page.tilelength} pixels for a picture of {width} x {height}; "
                "tiles so large are not read."
            )


def _check_jpegs(page: Any, source: Path) -> None:
    """Check that the JPEG of each strip or tile is no larger than that: a decoder allocates what the JPEG claims."""
    across, down = (page.tilewidth, page.tilelength) if page.is_tiled else (page.imagewidth, page.rowsperstrip)
    with source.open("rb") as file:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.seek(offset)
            frame = first_picture(file.read(count))
            if frame is None:
                raise FileError(f"{source}: the file is damaged: a strip or tile holds no JPEG.")
            height, width = frame.size
            if height > min(down, page.imagelength) + _PADDING_PX or width > across + _PADDING_PX:
                raise FileError(
                    f"{source}: the file is damaged: a strip or tile of {across} x {down} pixels holds a JPEG of "
                    f"{width} x {height}."
                )
