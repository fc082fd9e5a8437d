"""Write image file directories (IFDs, TIFF 6.0): what EXIF, TIFF and DNG keep their tags in."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

__all__ = [
    "Value",
    "ascii_text",
    "bytes_of",
    "encode_directory",
    "longs",
    "rationals",
    "shorts",
    "srationals",
    "undefined",
]

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL = 1, 2, 3, 4, 5, 7, 10

_INLINE_BYTES = 4
_MAX_DENOMINATOR = 10**6


class Value(NamedTuple):
    """The value of a tag: its type's code in TIFF 6.0, the number of its parts, and its little-endian bytes."""

    kind: int
    n_values: int
    data: bytes


def ascii_text(text: str) -> Value:
    """Return a text; letters outside of ASCII become question marks."""
    data = text.encode("ascii", "replace") + b"\0"
    return Value(ASCII, len(data), data)


def bytes_of(codes: Iterable[int]) -> Value:
    """Return integers from 0 to 255."""
    data = bytes(codes)
    return Value(BYTE, len(data), data)


def undefined(data: bytes) -> Value:
    """Return bytes that the tag itself gives a meaning to."""
    return Value(UNDEFINED, len(data), data)


def shorts(*numbers: int) -> Value:
    """Return integers from 0 to 65535."""
    return Value(SHORT, len(numbers), struct.pack(f"<{len(numbers)}H", *numbers))


def longs(*numbers: int) -> Value:
    """Return integers from 0 to 2**32 - 1."""
    return Value(LONG, len(numbers), struct.pack(f"<{len(numbers)}L", *numbers))


def rationals(numbers: Iterable[float]) -> Value:
    """Return numbers that are not negative, each as the nearest fraction with a denominator to a million."""
    ratios = [struct.pack("<LL", *_ratio(number)) for number in numbers]
    return Value(RATIONAL, len(ratios), b"".join(ratios))


def srationals(numbers: Iterable[float]) -> Value:
    """Return numbers of either sign, each as the nearest fraction with a denominator to a million."""
    ratios = [struct.pack("<ll", *_ratio(number)) for number in numbers]
    return Value(SRATIONAL, len(ratios), b"".join(ratios))


def encode_directory(tags: Mapping[int, Value], offset: int) -> bytes:
    """Return the directory for position `offset` of a little-endian file, followed by what does not fit in its entries.

    Parameters
    ----------
    tags : values by the number of their tag; they are written in order of the numbers, as TIFF 6.0 asks.
    offset : of the first byte; even.
    """
    entries, overflow = [], b""
    after = offset + 2 + 12 * len(tags) + 4
    for tag, (kind, count, data) in sorted(tags.items()):
        if len(data) > _INLINE_BYTES:
            pointer = struct.pack("<L", after + len(overflow))
            overflow += data + b"\0" * (len(data) % 2)
            data = pointer
        entries.append(struct.pack("<HHL4s", tag, kind, count, data))
    return struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4) + overflow


def _ratio(number: float) -> tuple[int, int]:
    return Fraction(float(number)).limit_denominator(_MAX_DENOMINATOR).as_integer_ratio()
