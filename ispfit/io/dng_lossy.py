"""Decode the lossy JPEG tiles of a linear DNG to their stored codes.

LibRaw applies MapPolynomial to these codes before it knows the black level, which the DNG specification subtracts
first; so ispfit decodes them itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg

from ispfit.errors import FileError, decoding
from ispfit.io.dng_facts import DngFacts

__all__ = ["LOSSY_JPEG", "decode_lossy_tiles"]

LOSSY_JPEG = 34892
"""Value of the tag Compression: JPEG of 8 bits per sample."""

_MARKER_BYTES = 2


def decode_lossy_tiles(source: Path, facts: DngFacts) -> npt.NDArray[np.uint8]:
    """Return the stored codes of a linear DNG whose compression is `LOSSY_JPEG`, H x W x 3, borders included.

    Raises
    ------
    FileError
        If a tile is missing or damaged.
    """
    height, width = facts.tile
    places = facts.tags.segments()
    down, across = -(-facts.height // height), -(-facts.width // width)
    if len(places) != down * across:
        raise FileError(f"{source}: the DNG is damaged: it has {len(places)} tiles, expected {down} x {across}.")
    codes = np.empty((facts.height, facts.width, 3), np.uint8)
    with source.open("rb") as file:
        for number, (offset, size) in enumerate(places):
            file.seek(offset)
            top, left = number // across * height, number % across * width
            target = codes[top : top + height, left : left + width]
            data = file.read(size)
            target[...] = _decode(data, facts.tags.data("JPEGTables"), target.shape, (height, width), source)
    return codes


def _decode(
    data: bytes, tables: bytes, shape: tuple[int, ...], tile: tuple[int, int], source: Path
) -> npt.NDArray[np.uint8]:
    whole = tables[:-_MARKER_BYTES] + data[_MARKER_BYTES:] if tables else data
    with decoding(source, "the DNG is damaged: a tile cannot be decoded"):
        *found, colors, _ = simplejpeg.decode_jpeg_header(whole)
        if tuple(found) not in (tile, shape[:2]) or colors not in ("YCbCr", "RGB"):
            raise ValueError(f"it is {colors} of {found[1]} x {found[0]} pixels")
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(whole, "RGB")  # raises what libjpeg only warns of
        return pixels[: shape[0], : shape[1]]
