"""The part of a JPEG file that its pixels depend on: tables, frame header, and scans of entropy-coded data.

ISO/IEC 10918-1, annex B, describes the segments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = ["DQT", "EOI", "FRAMES", "JPEG_SIGNATURE", "SOI", "SOS", "Frame", "first_picture", "segments"]

JPEG_SIGNATURE = b"\xff\xd8\xff"

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_DHT, _JPG, _DAC, SOS, DQT, _DRI = 0xC4, 0xC8, 0xCC, 0xDA, 0xDB, 0xDD
FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, _JPG, _DAC}
_SEQUENTIAL, _PROGRESSIVE = frozenset({0xC0, 0xC1, 0xC9}), frozenset({0xC2, 0xCA})
_FRAME_HEADER_BYTES = 13  # with its marker and one component
_SCAN_HEADER_BYTES = 8  # with one component
_MAX_PADDING_BYTES = 2
_TABLES = frozenset({_DHT, _DAC, DQT, _DRI})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Adobe's marker with transform 0: the components are not converted to other colours.
_AS_STORED = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"


@dataclass(frozen=True)
class Frame:
    """The first picture of a JPEG file.

    Parameters
    ----------
    data : a JPEG file of its tables, its frame header and its scans alone, whose components are taken as they are
        stored: a decoder returns Y, Cb, Cr where the file stores these.
    coding : ``"sequential"``; ``"progressive"``, in several passes; ``"lossless"``, without a cosine transform.
    size : height and width in pixels, as the header claims.
    bits : bits per sample.
    sampling : horizontal and vertical sampling factor of each component.
    restart_interval : number of blocks, see `block`, after which the codes restart; 0 if they do not.
    """

    data: bytes
    coding: Literal["sequential", "progressive", "lossless"]
    size: tuple[int, int]
    bits: int
    sampling: tuple[tuple[int, int], ...]
    restart_interval: int = 0

    @property
    def block(self) -> tuple[int, int]:
        """Height and width, in pixels, of the unit in which all components are coded."""
        if len(self.sampling) == 1:
            return 8, 8  # whatever its sampling factors
        return 8 * max(down for _, down in self.sampling), 8 * max(across for across, _ in self.sampling)

    def without_padding(self, extra: int) -> Frame:
        """Return the frame without what a camera may have added to its last scan: 1 or 2 bytes, or any number of zeros.

        Parameters
        ----------
        extra : bytes of the scan that its decoder did not need.
        """
        scans = self.data.removesuffix(EOI)
        shorter = scans[:-extra] if 0 < extra <= _MAX_PADDING_BYTES else scans.rstrip(b"\0")
        return replace(self, data=shorter + EOI)


def first_picture(data: bytes) -> Frame | None:
    """Return the first picture of a JPEG file; None if `data` have no frame.

    What does not change the pixels is left out: metadata, comments, padding between segments, further pictures (MPF).
    In the header of a sequential scan the parameters that only progressive scans use are set to what the standard
    says. An end that is missing is added: whether pixels are missing is for the decoder to tell.
    """
    parts, frame, interval = [SOI, _AS_STORED], None, 0
    for marker, segment in segments(data):
        if marker in FRAMES and frame is None:
            frame = marker, segment
            parts.append(segment)
        elif marker in _TABLES:
            parts.append(segment)
            interval = int.from_bytes(segment[4:6], "big") if marker == _DRI else interval
        elif marker == SOS and frame is not None:
            parts.append(_sequential(segment) if frame[0] in _SEQUENTIAL else segment)
    if frame is None or len(frame[1]) < _FRAME_HEADER_BYTES:
        return None
    marker, header = frame
    coding: Any = {marker in _SEQUENTIAL: "sequential", marker in _PROGRESSIVE: "progressive"}.get(True, "lossless")
    sampling = tuple((factors >> 4, factors & 15) for factors in header[11::3][: header[9]])
    size = int.from_bytes(header[5:7], "big"), int.from_bytes(header[7:9], "big")
    return Frame(b"".join([*parts, EOI]), coding, size, header[4], sampling, interval)


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and bytes of each segment of the first picture; a scan header comes with the data of its scan."""
    position = 2
    while (found := _MARKER.search(data, position)) is not None:
        marker, start = data[found.start() + 1], found.start()
        position = start + 2
        if marker == EOI[1]:
            return
        if marker in _WITHOUT_LENGTH:
            continue
        length = int.from_bytes(data[position : position + 2], "big")
        if length < (_SCAN_HEADER_BYTES if marker == SOS else 2) or position + length > len(data):
            continue
        position += length
        if marker == SOS:
            end = _END_OF_SCAN.search(data, position)
            position = len(data) if end is None else end.start()
        yield marker, data[start:position]


def _sequential(scan: bytes) -> bytes:
    """Return a scan whose header selects all coefficients at full precision: 0, 63 and 0 after its components."""
    after = 5 + 2 * scan[4]
    return scan[:after] + b"\x00\x3f\x00" + scan[after + 3 :]
