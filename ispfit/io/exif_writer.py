"""Write EXIF (Exif 2.32, CIPA DC-008-2019) into the files that ispfit makes: what it knows of the shot and the picture.

Directories hold the tags that the standard makes mandatory, the exposure by the image's `Shot`, and the metadata of the
file from which the picture was made, see `read_shot_metadata`. The picture is upright, so that orientation is 1.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ispfit._version import __version__
from ispfit.images import Shot
from ispfit.io.ifd import open_tiff
from ispfit.io.ifd_writer import Value, ascii_text, bytes_of, encode_directory, longs, rationals, shorts, undefined
from ispfit.io.shot_metadata import ShotMetadata

__all__ = ["SRGB", "UNCALIBRATED", "add_exif", "exif_tags", "exposure_tags", "gps_tags", "image_tags", "make_exif"]

_EXIF_POINTER, _GPS_POINTER = 0x8769, 0x8825
SRGB, UNCALIBRATED = 1, 65535  # of the tag ColorSpace
_ISO, _MAX_SHORT = 0x8827, 65535
_RECOMMENDED_EXPOSURE_INDEX = 2  # of the tag SensitivityType
_HEADER_BYTES, _FIRST_OFFSET = 8, 4  # of a TIFF file, and where in it is the offset of the first directory
_MAX_EXIF_BYTES = 65533 - 6  # of an APP1 segment of a JPEG
_SHORT_BYTES = 256  # of a value that is kept even if all of them together are too long


def make_exif(
    shot: Shot, orientation: int = 1, *, size: tuple[int, int] | None = None, metadata: ShotMetadata | None = None
) -> bytes:
    """Return the EXIF block of an sRGB file, as Pillow's ``save`` takes it.

    Parameters
    ----------
    shot : camera, ISO and exposure time.
    orientation : 1 to 8, the turn that makes the stored picture upright.
    size : height and width of the stored picture in pixels.
    metadata : what else the file carries; see `read_shot_metadata`.
    """
    metadata = metadata or ShotMetadata()
    image = image_tags(shot, metadata, orientation) | {0x0213: shorts(1)}  # YCbCrPositioning: centred
    exif = exif_tags(shot, metadata, SRGB) | {0x9101: undefined(b"\1\2\3\0")}  # ComponentsConfiguration: Y, Cb, Cr
    exif |= {0xA002: longs(size[1]), 0xA003: longs(size[0])} if size else {}
    block = _block(image, exif, metadata.gps)
    if len(block) > _MAX_EXIF_BYTES:
        block = _block(_short(image), _short(exif), _short(metadata.gps))
    return b"Exif\0\0" + block


def add_exif(path: Path, shot: Shot, metadata: ShotMetadata, color_space: int = UNCALIBRATED) -> None:
    """Add EXIF to a little-endian TIFF file, by default of linear light; its directory moves to the end of the file.

    A BigTIFF, whose directories are of another kind, is left as it is.
    """
    with path.open("r+b") as file:
        directory = open_tiff(file)
        if directory.big:
            return
        stored = {
            tag: Value(found.kind, found.count, directory.data(tag, found.size))
            for tag, found in directory.fields.items()
        }
        end = file.seek(0, io.SEEK_END)
        start = end + end % 2
        image = stored | image_tags(shot, metadata, orientation=1)
        directories, first = _lay_out(image, exif_tags(shot, metadata, color_space), metadata.gps, start)
        file.write(bytes(end % 2) + directories)
        file.seek(_FIRST_OFFSET)
        file.write(struct.pack("<L", first))


def exposure_tags(shot: Shot) -> dict[int, Value]:
    """Return exposure time and ISO speed. The tag of the latter ends at 65535; a higher speed goes into another one."""
    tags = {}
    if shot.exposure_time:
        tags[0x829A] = rationals([shot.exposure_time])
    if shot.iso:
        tags[_ISO] = shorts(min(round(shot.iso), _MAX_SHORT))
        if round(shot.iso) > _MAX_SHORT:
            tags |= {0x8830: shorts(_RECOMMENDED_EXPOSURE_INDEX), 0x8832: longs(round(shot.iso))}
    return tags


def image_tags(shot: Shot, metadata: ShotMetadata, orientation: int) -> dict[int, Value]:
    """Return tags of the image's own directory (IFD0): camera, author, resolution, and ispfit as the program."""
    names = {0x010F: shot.make, 0x0110: shot.model}
    return {
        **{tag: ascii_text(text) for tag, text in names.items() if text},
        **metadata.image,
        0x0112: shorts(orientation),
        **{tag: rationals([72]) for tag in (0x011A, 0x011B)},  # XResolution, YResolution: 72 where unknown
        0x0128: shorts(2),  # ... per inch
        0x0131: ascii_text(f"ispfit {__version__}"),
    }


def exif_tags(shot: Shot, metadata: ShotMetadata, color_space: int) -> dict[int, Value]:
    known = replace(shot, iso=None) if _ISO in metadata.exif else shot
    return {
        **exposure_tags(known),
        **metadata.exif,
        0x9000: undefined(b"0232"),  # ExifVersion
        0xA000: undefined(b"0100"),  # FlashpixVersion
        0xA001: shorts(color_space),
    }


def gps_tags(gps: Mapping[int, Value]) -> dict[int, Value]:
    return {0: bytes_of((2, 3, 0, 0)), **gps}


def _short(tags: Mapping[int, Value]) -> dict[int, Value]:
    return {tag: value for tag, value in tags.items() if len(value.data) <= _SHORT_BYTES}


def _block(image: dict[int, Value], exif: dict[int, Value], gps: Mapping[int, Value]) -> bytes:
    """Return a TIFF structure of the three directories."""
    directories, first = _lay_out(image, exif, gps, _HEADER_BYTES)
    return struct.pack("<2sHL", b"II", 42, first) + directories


def _lay_out(
    image: Mapping[int, Value], exif: Mapping[int, Value], gps: Mapping[int, Value], start: int
) -> tuple[bytes, int]:
    """Return the three directories for position `start` of a file, and the position of the image's own."""
    details = encode_directory(exif, start)
    place = encode_directory(gps_tags(gps), start + len(details)) if gps else b""
    first = start + len(details) + len(place)
    pointers = {_EXIF_POINTER: longs(start)} | ({_GPS_POINTER: longs(start + len(details))} if gps else {})
    return details + place + encode_directory({**image, **pointers}, first), first
