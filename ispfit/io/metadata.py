"""Find the EXIF and the XMP of a file by walking its container: JPEG, PNG, TIFF, and the RAW formats made of them."""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from PIL.JpegImagePlugin import JpegImageFile

from ispfit.io.boxes import cr3_directories
from ispfit.io.ifd import NO_DIRECTORY, Directory, open_tiff
from ispfit.io.modern_pictures import modern_exif
from ispfit.io.png_chunks import PNG_SIGNATURE, png_chunks, png_text
from ispfit.io.xmp import read_xmp

__all__ = ["Metadata", "open_metadata", "printable"]

_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # with Olympus, Panasonic
_JPEG_EXIF = re.compile(rb".{0,4}Exif\0.", re.DOTALL | re.IGNORECASE)  # some programs put junk before it
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_RAW_PROFILES = frozenset(f"Raw profile type {name}" for name in ("exif", "APP1", "app1", "xmp"))
_PANASONIC_JPEG, _NEW_SUBFILE_TYPE, _ORIENTATION, _XMP = 0x2E, 254, 0x112, 700
_EXIF, _GPS, _INTEROPERABILITY = 0x8769, 0x8825, 0xA005
_MAX_BYTES = 1 << 24  # of a JPEG or an XMP packet inside of another file
_MAX_DIRECTORIES = 64
_MAX_TEXT_LENGTH = 80  # characters


@dataclass(frozen=True)
class Metadata:
    """The metadata of a file; what is missing is empty.

    Parameters
    ----------
    image : the directory of the picture (IFD0; in a TIFF file that begins with a thumbnail, that of the first picture).
    exif, gps, interoperability : the directories of these names, see Exif 2.32, section 4.6.3.
    maker : the directory of the maker's notes if it is not inside of `exif`, as in a CR3 file.
    xmp : see `read_xmp`.
    """

    image: Directory = NO_DIRECTORY
    exif: Directory = NO_DIRECTORY
    gps: Directory = NO_DIRECTORY
    interoperability: Directory = NO_DIRECTORY
    maker: Directory = NO_DIRECTORY
    xmp: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def open_metadata(source: Path | bytes) -> Iterator[Metadata]:
    """Find the metadata of a file, or of a file's bytes; it can be read within the block. Damage is no error."""
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        yield _find(file)


def printable(text: str | None) -> str | None:
    """Return at most 80 characters of a text without those that cannot be printed; None if nothing is left."""
    return "".join(letter for letter in (text or "")[:_MAX_TEXT_LENGTH] if letter.isprintable()).strip() or None


def _find(file: BinaryIO) -> Metadata:
    head = file.read(16)
    if head[:2] == b"\xff\xd8":
        return _of_jpeg(file)
    if head[:8] == PNG_SIGNATURE:
        return _of_png(file)
    if head[:4] in _TIFF_MAGICS:
        return _of_tiff(file)
    if head[:15] == b"FUJIFILMCCD-RAW":
        return _of_raf(file)
    if head[4:12] == b"ftypcrx ":
        image, exif, maker, gps = cr3_directories(file)
        return Metadata(image, exif, gps, maker=maker)
    return _of_exif(modern_exif(file))


def _of_exif(block: bytes, xmp: bytes = b"") -> Metadata:
    """Return the metadata in a TIFF structure, which may have EXIF's mark before it, and an XMP packet."""
    mark = _JPEG_EXIF.match(block)
    found = _of_tiff(io.BytesIO(block[mark.end() :] if mark else block))
    return replace(found, xmp=read_xmp(xmp)) if xmp else found


def _of_tiff(file: BinaryIO) -> Metadata:
    image = _picture_directory(open_tiff(file))
    exif = image.directory(_EXIF)
    if jpeg := image.data(_PANASONIC_JPEG, _MAX_BYTES):  # in an RW2 file, which itself has little EXIF
        inner = _of_jpeg(io.BytesIO(jpeg)).exif
        exif = inner if inner.fields else exif
    xmp = read_xmp(image.data(_XMP, _MAX_BYTES))
    return Metadata(image, exif, image.directory(_GPS), exif.directory(_INTEROPERABILITY), xmp=xmp)


def _picture_directory(first: Directory) -> Directory:
    """Return the first directory that is not of a thumbnail, with what only the very first one says of the shot."""
    directory = first
    for _ in range(_MAX_DIRECTORIES):
        if not directory.fields:
            break
        if not any(int(kind) & 1 for kind in directory.numbers(_NEW_SUBFILE_TYPE)):
            shot = {tag: found for tag, found in first.fields.items() if tag != _ORIENTATION}
            return replace(directory, fields={**shot, **directory.fields})
        directory = directory.next()
    return first


def _of_raf(file: BinaryIO) -> Metadata:
    """Return the metadata of the JPEG in a Fujifilm RAW file, whose header tells where it is."""
    file.seek(84)
    offset, length = struct.unpack(">II", file.read(8).rjust(8, b"\0"))
    file.seek(offset)
    return _of_jpeg(io.BytesIO(file.read(min(length, _MAX_BYTES))))


def _of_jpeg(file: BinaryIO) -> Metadata:
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the sizes of pictures, and of damage
            # Not by PILImage.open, which refuses a file whose index of further pictures is broken.
            segments = [data for name, data in JpegImageFile(file).applist if name == "APP1"]
    except Exception:  # noqa: BLE001 - the decoder says what is wrong with the file; here it only has no metadata
        return Metadata()
    exif = [data[mark.end() :] for data in segments if (mark := _JPEG_EXIF.match(data))]  # parts of one block
    xmp = [data.removeprefix(_JPEG_XMP) for data in segments if data.startswith(_JPEG_XMP)]
    return _of_exif(b"".join(exif), b"".join(xmp[:1]))


def _of_png(file: BinaryIO) -> Metadata:
    exif, xmp = b"", b""
    for kind, data in png_chunks(file):
        keyword, text = png_text(kind, data) or ("", b"")
        profile = _raw_profile(text) if keyword in _RAW_PROFILES else b""
        if kind == b"eXIf":
            exif = data
        elif keyword == "XML:com.adobe.xmp" or profile.startswith((b"<", _JPEG_XMP)):
            xmp = xmp or profile.removeprefix(_JPEG_XMP) or text
        elif profile:
            exif = exif or profile
    return _of_exif(exif, xmp)


def _raw_profile(text: bytes) -> bytes:
    """Return the bytes of a profile as ImageMagick writes it: a name, a length, and hexadecimal digits."""
    try:
        return bytes.fromhex("".join(text.decode("ascii").split("\n")[3:]))
    except ValueError:
        return b""
