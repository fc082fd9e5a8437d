"""Find the directory of a maker's notes: each maker has a header, a byte order and a start of offsets of its own.

The formats are those that exiftool's documentation of ``MakerNotes`` lists; the tests compare with exiftool.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal

from ispfit.io.ifd import NO_DIRECTORY, Directory, open_tiff, read_directory
from ispfit.io.metadata import Metadata

__all__ = ["Maker", "maker_directory"]

Maker = Literal["canon", "fujifilm", "nikon", "olympus", "panasonic", "pentax", "sony"]

_MAKER_NOTE, _MAKE = 0x927C, 0x10F
_ORDERS = {b"II": "<", b"MM": ">"}
# Header, maker, place of the byte order, and start of the directory. Offsets count from the start of the note.
_OWN_OFFSETS: tuple[tuple[bytes, Maker, int, int], ...] = (
    (b"OLYMPUS\0", "olympus", 8, 12),
    (b"OM SYSTEM\0", "olympus", 12, 16),
    (b"PENTAX \0", "pentax", 8, 10),
    (b"RICOH\0", "pentax", 6, 8),
)
# Header, maker, and start of the directory. Offsets count from the start of the EXIF.
_EXIF_OFFSETS: tuple[tuple[bytes, Maker, int], ...] = (
    (b"OLYMP\0", "olympus", 8),
    (b"Panasonic\0", "panasonic", 12),
    (b"AOC\0", "pentax", 6),
    (b"SONY DSC ", "sony", 12),
    (b"SONY CAM ", "sony", 12),
)
_WITHOUT_HEADER: tuple[tuple[str, Maker], ...] = (("canon", "canon"), ("sony", "sony"))  # by the camera's make


def maker_directory(metadata: Metadata) -> tuple[Maker | None, Directory]:
    """Return whose notes a file has and their directory; None and an empty one if they are of no known format."""
    if metadata.maker.fields:
        return "canon", metadata.maker
    if (note := metadata.exif.fields.get(_MAKER_NOTE)) is None:
        return None, NO_DIRECTORY
    stream, head, base = metadata.exif.stream, metadata.exif.data(_MAKER_NOTE, 32), metadata.exif.base
    if head.startswith(b"FUJIFILM") and len(head) >= 12:
        return "fujifilm", read_directory(stream, "<", struct.unpack_from("<I", head, 8)[0], note.position)
    if head.startswith(b"Nikon\0\2"):
        return "nikon", open_tiff(stream, note.position + 10)
    for header, maker, place, start in _OWN_OFFSETS:
        if head.startswith(header) and (order := _ORDERS.get(head[place : place + 2])):
            return maker, read_directory(stream, order, start, note.position)
    make = (metadata.image.text(_MAKE) or "").casefold()
    plain = ((b"", maker, 0) for name, maker in _WITHOUT_HEADER if make.startswith(name))
    for header, maker, start in (*_EXIF_OFFSETS, *plain):
        if head.startswith(header):
            order = _likely_order(stream, note.position + start, metadata.exif.order)
            return maker, read_directory(stream, order, note.position + start - base, base)
    return None, NO_DIRECTORY


def _likely_order(stream: BinaryIO, position: int, usual: str) -> str:
    """Return the byte order in which the number of entries is small: a program may have changed that of the EXIF."""
    stream.seek(position)
    data = stream.read(2).rjust(2, b"\0")
    counts: dict[str, int] = {
        order: int(struct.unpack(f"{order}H", data)[0]) for order in (usual, *"<>".replace(usual, ""))
    }
    return min(counts, key=lambda order: counts[order])
