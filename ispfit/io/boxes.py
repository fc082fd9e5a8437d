"""Walk the boxes of ISO base media files (ISO/IEC 14496-12): HEIC, AVIF, JPEG XL and Canon's CR3."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from ispfit.io.ifd import NO_DIRECTORY, Directory, open_tiff

__all__ = ["color_codes", "cr3_directories", "jxl_exif"]

_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
_CR3_DIRECTORIES = (b"CMT1", b"CMT2", b"CMT3", b"CMT4")
_MAX_BYTES = 1 << 24


def cr3_directories(file: BinaryIO) -> tuple[Directory, Directory, Directory, Directory]:
    """Return the directories of a CR3 file: image, EXIF, maker's notes and GPS, each in a TIFF structure of its own."""
    found = {
        kind: open_tiff(io.BytesIO(_read(file, box)))
        for kind, *movie in _boxes(file)
        if kind == b"moov"
        for kind, *own in _boxes(file, *movie)
        if kind == b"uuid" and _read(file, own, 16) == _CANON
        for kind, *box in _boxes(file, own[0] + 16, own[1])
        if kind in _CR3_DIRECTORIES
    }
    image, exif, maker, gps = (found.get(kind, NO_DIRECTORY) for kind in _CR3_DIRECTORIES)
    return image, exif, maker, gps


def jxl_exif(file: BinaryIO) -> bytes:
    """Return the TIFF structure of the EXIF in a JPEG XL file (ISO/IEC 18181-2); empty if there is none."""
    for kind, *box in _boxes(file):
        if kind == b"Exif":
            data = _read(file, box)
            plain = data.startswith((b"II*\0", b"MM\0*"))  # some writers leave the offset out
            return data if plain else data[4 + int.from_bytes(data[:4], "big") :]
    return b""


def color_codes(file: BinaryIO) -> tuple[int, int] | None:
    """Return what a HEIC or AVIF file says of its main picture's colours (box ``colr`` of type ``nclx``).

    Returns
    -------
    Codes of the primaries and of the transfer function (ITU-T H.273); None if the file does not say.
    """
    for kind, *meta in _boxes(file):
        if kind == b"meta":
            inside = {kind: box for kind, *box in _boxes(file, meta[0] + 4, meta[1])}
            properties = _properties_of_main(file, inside) if {b"pitm", b"iprp"} <= inside.keys() else []
            for data in properties:
                if data[:8] == b"colrnclx" and len(data) >= 12:
                    return struct.unpack_from(">HH", data, 8)
    return None


def _properties_of_main(file: BinaryIO, inside: dict[bytes, list[int]]) -> list[bytes]:
    """Return kind and data of the properties of the main item of a ``meta`` box."""
    main = _read(file, inside[b"pitm"])
    wanted = int.from_bytes(main[4:8] if main[:1] > b"\0" else main[4:6], "big")
    parts = [(kind, box) for kind, *box in _boxes(file, *inside[b"iprp"])]
    listed = [kind + _read(file, box) for name, lot in parts if name == b"ipco" for kind, *box in _boxes(file, *lot)]
    associations = [_associations(_read(file, box)) for name, box in parts if name == b"ipma"]
    chosen = [index for each in associations for index in each.get(wanted, [])]
    return [listed[index - 1] for index in chosen if 0 < index <= len(listed)]


def _associations(data: bytes) -> dict[int, list[int]]:
    """Return the numbers, from 1, of the properties of each item, by the data of an ``ipma`` box."""
    found: dict[int, list[int]] = {}
    stream = io.BytesIO(data)
    version, wide, n_items = stream.read(1), int.from_bytes(stream.read(3), "big") & 1, stream.read(4)
    for _ in range(int.from_bytes(n_items, "big")):
        item, count = stream.read(4 if version > b"\0" else 2), stream.read(1)
        if not count:
            break
        entries = [int.from_bytes(stream.read(1 + wide), "big") for _ in range(count[0])]
        found[int.from_bytes(item, "big")] = [entry & (0x7FFF if wide else 0x7F) for entry in entries]
    return found


def _boxes(file: BinaryIO, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the content of each box in a part of a file, up to the first damaged one."""
    if end is None:
        end = file.seek(0, io.SEEK_END)
    while end - start >= 8:
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = int.from_bytes(file.read(8), "big"), 16
        stop = end if size == 0 else start + size
        if stop < start + head or stop > end:
            return
        yield kind, start + head, stop
        start = stop


def _read(file: BinaryIO, box: list[int], limit: int = _MAX_BYTES) -> bytes:
    file.seek(box[0])
    return file.read(min(box[1] - box[0], limit))
