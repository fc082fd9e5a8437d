"""Lay out a DNG file: header, directories and preview, and the place of the samples after them."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

from PIL import Image as PILImage

from ispfit.io.ifd_writer import Value, encode_directory, longs, shorts

__all__ = ["dng_head"]

_STRIP_OFFSETS, _SUB_IFDS, _EXIF_IFD, _GPS_IFD = 273, 330, 34665, 34853
_FIRST = 8  # position of the first directory, behind the header


def dng_head(
    tags: Mapping[int, Value], exif: Mapping[int, Value], preview: bytes | None = None, gps: Mapping[int, Value] = {}
) -> bytes:
    """Return all of a DNG file but its samples, which come next as one strip.

    Parameters
    ----------
    tags : of the picture; offsets are added.
    exif, gps : of the directories of these names; without `gps` there is none.
    preview : JPEG of the picture, stored as a preview.
    """
    preview_tags = _preview_tags(preview) if preview else {}
    pointers = [_STRIP_OFFSETS, _EXIF_IFD] + [_GPS_IFD] * bool(gps) + [_SUB_IFDS] * bool(preview)
    places = dict.fromkeys(pointers, _FIRST)
    at = _FIRST + len(encode_directory({**tags, **{tag: longs(0) for tag in places}}, _FIRST))
    parts = b""
    for tag, directory in ((_EXIF_IFD, exif), (_GPS_IFD, gps), (_SUB_IFDS, preview_tags)):
        if tag in places:
            places[tag] = at + len(parts)
            if tag == _SUB_IFDS:
                after = places[tag] + len(encode_directory(directory, places[tag]))
                directory = {**directory, _STRIP_OFFSETS: longs(after)}
            parts += encode_directory(directory, places[tag])
    parts += preview or b""
    parts += bytes(len(parts) % 2)
    places[_STRIP_OFFSETS] = at + len(parts)
    main = encode_directory({**tags, **{tag: longs(place) for tag, place in places.items()}}, _FIRST)
    return struct.pack("<2sHL", b"II", 42, _FIRST) + main + parts


def _preview_tags(jpeg: bytes) -> dict[int, Value]:
    with PILImage.open(io.BytesIO(jpeg)) as picture:
        width, height = picture.size
    return {
        254: longs(1),  # NewSubfileType: a preview
        256: longs(width),
        257: longs(height),
        258: shorts(8, 8, 8),
        259: shorts(7),  # Compression: JPEG
        262: shorts(6),  # PhotometricInterpretation: YCbCr
        273: longs(0),
        277: shorts(3),
        278: longs(height),
        279: longs(len(jpeg)),
        284: shorts(1),
        50970: longs(2),  # PreviewColorSpace: sRGB
    }
