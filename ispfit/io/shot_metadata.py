"""Read the metadata of a shot that every file made from it should carry: date, place, lens, exposure, author.

What describes the file itself rather than the shot is left out: sizes, orientation, thumbnail, colour space, the
maker's notes (whose offsets would be wrong), and places in the picture, which may have been turned and cropped.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import rawpy

from ispfit.errors import FileError, decoding
from ispfit.files import printable_path
from ispfit.io.ifd import Directory
from ispfit.io.ifd_writer import Value, ascii_text, rationals
from ispfit.io.listing import RAW_SUFFIXES, check_file
from ispfit.io.metadata import Metadata, open_metadata

__all__ = ["ShotMetadata", "metadata_to_write", "read_shot_metadata"]

_Tags = Mapping[int, Value]

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL, _UTF_8 = 1, 2, 3, 4, 5, 7, 10, 129
_LAYOUTS = {_SHORT: "H", _LONG: "L", _RATIONAL: "L", _SRATIONAL: "l"}
_MAX_BYTES = 1 << 12  # of a value; all of a JPEG's EXIF has 64 KB
_PROGRAM_OF_LIBRAW = b"dcraw v9"
_NO_TIME, _MAX_NUMBER = datetime(1970, 1, 1), 1e6  # what LibRaw gives instead of a time; no aperture is as large

# Numbers and types of tags by Exif 2.32 (CIPA DC-008-2019), tables 3 to 15, and TIFF 6.0; XP...: Windows.
_IMAGE_TAGS = {
    **dict.fromkeys((0x010E, 0x010F, 0x0110, 0x0132, 0x013B, 0x013C, 0x8298), _ASCII),  # description, camera, author
    0x4746: _SHORT,  # Rating
    **dict.fromkeys(range(0x9C9B, 0x9CA0), _BYTE),  # XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject
}
_EXIF_TAGS = {
    **dict.fromkeys((0x829A, 0x829D, 0x9202, 0x9205, 0x9206, 0x920A, 0xA404), _RATIONAL),  # exposure, aperture, focus
    **dict.fromkeys((0x9201, 0x9203, 0x9204), _SRATIONAL),  # shutter speed, brightness, exposure compensation
    **dict.fromkeys((0x8822, 0x8827, 0x8830, 0x9207, 0x9208, 0x9209), _SHORT),  # programme, ISO, metering, light, flash
    **dict.fromkeys(range(0x8831, 0x8836), _LONG),  # ISO speeds above 65535
    **dict.fromkeys((0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292), _ASCII),  # dates
    **dict.fromkeys((0xA300, 0x9286), _UNDEFINED),  # file source, user comment
    **dict.fromkeys((0xA401, 0xA402, 0xA403, 0xA405, 0xA406, 0xA408, 0xA409, 0xA40A, 0xA40C), _SHORT),  # scene, style
    **dict.fromkeys((0xA420, 0xA430, 0xA431, 0xA433, 0xA434, 0xA435), _ASCII),  # image ID, owner, body, lens
    0xA432: _RATIONAL,  # LensSpecification
}
_GPS_TAGS = {
    0x00: _BYTE,  # version
    0x05: _BYTE,  # above or below the sea
    **dict.fromkeys((1, 3, 8, 9, 10, 12, 14, 16, 18, 19, 21, 23, 25, 29), _ASCII),
    **dict.fromkeys((2, 4, 6, 7, 11, 13, 15, 17, 20, 22, 24, 26, 31), _RATIONAL),
    **dict.fromkeys((27, 28), _UNDEFINED),
    30: _SHORT,
}
_DNG_TAGS = {0xC62F: _ASCII, 0xC630: _RATIONAL}  # CameraSerialNumber, LensInfo
_DNG_NAMES = {0xC62F: 0xA431, 0xC630: 0xA432}  # what EXIF calls them
_COUNTS = {0xC630: 4, 0xA432: 4, 2: 3, 4: 3, 7: 3}


@dataclass(frozen=True)
class ShotMetadata:
    """The tags of a shot that are copied: of the image, of EXIF, and of GPS, by number."""

    image: _Tags = field(default_factory=dict)
    exif: _Tags = field(default_factory=dict)
    gps: _Tags = field(default_factory=dict)


def read_shot_metadata(source: Path) -> ShotMetadata:
    """Return the metadata of a shot, from EXIF wherever in the file it is; empty if the file has none.

    What the EXIF of a RAW file lacks is taken from its preview's EXIF and from what LibRaw reads of the maker's notes.
    """
    with open_metadata(source) as metadata:
        found = _collect(metadata)
    return _complete_raw(found, source) if source.suffix.lower() in RAW_SUFFIXES else found


def metadata_to_write(source: str | os.PathLike[str] | None, unique_id: str | None) -> ShotMetadata:
    """Return the metadata for a file that is written.

    Parameters
    ----------
    source : the file whose metadata are copied; None for none.
    unique_id : an ImageUniqueID in place of its own (Exif 2.32, tag 0xA420), 32 hexadecimal digits; None keeps it.

    Raises
    ------
    FileError
        If `source` cannot be read.
    """
    found = ShotMetadata() if source is None else read_shot_metadata(check_file(source))
    return found if unique_id is None else replace(found, exif={**found.exif, 0xA420: ascii_text(unique_id)})


def _collect(metadata: Metadata) -> ShotMetadata:
    image, exif = metadata.image, metadata.exif
    details = _copy(image, _EXIF_TAGS) | {_DNG_NAMES[tag]: value for tag, value in _dng_tags(image).items()}
    return ShotMetadata(_copy(image, _IMAGE_TAGS), details | _copy(exif, _EXIF_TAGS), _copy(metadata.gps, _GPS_TAGS))


def _dng_tags(image: Directory) -> dict[int, Value]:
    return _copy(image, {0xC62F: _ASCII, 0xC630: _RATIONAL})


def _copy(directory: Directory, wanted: Mapping[int, int]) -> dict[int, Value]:
    """Return the values of the wanted tags whose type and number are right."""
    found = {tag: _read(directory, tag, kind) for tag, kind in wanted.items() if tag in directory.fields}
    return {tag: value for tag, value in found.items() if value is not None}


def _read(directory: Directory, tag: int, kind: int) -> Value | None:
    stored = directory.fields[tag]
    data = directory.data(tag, _MAX_BYTES + 1)
    if not data or len(data) != stored.size or len(data) > _MAX_BYTES:
        return None
    if kind == _ASCII:
        text = data.split(b"\0")[0].rstrip()
        return Value(_ASCII, len(text) + 1, text + b"\0") if text and stored.kind in (_ASCII, _UTF_8) else None
    if {stored.kind, kind} == {_SHORT, _LONG}:
        return _converted(directory.numbers(tag), kind)
    if stored.kind != kind or stored.count != _COUNTS.get(tag, stored.count):
        return None
    if (letter := _LAYOUTS.get(kind)) is not None:
        numbers = struct.unpack(f"{directory.order}{len(data) // struct.calcsize(f'={letter}')}{letter}", data)
        data = struct.pack(f"<{len(numbers)}{letter}", *numbers)
    return Value(kind, stored.count, data)


def _converted(numbers: tuple[float, ...], kind: int) -> Value | None:
    limit = 1 << (16 if kind == _SHORT else 32)
    if not numbers or not all(0 <= number < limit for number in numbers):
        return None
    return Value(kind, len(numbers), struct.pack(f"<{len(numbers)}{_LAYOUTS[kind]}", *(int(n) for n in numbers)))


def _complete_raw(found: ShotMetadata, source: Path) -> ShotMetadata:
    """Return metadata with what is unknown filled in by the preview of a RAW file and by LibRaw."""
    try:
        with decoding(source), printable_path(source) as path, rawpy.RawPy() as raw:
            raw.open_file(str(path))
            told = _told_by_libraw(raw)
            preview = _preview_metadata(raw)
    except FileError:
        return found
    return ShotMetadata(
        {**told.image, **preview.image, **found.image},
        {**told.exif, **preview.exif, **found.exif},
        {**told.gps, **preview.gps, **found.gps},
    )


def _preview_metadata(raw: Any) -> ShotMetadata:
    try:
        preview = raw.extract_thumb()
    except rawpy.LibRawError:
        return ShotMetadata()
    if preview.format != rawpy.ThumbFormat.JPEG:
        return ShotMetadata()
    with open_metadata(_without_exif_of_libraw(preview.data)) as metadata:
        return _collect(metadata)


def _without_exif_of_libraw(jpeg: bytes) -> bytes:
    """Return a preview without the EXIF that LibRaw puts before its own, in which unknown numbers are 0."""
    if jpeg[:4] != b"\xff\xd8\xff\xe1":
        return jpeg
    end = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:2] + jpeg[end:] if _PROGRAM_OF_LIBRAW in jpeg[:end] else jpeg


def _told_by_libraw(raw: Any) -> ShotMetadata:
    other, lens = raw.other, raw.lens
    numbers = {0x829D: other.aperture, 0x920A: other.focal_length, 0x829A: other.shutter_speed}
    image, details = {}, {tag: rationals([value]) for tag, value in numbers.items() if 0 < value < _MAX_NUMBER}
    if other.timestamp.year > _NO_TIME.year:
        details[0x9003] = details[0x9004] = ascii_text(other.timestamp.strftime("%Y:%m:%d %H:%M:%S"))
    if name := _text(lens.model):
        details[0xA434] = ascii_text(name)
    if artist := _text(other.artist):
        image[0x013B] = ascii_text(artist)
    return ShotMetadata(image, details)


def _text(text: Any) -> str:
    return (text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)).strip()
