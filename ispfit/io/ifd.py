"""Read image file directories (IFDs): the lists of tags in EXIF, TIFF files, most RAW files and maker notes."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

__all__ = ["NO_DIRECTORY", "Directory", "Field", "open_tiff", "read_directory"]

_LAYOUTS = {  # of one value, by the type's code in TIFF 6.0, the TIFF supplements, BigTIFF and Exif 3.0
    1: "B",
    2: "B",
    3: "H",
    4: "I",
    5: "II",
    6: "b",
    7: "B",
    8: "h",
    9: "i",
    10: "ii",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
    129: "B",
}
_RATIONALS = (5, 10)
_TEXTS = (1, 2, 7, 129)
_MAX_VALUE_BYTES = 1 << 16
_MAX_ENTRIES = 1 << 16


@dataclass(frozen=True)
class Field:
    """Where the value of a tag is: its type's code, the number of values, and its position in the stream."""

    kind: int
    count: int
    position: int

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.count * struct.calcsize(f"={_LAYOUTS[self.kind]}")


@dataclass(frozen=True)
class Directory:
    """A directory; its values are read from the stream when they are asked for, and a damaged one is none.

    Parameters
    ----------
    stream : what the directory is in; it must stay open.
    order : byte order, ``"<"`` or ``">"``.
    base : position in the stream from which offsets count.
    big : True in a BigTIFF file.
    fields : the tags by number; of a tag that is there twice, the first.
    following : offset of the next directory, 0 if there is none.
    """

    stream: BinaryIO
    order: str
    base: int = 0
    big: bool = False
    fields: Mapping[int, Field] = field(default_factory=dict)
    following: int = 0

    def data(self, tag: int, limit: int = _MAX_VALUE_BYTES) -> bytes:
        """Return the value's bytes, at most `limit` of them; empty if the tag is missing."""
        if (found := self.fields.get(tag)) is None:
            return b""
        self.stream.seek(found.position)
        return self.stream.read(min(found.size, limit))

    def numbers(self, tag: int) -> tuple[float, ...]:
        """Return the values as finite numbers; empty if the tag is missing, or is none of numbers."""
        found, data = self.fields.get(tag), self.data(tag)
        if found is None or found.kind == 2 or len(data) != found.size:
            return ()
        values: list[Any] = [value for (*value,) in struct.iter_unpack(f"{self.order}{_LAYOUTS[found.kind]}", data)]
        if found.kind in _RATIONALS:
            values = [[above / below if below else math.nan] for above, below in values]
        numbers = tuple(value for (value,) in values)
        return numbers if all(math.isfinite(number) for number in numbers) else ()

    def text(self, tag: int) -> str | None:
        """Return a text up to its first NUL, UTF-8 or else Latin-1; None if the tag is missing, or is no text."""
        found = self.fields.get(tag)
        if found is None or found.kind not in _TEXTS:
            return None
        letters = self.data(tag).split(b"\0")[0]
        try:
            return letters.decode("utf-8")
        except UnicodeDecodeError:
            return letters.decode("latin-1")

    def directory(self, tag: int) -> Directory:
        """Return the directory that a tag points to; an empty one if there is none."""
        return self.at(int(next(iter(self.numbers(tag)), 0)))

    def next(self) -> Directory:
        """Return the directory that follows this one; an empty one if there is none."""
        return self.at(self.following)

    def at(self, offset: int) -> Directory:
        """Return the directory at an offset; an empty one at 0."""
        return read_directory(self.stream, self.order, offset, self.base, self.big) if offset else NO_DIRECTORY


NO_DIRECTORY = Directory(io.BytesIO(), "<")


def open_tiff(stream: BinaryIO, base: int = 0) -> Directory:
    """Return the first directory of a TIFF structure, classic or big; an empty one if there is none.

    The magic number is not looked at, because that of some RAW files is their own.

    Parameters
    ----------
    stream : open for reading.
    base : where the structure begins in the stream.
    """
    stream.seek(base)
    head = stream.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return NO_DIRECTORY
    big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
    if big and len(head) < 16:
        return NO_DIRECTORY
    [offset] = struct.unpack_from(f"{order}Q", head, 8) if big else struct.unpack_from(f"{order}I", head, 4)
    return read_directory(stream, order, offset, base, big)


def read_directory(stream: BinaryIO, order: str, offset: int, base: int = 0, big: bool = False) -> Directory:
    """Return the directory at `offset` from `base`; see `Directory`. Of a damaged one, the entries that are whole."""
    count, entry, inline, pointer = ("Q", "HHQ", 8, "Q") if big else ("H", "HHI", 4, "I")
    start = base + offset + struct.calcsize(f"={count}")
    length = struct.calcsize(f"={entry}") + inline
    stream.seek(0, io.SEEK_END)
    end = stream.tell()
    if start > end:
        return NO_DIRECTORY
    stream.seek(base + offset)
    [n_entries] = struct.unpack(f"{order}{count}", stream.read(struct.calcsize(f"={count}")))
    table = stream.read(min(n_entries, _MAX_ENTRIES) * length)
    fields: dict[int, Field] = {}
    for index in range(len(table) // length):
        tag, kind, number = struct.unpack_from(f"{order}{entry}", table, index * length)
        if kind not in _LAYOUTS or tag in fields:
            continue
        position = start + (index + 1) * length - inline
        found = Field(kind, number, position)
        if found.size > inline:
            [value_offset] = struct.unpack_from(f"{order}{pointer}", table, (index + 1) * length - inline)
            found = Field(kind, number, base + value_offset)
        if found.position + found.size <= end:
            fields[tag] = found
    last = stream.read(inline) if len(table) == n_entries * length else b""
    following = struct.unpack(f"{order}{pointer}", last)[0] if len(last) == inline else 0
    return Directory(stream, order, base, big, fields, following)
