"""Read the chunks of a PNG file that are not pixels, wherever in the file they stand."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["PNG_SIGNATURE", "png_chunks", "png_text"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_BYTES = 1 << 24  # of a chunk, and of a text when it is inflated


def png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the data of each chunk but those of pixels; of a damaged file, those that are whole.

    Parameters
    ----------
    file : a PNG file, open for reading.
    """
    file.seek(len(PNG_SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in (b"IDAT", b"fdAT") or length > _MAX_BYTES:
            file.seek(length, 1)
        else:
            data = file.read(length)
            if len(data) < length:
                return
            yield kind, data
        if kind == b"IEND":
            return
        file.seek(4, 1)  # the checksum


def png_text(kind: bytes, data: bytes) -> tuple[str, bytes] | None:
    """Return keyword and text of a text chunk (tEXt, zTXt or iTXt, PNG specification, section 11.3.3); else None."""
    keyword, _, rest = data.partition(b"\0")
    if kind == b"tEXt":
        return keyword.decode("latin-1"), rest
    if kind == b"zTXt" and rest[:1] == b"\0":
        return keyword.decode("latin-1"), _inflate(rest[1:])
    if kind == b"iTXt" and len(rest) >= 2:
        text = rest[2:].split(b"\0", 2)[-1]  # after language and translated keyword
        return keyword.decode("latin-1"), _inflate(text) if rest[0] else text
    return None


def _inflate(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_BYTES)
    except zlib.error:
        return b""
