"""Notice damaged LZW codes in a TIFF, which carry no checksum, by the length of what they decode to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import tifffile

from ispfit.errors import FileError

__all__ = ["expect_exact_lengths"]

_NONE, _LZW = tifffile.COMPRESSION.NONE, tifffile.COMPRESSION.LZW


def expect_exact_lengths(page: Any, source: Path) -> None:
    """Let a page in LZW raise a `FileError`, when it is decoded, if a strip or tile holds more than its pixels.

    A wrong code stands for a string of another length, which shifts all that follows. tifffile refuses a strip that is
    too short, but stops when a strip is complete. In the last strip, whole rows below the picture are no damage.

    Parameters
    ----------
    page : a `tifffile.TiffPage`, not decoded yet.
    source : path of the file, for the message.
    """
    if page.compression != _LZW or page.fillorder != 1 or page.bitspersample != 8 * page.dtype.itemsize:
        return
    rows_of_strip = page.tilelength if page.is_tiled else page.rowsperstrip
    page.compression = _NONE
    decode_plain = page.decode  # what becomes of the decompressed bytes of a strip
    page.compression = _LZW

    def decode(data: Any, index: int, **options: Any) -> Any:
        depth, rows, *row_shape = decode_plain(None, index)[2]
        row = row_shape[0] * row_shape[1] * page.dtype.itemsize
        if data is not None:
            data = imagecodecs.lzw_decode(data, out=(depth * rows + 1) * row)
            surplus = len(data) - depth * rows * row
            if surplus > 0 and (surplus < row or rows == rows_of_strip):
                raise FileError(f"{source}: the file is damaged: strip or tile {index + 1} holds more than its pixels.")
        return decode_plain(data, index, **options)

    page.decode = decode
