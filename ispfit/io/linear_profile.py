"""The ICC profile of linear light, by which other programs show a raw as bright as it is.

A TIFF file without a profile is shown as if it were encoded as sRGB: linear 0.4 as 0.13. The primaries of a camera
whose colours were never measured are unknown; those of sRGB stand for them. So neutral surfaces are shown as neutral,
everything as bright as it is, and colours weaker than they were.
"""

from __future__ import annotations

import struct
from functools import lru_cache

__all__ = ["linear_profile"]

_NAME = "Linear camera RGB, white-balanced, shown with the primaries of sRGB"
_COPYRIGHT = "No copyright, use freely"
_D50 = (0.9642, 1.0, 0.8249)  # the white of ICC profiles: ICC.1:2001-04, section 5.3.3
_COLORANTS = {  # the primaries of sRGB (IEC 61966-2-1), adapted from D65 to D50 by Bradford: the ICC's own sRGB profile
    b"r": (0.43607, 0.22249, 0.01392),
    b"g": (0.38515, 0.71687, 0.09708),
    b"b": (0.14307, 0.06061, 0.71410),
}
_HEADER_BYTES = 128


@lru_cache(maxsize=1)
def linear_profile() -> bytes:
    """Return the ICC profile (ICC.1:2001-04, a matrix and the curve y = x) of what `write_linear` writes."""
    curve = struct.pack(">4s4xL", b"curv", 0)  # no entries: the identity
    tags = {
        b"desc": _description(_NAME),
        b"cprt": struct.pack(f">4s4x{len(_COPYRIGHT) + 1}s", b"text", _COPYRIGHT.encode()),
        b"wtpt": _xyz(_D50),
        **{color + b"XYZ": _xyz(colorant) for color, colorant in _COLORANTS.items()},
        **{color + b"TRC": curve for color in _COLORANTS},
    }
    return _assemble(tags)


def _description(text: str) -> bytes:
    ascii_part = struct.pack(f">4s4xL{len(text) + 1}s", b"desc", len(text) + 1, text.encode())
    return ascii_part + bytes(4 + 4 + 2 + 1 + 67)  # no Unicode and no Macintosh text


def _xyz(values: tuple[float, float, float]) -> bytes:
    return struct.pack(">4s4x3l", b"XYZ ", *(round(value * 65536) for value in values))


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    table, data, start = b"", b"", _HEADER_BYTES + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    for name, value in tags.items():
        if value not in places:
            places[value] = start + len(data)
            data += value + bytes(-len(value) % 4)
        table += struct.pack(">4sLL", name, places[value], len(value))
    body = struct.pack(">L", len(tags)) + table + data
    white = (round(value * 65536) for value in _D50)
    made = (2020, 1, 1, 0, 0, 0)  # a date is mandatory; this one keeps files equal
    header = struct.pack(
        ">L4xL4s4s4s6H4s24xL3l",
        *(_HEADER_BYTES + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", *made),
        *(b"acsp", 1, *white),  # no platform, maker or model; relative colorimetric intent
    )
    return header.ljust(_HEADER_BYTES, b"\0") + body
