"""Pictures are turned upright wherever in its container a file says how, in all eight orientations, as by exiftool."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from containers import (
    add_chunks,
    app1,
    app1_xmp,
    chunk,
    directory,
    insert,
    numbers,
    raw_profile,
    segment,
    tiff,
    xmp,
)
from PIL import Image as PILImage
from PIL import ImageCms

from ispfit.io import read_srgb
from ispfit.io.exif import read_exif
from ispfit.io.orientation import FLIP_OF_ORIENTATION, as_stored

ORIENTATION, SOF, SOS, DQT = 0x112, 0xC0, 0xDA, 0xDB
FILL = b"\xff\xff\xff"
MAKER = [segment(0xE0 + number, b"Maker\0" + bytes(range(256)) * 40) for number in (3, 4, 5, 6, 7, 10)]
MPF = segment(0xE2, b"MPF\0" + tiff({0xB000: b"0100", 0xB001: numbers(1, kind=4)}))
PHOTOSHOP = segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\0")


def exif(number: int, order: str = "<", **options: Any) -> bytes:
    return tiff({ORIENTATION: number}, order, **options)


def split_exif(number: int) -> list[bytes]:
    """EXIF of more than a segment, whose directory is in the second one."""
    block = exif(number, junk=70000)
    return [app1(block[:60000]), app1(block[60000:])]


def icc_segments() -> list[bytes]:
    """An ICC profile in two parts, as cameras write long ones."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return [segment(0xE2, b"ICC_PROFILE\0" + bytes([part + 1, 2]) + profile[300 * part :][:300]) for part in (0, 1)]


def after_tables(data: bytes, *segments: bytes) -> bytes:
    """Put segments behind the quantisation tables, which begin the file."""
    place = data.index(bytes([0xFF, SOF]))
    tables = data.index(bytes([0xFF, DQT]))
    return data[:2] + data[tables:place] + b"".join(segments) + data[2:tables] + data[place:]


JPEG_LAYOUTS: dict[str, Callable[[bytes, int], bytes]] = {
    "EXIF first": lambda data, n: insert(data, app1(exif(n))),
    "big-endian": lambda data, n: insert(data, app1(exif(n, ">"))),
    "behind JFIF": lambda data, n: insert(data, app1(exif(n)), before=DQT),
    "behind 60 KB of the maker": lambda data, n: insert(data, *MAKER, app1(exif(n))),
    "behind JFIF and 60 KB": lambda data, n: insert(data, *MAKER, app1(exif(n)), before=DQT),
    "tables first": lambda data, n: after_tables(data, app1(exif(n))),
    "behind fill bytes": lambda data, n: insert(data, FILL[:-1] + app1(exif(n)), FILL + MAKER[0]),
    "behind fill bytes and 10 KB": lambda data, n: insert(data, FILL + MAKER[0], FILL + app1(exif(n))),
    "behind comments": lambda data, n: insert(data, *[segment(0xFE, b"a comment " * 900)] * 3, app1(exif(n))),
    "behind Photoshop's": lambda data, n: insert(data, PHOTOSHOP, app1(exif(n))),
    "behind an ICC profile": lambda data, n: insert(data, *icc_segments(), app1(exif(n)), before=DQT),
    "behind several pictures'": lambda data, n: insert(data, MPF, app1(exif(n))),
    "behind the frame header": lambda data, n: insert(data, app1(exif(n)), before=SOS),
    "behind another program's APP1": lambda data, n: insert(data, segment(0xE1, b"Other\0" * 99), app1(exif(n))),
    "behind the XMP": lambda data, n: insert(data, app1_xmp(xmp({"xmp:Rating": "3"})), app1(exif(n))),
    "directory deep in the EXIF": lambda data, n: insert(data, app1(exif(n, junk=60000))),
    "in two segments": lambda data, n: insert(data, *split_exif(n)),
    "junk before its mark": lambda data, n: insert(data, segment(0xE1, b"\0\0Exif\0\0" + exif(n))),
    "a LONG": lambda data, n: insert(data, app1(tiff({ORIENTATION: numbers(n, kind=4)}))),
    "another one for the thumbnail": lambda data, n: insert(data, app1(with_thumbnail(n))),
    "XMP's attribute": lambda data, n: insert(data, app1_xmp(xmp({"tiff:Orientation": str(n)}))),
    "XMP's element": lambda data, n: insert(data, app1_xmp(xmp({"tiff:Orientation": str(n)}, as_elements=True))),
    "EXIF without, then XMP": lambda data, n: insert(
        data, app1(tiff({0x10F: "Maker"})), app1_xmp(xmp({"tiff:Orientation": str(n)}))
    ),
    "EXIF against XMP": lambda data, n: insert(
        data, app1(exif(n)), app1_xmp(xmp({"tiff:Orientation": str(n % 8 + 1)}))
    ),
}


def with_thumbnail(number: int) -> bytes:
    first = directory({ORIENTATION: number}, 8, "<", following=200)
    return b"II*\0\x08\0\0\0" + first.ljust(192, b"\0") + directory({ORIENTATION: number % 8 + 1}, 200)


def text(keyword: str, value: bytes, compressed: bool = False) -> bytes:
    data = b"\0" + zlib.compress(value) if compressed else value
    return chunk(b"zTXt" if compressed else b"tEXt", keyword.encode() + b"\0" + data)


