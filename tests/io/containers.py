"""Make EXIF, XMP and the containers that hold them by hand, for the tests of what ispfit finds in them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

SHORT, LONG, ASCII, RATIONAL, UNDEFINED, IFD = 3, 4, 2, 5, 7, 13
_LAYOUTS = {1: "B", 3: "H", 4: "L", 5: "LL", 7: "B", 13: "L", 16: "Q"}

Tags: TypeAlias = Mapping[int, Any]
"""Values by tag: an int (SHORT), a str (ASCII), bytes (UNDEFINED), (type, values), or a dict, which is a directory."""


def directory(tags: Tags, offset: int, order: str = "<", following: int = 0) -> bytes:
    """Return a directory for position `offset`, followed by its values and the directories in it."""
    entries, after = b"", offset + 2 + 12 * len(tags) + 4
    overflow = b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, Mapping):
            place = after + len(overflow)
            overflow += directory(value, place, order)
            value = (LONG, [place])
        kind, count, data = _encode(value, order)
        if len(data) > 4:
            place = after + len(overflow)
            overflow += data + bytes(len(data) % 2)
            data = struct.pack(f"{order}L", place)
        entries += struct.pack(f"{order}HHL4s", tag, kind, count, data)
    return struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}L", following) + overflow


def _encode(value: Any, order: str) -> tuple[int, int, bytes]:
    if isinstance(value, int):
        value = (SHORT, [value])
    if isinstance(value, bytes):
        return UNDEFINED, len(value), value
    if isinstance(value, str):
        return ASCII, len(value.encode()) + 1, value.encode() + b"\0"
    kind, values = value
    layout = _LAYOUTS[kind]
    return kind, len(values) // len(layout), struct.pack(f"{order}{len(values) // len(layout) * layout}", *values)


def tiff(tags: Tags, order: str = "<", magic: bytes | None = None, junk: int = 0) -> bytes:
    """Return a TIFF structure of one directory, after `junk` bytes that nothing points to."""
    mark = magic or (b"II*\0" if order == "<" else b"MM\0*")
    return mark + struct.pack(f"{order}L", 8 + junk) + bytes(junk) + directory(tags, 8 + junk, order)


def xmp(properties: Mapping[str, str], as_elements: bool = False) -> bytes:
    """Return an XMP packet; properties are named with the prefixes tiff, exif and xmp."""
    spaces = {"tiff": "http://ns.adobe.com/tiff/1.0/", "exif": "http://ns.adobe.com/exif/1.0/"}
    spaces |= {"xmp": "http://ns.adobe.com/xap/1.0/"}
    names = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in spaces.items())
    attributes = "" if as_elements else " ".join(f'{name}="{value}"' for name, value in properties.items())
    elements = "".join(f"<{name}>{value}</{name}>" for name, value in properties.items()) if as_elements else ""
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {names} {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    ).encode()


def segment(marker: int, data: bytes) -> bytes:
    """Return a segment of a JPEG; `marker` is its second byte."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def app1(exif: bytes) -> bytes:
    """Return the segment of a JPEG that holds EXIF."""
    return segment(0xE1, b"Exif\0\0" + exif)


def app1_xmp(packet: bytes) -> bytes:
    """Return the segment of a JPEG that holds XMP."""
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)


def insert(jpeg: bytes, *segments: bytes, before: int = 0) -> bytes:
    """Put segments into a JPEG: before the first segment with the marker `before`, or after the start of the image."""
    place = jpeg.index(bytes([0xFF, before])) if before else 2
    return jpeg[:place] + b"".join(segments) + jpeg[place:]


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def add_chunks(png: bytes, *chunks: bytes, at_end: bool = False) -> bytes:
    """Put chunks into a PNG file, before its pixels or after them."""
    place = png.index(b"IEND") - 4 if at_end else 8 + 25
    return png[:place] + b"".join(chunks) + png[place:]


def raw_profile(name: str, data: bytes) -> bytes:
    """Return a text that holds bytes as ImageMagick writes them."""
    digits = data.hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    return f"\n{name}\n{len(data):8d}\n{lines}\n".encode()


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box of an ISO base media file."""
    data = b"".join(content)
    return struct.pack(">L", 8 + len(data)) + kind + data


def maker_exif(make: str, note: bytes, order: str = "<", extra: Tags | None = None) -> bytes:
    """Return EXIF with the notes of a maker, which count their offsets from themselves or hold none."""
    return tiff({0x10F: make, 0x110: "Test", 0x8769: {0x9000: b"0232", 0x927C: note, **(extra or {})}}, order)


def note_position(make: str, size: int, order: str = "<", extra: Tags | None = None) -> int:
    """Return where `maker_exif` puts notes of this size, for makers who count their offsets from the start of EXIF."""
    mark = b"\xa5" * size
    return maker_exif(make, mark, order, extra).index(mark)


def numbers(*values: int, kind: int = SHORT) -> tuple[int, Sequence[int]]:
    """Return the values of a tag for `directory`."""
    return kind, values
