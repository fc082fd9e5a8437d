"""What EXIF and XMP say of a shot, in pictures and in RAW files, is read right, whatever its form."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from containers import (
    app1,
    app1_xmp,
    box,
    insert,
    numbers,
    tiff,
    xmp,
)

from ispfit.io.exif import Exif, read_exif

ORIENTATION = 0x112


def test_exif_counts_before_xmp_in_any_order(jpeg: Any, patches: Any) -> None:
    segments = app1(tiff({ORIENTATION: 6})), app1_xmp(xmp({"tiff:Orientation": "3"}))
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