def xmp_chunk(number: int, compressed: bool = False) -> bytes:
    packet = xmp({"tiff:Orientation": str(number)}, as_elements=compressed)
    data = b"\1\0" + b"\0\0" + zlib.compress(packet) if compressed else b"\0\0" + b"\0\0" + packet
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0" + data)


def profile_chunk(kind: str, data: bytes, compressed: bool) -> bytes:
    return text(f"Raw profile type {kind}", raw_profile(kind, data), compressed)


MARK = b"Exif\0\0"
PNG_LAYOUTS: dict[str, Callable[[bytes, int], bytes]] = {
    "eXIf": lambda data, n: add_chunks(data, chunk(b"eXIf", exif(n))),
    "eXIf, big-endian": lambda data, n: add_chunks(data, chunk(b"eXIf", exif(n, ">"))),
    "eXIf behind the pixels": lambda data, n: add_chunks(data, chunk(b"eXIf", exif(n)), at_end=True),
    "tEXt": lambda data, n: add_chunks(data, profile_chunk("exif", MARK + exif(n), compressed=False)),
    "zTXt": lambda data, n: add_chunks(data, profile_chunk("exif", MARK + exif(n), compressed=True)),
    "APP1": lambda data, n: add_chunks(data, profile_chunk("APP1", MARK + exif(n), compressed=True)),
    "zTXt behind the pixels": lambda data, n: add_chunks(
        data, profile_chunk("exif", MARK + exif(n), compressed=True), at_end=True
    ),
    "XMP": lambda data, n: add_chunks(data, xmp_chunk(n)),
    "XMP, compressed": lambda data, n: add_chunks(data, xmp_chunk(n, compressed=True)),
    "XMP behind the pixels": lambda data, n: add_chunks(data, xmp_chunk(n), at_end=True),
    "XMP as a profile": lambda data, n: add_chunks(
        data, profile_chunk("xmp", xmp({"tiff:Orientation": str(n)}), compressed=True)
    ),
    "behind other texts": lambda data, n: add_chunks(
        data, *[text("Comment", b"a comment " * 900)] * 3, chunk(b"eXIf", exif(n))
    ),
}


def tiff_layout(codes: Any, *tags: Any, thumbnail: int = 0, **options: Any) -> bytes:
    file = io.BytesIO()
    common: dict[str, Any] = {"photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(file, **options) as writer:
        if thumbnail:
            writer.write(codes[::8, ::8], subfiletype=1, extratags=[turned(thumbnail)], **common)
        writer.write(codes, subfiletype=0, extratags=tags, **common)
    return file.getvalue()


def turned(number: int) -> Any:
    return ORIENTATION, 3, 1, number, True


def packet(number: int) -> Any:
    data = xmp({"tiff:Orientation": str(number)})
    return 700, 1, len(data), data, True


TIFF_LAYOUTS: dict[str, Callable[[Any, int], bytes]] = {
    "little-endian": lambda codes, n: tiff_layout(codes, turned(n), byteorder="<"),
    "big-endian": lambda codes, n: tiff_layout(codes, turned(n), byteorder=">"),
    "BigTIFF": lambda codes, n: tiff_layout(codes, turned(n), bigtiff=True),
    "XMP": lambda codes, n: tiff_layout(codes, packet(n)),
    "thumbnail first": lambda codes, n: tiff_layout(codes, turned(n), thumbnail=n % 8 + 1),
}


def written(folder: Path, layout: str, number: int, image: Any) -> Path:
    """Write a picture that lies as `number` says, in a layout of the tables."""
    codes = np.ascontiguousarray(as_stored(np.round(image * 255).astype(np.uint8), FLIP_OF_ORIENTATION[number]))
    kind, name = layout.split(": ", 1)
    if kind == "tiff":
        data = TIFF_LAYOUTS[name](codes.astype(np.uint16) * 257, number)
    else:
        stream = io.BytesIO()
        PILImage.fromarray(codes).save(stream, kind.upper(), quality=95, subsampling=0)
        data = (JPEG_LAYOUTS if kind == "jpeg" else PNG_LAYOUTS)[name](stream.getvalue(), number)
    suffix = {"jpeg": "jpg", "png": "png", "tiff": "tif"}[kind]
    path = folder / f"{LAYOUTS.index(layout):02d}-{number}.{suffix}"
    path.write_bytes(data)
    return path


LAYOUTS = [
    *(f"jpeg: {name}" for name in JPEG_LAYOUTS),
    *(f"png: {name}" for name in PNG_LAYOUTS),
    *(f"tiff: {name}" for name in TIFF_LAYOUTS),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_picture_is_turned_upright_wherever_its_file_says_how(tmp_path: Path, patches: Any, layout: str) -> None:
    for number in range(1, 9):
        path = written(tmp_path, layout, number, patches)
        assert read_exif(path).orientation == number
        image = read_srgb(path)
        assert image.shape == patches.shape
        assert np.mean(np.abs(image - patches) < 0.03) > 0.9


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_finds_the_same_orientations(tmp_path: Path, patches: Any) -> None:
    files = {str(written(tmp_path, name, number, patches)): number for name in LAYOUTS for number in range(1, 9)}
    found = subprocess.run(["exiftool", "-n", "-j", "-Orientation", *files], capture_output=True, check=True).stdout
    theirs = {entry["SourceFile"]: entry.get("Orientation") for entry in json.loads(found)}
    assert {path: theirs[path] for path in files if theirs[path] != files[path]} == {}
