"""EXIF and XMP are found wherever in its container a file has them, and what they say is right."""

from __future__ import annotations

import io
import json
import shutil
import struct
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
    box,
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
from ispfit.io.exif import Exif, read_exif
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


def test_exif_counts_before_xmp_in_any_order(jpeg: Any, patches: Any) -> None:
    segments = app1(exif(6)), app1_xmp(xmp({"tiff:Orientation": "3"}))
    for order in (segments, segments[::-1]):
        assert read_exif(insert(jpeg(patches), *order)).orientation == 6


def facts(**options: Any) -> dict[int, Any]:
    """Tags of EXIF, and then those of its own directory."""
    return {0x9000: b"0232", **options.pop("exif", {})}


ISO = {
    "up to 65535": ({0x8827: 800}, 800),
    "of two values": ({0x8827: numbers(800, 0)}, 800),
    "a LONG": ({0x8827: numbers(204800, kind=4)}, 204800),
    "recommended exposure index": ({0x8827: 65535, 0x8830: 2, 0x8832: numbers(102400, kind=4)}, 102400),
    "standard output sensitivity": ({0x8827: 65535, 0x8830: 1, 0x8831: numbers(204800, kind=4)}, 204800),
    "ISO speed": ({0x8827: 65535, 0x8830: 3, 0x8833: numbers(409600, kind=4)}, 409600),
    "only the recommended exposure index": ({0x8830: 2, 0x8832: numbers(640, kind=4)}, 640),
    "more than the tag holds, and no other": ({0x8827: 65535}, None),
    "zero": ({0x8827: 0}, None),
}


@pytest.mark.parametrize("name", ISO)
def test_iso_speeds_beyond_65535_are_in_another_tag(name: str) -> None:
    tags, iso = ISO[name]
    assert read_exif(tiff({0x8769: facts(exif=tags)})).iso == iso


NOON = 1577966645.0  # 2020-01-02 12:04:05
TIMES = {
    "to the second": ({0x9003: "2020:01:02 12:04:05"}, NOON),
    "with a leading zero": ({0x9003: "2020:01:02 12:04:05", 0x9291: "05"}, NOON + 0.05),
    "with blanks": ({0x9003: "2020:01:02 12:04:05", 0x9291: "5   "}, NOON + 0.5),
    "no part of a second": ({0x9003: "2020:01:02 12:04:05", 0x9291: "   "}, NOON),
    "of an unset clock": ({0x9003: "0000:00:00 00:00:00"}, None),
    "blank": ({0x9003: "    :  :     :  :  "}, None),
}


@pytest.mark.parametrize("name", TIMES)
def test_the_time_of_capture(name: str) -> None:
    tags, taken = TIMES[name]
    assert read_exif(tiff({0x8769: facts(exif=tags)})).taken == taken


def test_the_time_of_the_last_change_stands_for_that_of_capture() -> None:
    assert read_exif(tiff({0x132: "2020:01:02 12:04:05"})).taken == NOON
    assert read_exif(tiff({0x132: "2021:01:02 12:04:05", 0x8769: {0x9003: "2020:01:02 12:04:05"}})).taken == NOON


def test_what_exif_lacks_is_taken_from_xmp(jpeg: Any, patches: Any) -> None:
    properties = {
        "tiff:Make": "Phone &amp; Co",
        "tiff:Model": "X",
        "exif:ExposureTime": "1/250",
        "exif:DateTimeOriginal": "2020-01-02T12:04:05.25+02:00",
        "exif:ISOSpeedRatings": "<rdf:Seq><rdf:li>320</rdf:li><rdf:li>1</rdf:li></rdf:Seq>",
    }
    found = read_exif(insert(jpeg(patches), app1_xmp(xmp(properties, as_elements=True))))
    assert found == Exif("Phone & Co", "X", 320, 0.004, taken=NOON + 0.25)
    both = insert(jpeg(patches), app1_xmp(xmp(properties, as_elements=True)), app1(tiff({0x10F: "Maker"})))
    assert (read_exif(both).make, read_exif(both).model) == ("Maker", "X")


@pytest.mark.parametrize("value", ["1e999999999", "1/0", "-1", "nan", "9" * 10**6, "\u0663"])
def test_a_number_of_xmp_that_is_none_is_none(jpeg: Any, patches: Any, value: str) -> None:
    packet = xmp({"exif:ExposureTime": value})[:60000]
    assert read_exif(insert(jpeg(patches), app1_xmp(packet))).exposure_time is None


def test_entities_of_xmp_are_not_expanded(jpeg: Any, patches: Any) -> None:
    bombs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 9}">' for n in range(1, 9))
    packet = xmp({"tiff:Make": "&e8;", "tiff:Model": "X"}).replace(
        b"<x:xmpmeta", f'<!DOCTYPE x [<!ENTITY e0 "lol">{bombs}]><x:xmpmeta'.encode(), 1
    )
    assert read_exif(insert(jpeg(patches), app1_xmp(packet))) == Exif()


def test_metadata_of_a_raw_file_of_fujifilm_are_those_of_its_jpeg(jpeg: Any, patches: Any) -> None:
    data = insert(jpeg(patches), app1(tiff({0x10F: "FUJIFILM", 0x8769: facts(exif={0x8827: 400})})))
    raf = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">LL", 160, len(data)) + bytes(68) + data
    assert (read_exif(raf).make, read_exif(raf).iso) == ("FUJIFILM", 400)
    assert read_exif(raf[:100]) == Exif()


def test_metadata_of_a_raw_file_of_panasonic_are_those_of_its_jpeg(jpeg: Any, patches: Any) -> None:
    data = insert(jpeg(patches), app1(tiff({0x8769: facts(exif={0x9003: "2020:01:02 12:04:05"})})))
    found = read_exif(tiff({0x10F: "Panasonic", 0x2E: data, 0x8769: {0x829A: (5, [1, 8])}}, magic=b"IIU\0"))
    assert (found.make, found.taken) == ("Panasonic", NOON)


def test_metadata_of_a_cr3_file() -> None:
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    parts = (tiff({0x10F: "Canon", ORIENTATION: 8}), tiff(facts(exif={0x8827: 1600, 0x829A: (5, [1, 50])})))
    boxes = [box(f"CMT{number}".encode(), part) for number, part in enumerate(parts, 1)]
    cr3 = box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", canon, *boxes))
    found = read_exif(cr3)
    assert (found.make, found.orientation, found.iso, found.exposure_time) == ("Canon", 8, 1600, 0.02)


def test_every_cut_and_many_damages_of_a_file_raise_nothing(jpeg: Any, patches: Any) -> None:
    whole = tiff({0x10F: "Maker", ORIENTATION: 6, 0x8769: facts(exif={0x8827: 800, 0xA005: {1: "R03"}})}, ">")
    picture = insert(jpeg(patches[:8, :8]), app1(whole), app1_xmp(xmp({"tiff:Make": "Maker"})))
    rng = np.random.default_rng(0)
    for data in (whole, picture[: len(picture) // 2]):
        for end in range(0, len(data), 3):
            assert isinstance(read_exif(data[:end]), Exif)
        for _ in range(300):
            damaged = bytearray(data)
            for place in rng.integers(0, len(data), 4):
                damaged[place] = int(rng.integers(256))
            assert isinstance(read_exif(bytes(damaged)), Exif)
