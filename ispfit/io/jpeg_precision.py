"""Relabel JPEGs of more than 8 bits per sample, such as the tiles of a DNG, for decoders that take 8 bits alone.

Entropy codes do not depend on the number of bits, only what becomes of them does (ISO/IEC 10918-1, annexes F and H).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ispfit.io.jpeg_scans import DHT, DQT, DRI, EOI, FRAMES, SOI, SOS, Frame, segments

__all__ = ["as_8_bits"]

_HUFFMAN_CODED = (0xC0, 0xC1, 0xC3)  # frames: baseline, extended sequential, lossless
_FLAT_STEPS = bytes([1] * 64)  # of quantisation
_MAX_WIDTH = 65500  # of libjpeg
_TABLE_HEAD = 17  # bytes of a Huffman table before its values


def as_8_bits(frame: Frame) -> tuple[Frame, int] | None:
    """Return a frame of the same codes that claims one component of 8 bits, and its first step of quantisation.

    Returns
    -------
    Between the samples of a lossless frame are the coded differences, as in the given one, if it is of one component;
    its step is 1. In another frame, the mean of a block, less the middle of the range, is divided by the step. None if
    the frame cannot be relabelled: it is progressive, not in Huffman codes, or its components have scans, sizes or
    codes of their own.
    """
    parts = [(marker, segment) for marker, segment in segments(frame.data) if marker in (DHT, DQT, DRI, SOS, *FRAMES)]
    scans = [segment for marker, segment in parts if marker == SOS]
    n, width = len(frame.sampling), len(frame.sampling) * frame.size[1]
    header = next(segment for marker, segment in parts if marker in FRAMES)
    if header[1] not in _HUFFMAN_CODED or len(scans) != 1 or scans[0][4] != n or width > _MAX_WIDTH:
        return None
    [scan] = scans
    intervals = any(marker == DRI for marker, _ in parts)  # which count pixels, not samples
    if n > 1 and (frame.coding != "lossless" or intervals or not _shares_codes(frame, scan, parts)):
        return None
    single = header[:2] + b"\x00\x0b\x08" + header[5:7] + width.to_bytes(2, "big") + b"\x01" + header[10:11]
    lossless = frame.coding == "lossless"
    new = {
        DQT: b"" if lossless else b"\xff\xdb\x00\x43" + header[12:13] + _FLAT_STEPS,
        SOS: scan[:2] + b"\x00\x08\x01" + scan[5:7] + scan[5 + 2 * n : 7 + 2 * n] + b"\x00" + scan[8 + 2 * n :],
        header[1]: single + b"\x11" + header[12:13],
    }
    data = b"".join([SOI, *(new.get(marker, segment) for marker, segment in parts), EOI])
    relabelled = replace(frame, data=data, bits=8, size=(frame.size[0], width), sampling=((1, 1),))
    return relabelled, 1 if lossless else _first_step(header[12], parts)


def _shares_codes(frame: Frame, scan: bytes, parts: Iterable[tuple[int, bytes]]) -> bool:
    """Whether the components of a lossless scan have one size and one Huffman table."""
    tables: dict[int, bytes] = {}
    for _, segment in (part for part in parts if part[0] == DHT):
        rest = segment[4:]
        while len(rest) > _TABLE_HEAD:
            end = _TABLE_HEAD + sum(rest[1:_TABLE_HEAD])
            tables[rest[0]] = rest[1:end]
            rest = rest[end:]
    used = {tables.get(selector >> 4) for selector in scan[6 : 5 + 2 * scan[4] : 2]}
    return set(frame.sampling) == {(1, 1)} and len(used) == 1


def _first_step(number: int, parts: Iterable[tuple[int, bytes]]) -> int:
    """Return the first step of the quantisation table of this number; 1 if there is none."""
    step = 1
    for _, segment in (part for part in parts if part[0] == DQT):
        rest = segment[4:]
        while rest:
            size = 1 + (rest[0] >> 4)  # bytes of a step
            if rest[0] & 15 == number:
                step = int.from_bytes(rest[1 : 1 + size], "big")
            rest = rest[1 + 64 * size :]
    return max(1, step)
