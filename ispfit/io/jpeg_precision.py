"""Relabel JPEGs of more than 8 bits per sample, such as the tiles of a DNG, for decoders that take 8 bits alone.

Entropy codes do not depend on the number of bits, only what becomes of them does (ISO/IEC 10918-1, annexes F and H).
"""

from __future__ import annotations

from dataclasses import replace

from ispfit.io.jpeg_scans import DQT, EOI, FRAMES, SOI, SOS, Frame, segments

__all__ = ["as_8_bits"]

_HUFFMAN_CODED = (0xC0, 0xC1, 0xC3)  # frames: baseline, extended sequential, lossless
_FLAT_STEPS = bytes([1] * 64)  # of quantisation
_EACH_PIXEL = 0x11  # sampling factors


def as_8_bits(frame: Frame) -> tuple[Frame, int] | None:
    """Return a frame of the same codes that claims samples of 8 bits, and its first step of quantisation.

    Two lossless components, which libjpeg does not take, become four: those of two neighbouring pixels.

    Returns
    -------
    The samples of a lossless frame are worth nothing, but need the same codes; its step is 1. In another frame, the
    mean of a block, less the middle of the range, is divided by the step. None if the frame cannot be relabelled: it is
    progressive, not in Huffman codes, its components have scans of their own, or there are too many.
    """
    parts = list(segments(frame.data))
    scans = [segment for marker, segment in parts if marker == SOS]
    header = next(segment for marker, segment in parts if marker in FRAMES)
    n, lossless = len(frame.sampling), frame.coding == "lossless"
    if header[1] not in _HUFFMAN_CODED or len(scans) != 1 or scans[0][4] != n or n > (4 if lossless else 1):
        return None
    times = 2 if n == 2 else 1
    if times == 2 and (frame.size[1] % 2 or frame.restart_interval or set(frame.sampling) != {(1, 1)}):
        return None
    [scan], width = scans, frame.size[1] // times
    factors = bytes([_EACH_PIXEL]) if n == 1 else header[11 : 10 + 3 * n : 3]
    colors = [bytes([factor, 0]) for factor in factors * times]
    tables = [bytes([table]) for table in scan[6 : 5 + 2 * n : 2] * times]
    selection, codes = scan[5 + 2 * n : 7 + 2 * n] + b"\x00", scan[8 + 2 * n :]
    new = {
        DQT: b"" if lossless else b"\xff\xdb\x00\x43\x00" + _FLAT_STEPS,
        header[1]: _segment(header[1], b"\x08" + header[5:7] + width.to_bytes(2, "big"), colors, b""),
        SOS: _segment(SOS, b"", tables, selection) + codes,
    }
    data = b"".join([SOI, *(new.get(marker, segment) for marker, segment in parts), EOI])
    relabelled = replace(frame, data=data, bits=8, size=(frame.size[0], width), sampling=frame.sampling * times)
    return relabelled, 1 if lossless else _first_step(header[12], parts)


def _segment(marker: int, before: bytes, components: list[bytes], after: bytes) -> bytes:
    """Return a frame header or a scan header, whose components are numbered."""
    body = before + bytes([len(components)]) + b"".join(bytes([n]) + each for n, each in enumerate(components)) + after
    return bytes([0xFF, marker]) + (2 + len(body)).to_bytes(2, "big") + body


def _first_step(number: int, parts: list[tuple[int, bytes]]) -> int:
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
