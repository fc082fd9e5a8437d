"""`read_style`: each maker's own tag, in notes made by hand; exiftool, where it is installed, reads the same."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from containers import app1, box, directory, insert, maker_exif, note_position, numbers, tiff

from ispfit.io.exif import read_style


def fujifilm(**tags: int) -> bytes:
    entries = {int(name[1:], 16): value for name, value in tags.items()}
    return b"FUJIFILM" + struct.pack("<L", 12) + directory(entries | {0: b"0130"}, 12)


def nikon(tags: dict[int, Any], order: str = ">") -> bytes:
    return b"Nikon\0\2\x10\0\0" + tiff({1: b"0211"} | tags, order)


def picture_control(version: bytes, name: str) -> bytes:
    start = 8 if version.startswith(b"03") else 4
    return (version.ljust(start, b"\0") + name.encode().ljust(20, b"\0") + b"STANDARD".ljust(20, b"\0")).ljust(
        70, b"\0"
    )


def olympus(settings: dict[int, Any], header: bytes = b"OLYMPUS\0II\3\0") -> bytes:
    order = ">" if b"MM" in header else "<"
    return header + directory({0: b"1.02", 0x2020: settings}, len(header), order)


def of_exif_offsets(make: str, header: bytes, tags: dict[int, Any], order: str = "<") -> bytes:
    """EXIF whose maker's notes count offsets from the start of the EXIF."""
    size = len(header) + len(directory(tags, 0, order))
    place = note_position(make, size, order)
    return maker_exif(make, header + directory(tags, place + len(header), order), order)


def canon(style: int, order: str = "<") -> bytes:
    values = [28, *[0] * 9, style, 0, 0, 0]
    return of_exif_offsets("Canon", b"", {1: numbers(2, 0), 0xA0: numbers(*values)}, order)


def sony(style: str, header: bytes = b"SONY DSC \0\0\0") -> bytes:
    return of_exif_offsets("SONY", header, {0x102: numbers(4, kind=4), 0xB020: style})


PANASONIC = b"Panasonic\0\0\0"

# The EXIF, the style that ispfit reads, and what exiftool reads in which of its tags (None: it has no name for it).
CASES: dict[str, tuple[bytes, str | None, str, str | None]] = {
    **{
        f"Fujifilm {code:#x}": (maker_exif("FUJIFILM", fujifilm(t1401=code)), name, "FilmMode", theirs)
        for code, name, theirs in (
            (0x000, "Provia/Standard", "F0/Standard (Provia)"),
            (0x120, "Astia/Soft", "F1b/Studio Portrait Smooth Skin Tone (Astia)"),
            (0x200, "Velvia/Vivid", "F2/Fujichrome (Velvia)"),
            (0x500, "Pro Neg. Std", "Pro Neg. Std"),
            (0x501, "Pro Neg. Hi", "Pro Neg. Hi"),
            (0x600, "Classic Chrome", "Classic Chrome"),
            (0x700, "Eterna/Cinema", "Eterna"),
            (0x800, "Classic Neg.", "Classic Negative"),
            (0x900, "Eterna Bleach Bypass", "Bleach Bypass"),
            (0xA00, "Nostalgic Neg.", "Nostalgic Neg"),
        )
    },
    "Fujifilm, a film without a name": (maker_exif("FUJIFILM", fujifilm(t1401=0xF00)), "film mode 0xf00", "", None),
    **{
        f"Fujifilm, monochrome {code:#x}": (maker_exif("FUJIFILM", fujifilm(t1003=code)), name, "Saturation", theirs)
        for code, name, theirs in (
            (0x300, "Monochrome", "None (B&W)"),
            (0x301, "Monochrome Red Filter", "B&W Red Filter"),
            (0x302, "Monochrome Yellow Filter", "B&W Yellow Filter"),
            (0x303, "Monochrome Green Filter", "B&W Green Filter"),
            (0x310, "Sepia", "B&W Sepia"),
            (0x500, "Acros", "Acros"),
            (0x503, "Acros Green Filter", "Acros Green Filter"),
        )
    },
    "Fujifilm, more colour": (
        maker_exif("FUJIFILM", fujifilm(t1401=0x200, t1003=0x100)),
        "Velvia/Vivid",
        "FilmMode",
        "F2/Fujichrome (Velvia)",
    ),
    "Fujifilm, only an exposure mode": (maker_exif("FUJIFILM", fujifilm(t1031=0x100)), None, "FilmMode", None),
    **{
        f"Nikon {version.decode()} {name}": (
            maker_exif("NIKON CORPORATION", nikon({0x23: picture_control(version, name)}), order),
            name,
            "PictureControlName",
            name.title(),
        )
        for version, name, order in (
            (b"0100", "VIVID", ">"),
            (b"0200", "NEUTRAL", "<"),
            (b"0300", "LANDSCAPE", "<"),
            (b"0310", "FLAT", ">"),
        )
    },
    "Nikon, in another tag": (
        maker_exif("NIKON", nikon({0xBD: picture_control(b"0100", "PORTRAIT")}, "<")),
        "PORTRAIT",
        "PictureControlName",
        "Portrait",
    ),
    "Nikon, older": (
        maker_exif("NIKON CORPORATION", nikon({0xA9: "MORE VIVID      "})),
        "MORE VIVID",
        "ImageOptimization",
        "More Vivid",
    ),
    "Nikon, none": (maker_exif("NIKON CORPORATION", nikon({})), None, "PictureControlName", None),
    **{
        f"Canon {code:#x}, {order}": (canon(code, order), name, "PictureStyle", name)
        for code, name in (
            (0x21, "User Def. 1"),
            (0x81, "Standard"),
            (0x82, "Portrait"),
            (0x83, "Landscape"),
            (0x84, "Neutral"),
            (0x85, "Faithful"),
            (0x86, "Monochrome"),
            (0x87, "Auto"),
            (0x88, "Fine Detail"),
        )
        for order in "<>"
    },
    "Canon, not applicable": (canon(0xFF), None, "PictureStyle", "n/a"),
    **{
        f"Sony {style}": (sony(style), style, "CreativeStyle", theirs)
        for style, theirs in (("Standard", "Standard"), ("Vivid", "Vivid"), ("BW", "B&W"), ("FL", "FL"))
    },
    "Sony, camcorder": (sony("Portrait", b"SONY CAM \0\0\0"), "Portrait", "CreativeStyle", "Portrait"),
    "Sony, without a header": (sony("Landscape", b""), "Landscape", "CreativeStyle", "Landscape"),
    "Sony, none": (sony("None"), None, "CreativeStyle", "None"),
    **{
        f"Olympus {code}": (maker_exif("OLYMPUS CORPORATION", olympus({0x520: numbers(code, 2)})), name, "", None)
        for code, name in ((1, "Vivid"), (3, "Muted"), (256, "Monotone"), (8, "picture mode 0x8"))
    },
    "Olympus": (
        maker_exif("OLYMPUS CORPORATION", olympus({0x520: numbers(2, 2)})),
        "Natural",
        "PictureMode",
        "Natural; 2",
    ),
    "Olympus, big-endian": (
        maker_exif("OLYMPUS CORPORATION", olympus({0x520: numbers(4, 2)}, b"OLYMPUS\0MM\3\0"), ">"),
        "Portrait",
        "PictureMode",
        "Portrait; 2",
    ),
    "OM System": (
        maker_exif("OM Digital Solutions", olympus({0x520: numbers(5, 2)}, b"OM SYSTEM\0\0\0II\4\0")),
        "i-Enhance",
        "PictureMode",
        "i-Enhance; 2",
    ),
    "Olympus, older": (
        of_exif_offsets("OLYMPUS IMAGING CORP.", b"OLYMP\0\1\0", {0x207: "x", 0x2020: {0x520: numbers(1, 2)}}),
        "Vivid",
        "PictureMode",
        "Vivid; 2",
    ),
    "Olympus, an art filter": (
        maker_exif("OLYMPUS CORPORATION", olympus({0x520: numbers(2, 2), 0x529: numbers(2, 0, 0, 0)})),
        "art filter 2",
        "ArtFilter",
        "Pop Art; 0; 0; 0",
    ),
    "Olympus, no art filter": (
        maker_exif("OLYMPUS CORPORATION", olympus({0x520: numbers(1, 2), 0x529: numbers(0, 0, 0, 0)})),
        "Vivid",
        "PictureMode",
        "Vivid; 2",
    ),
    **{
        f"Panasonic {code}": (of_exif_offsets("Panasonic", PANASONIC, {0x89: code}), name, "PhotoStyle", name)
        for code, name in (
            (1, "Standard or Custom"),
            (2, "Vivid"),
            (3, "Natural"),
            (4, "Monochrome"),
            (5, "Scenery"),
            (6, "Portrait"),
            (8, "Cinelike D"),
            (11, "L. Monochrome"),
            (17, "V-Log"),
        )
    },
    "Panasonic, older": (
        of_exif_offsets("Panasonic", PANASONIC, {0x42: 2}),
        "Dynamic",
        "FilmMode",
        "Dynamic (color)",
    ),
    "Panasonic, not applicable": (of_exif_offsets("Panasonic", PANASONIC, {0x42: 0}), None, "FilmMode", "n/a"),
    **{
        f"Pentax {code}": (of_exif_offsets("PENTAX", b"AOC\0II", {0: b"\3\0\0\0", 0x4F: code}), name, "ImageTone", name)
        for code, name in ((0, "Natural"), (1, "Bright"), (4, "Vibrant"), (7, "Reversal Film"), (9, "Radiant"))
    },
    "Pentax, big-endian": (
        of_exif_offsets("PENTAX", b"AOC\0MM", {0: b"\3\0\0\0", 0x4F: 3}, ">"),
        "Landscape",
        "ImageTone",
        "Landscape",
    ),
    "Pentax, newer": (
        maker_exif("RICOH IMAGING COMPANY, LTD.", b"PENTAX \0II" + directory({0: b"\3\0\0\0", 0x4F: 8}, 10)),
        "Bleach Bypass",
        "ImageTone",
        "Bleach Bypass",
    ),
    "Ricoh": (
        maker_exif("RICOH IMAGING COMPANY, LTD.", b"RICOH\0II" + directory({0: b"\3\0\0\0", 0x4F: 262}, 8)),
        "image tone 0x106",
        "",
        None,
    ),
    "another maker": (maker_exif("Phone", b"Phone\0" + directory({0x1401: 0x200, 0x89: 2}, 6)), None, "FilmMode", None),
}


def written(folder: Path, name: str, jpeg: Any, patches: Any) -> Path:
    path = folder / f"{list(CASES).index(name):03d}.jpg"
    path.write_bytes(insert(jpeg(patches), app1(CASES[name][0])))
    return path


@pytest.mark.parametrize("name", CASES)
def test_the_style_is_the_makers(tmp_path: Path, jpeg: Any, patches: Any, name: str) -> None:
    assert read_style(written(tmp_path, name, jpeg, patches)) == CASES[name][1]


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_the_same(tmp_path: Path, jpeg: Any, patches: Any) -> None:
    files = {str(written(tmp_path, name, jpeg, patches)): name for name in CASES}
    tags = sorted({f"-{case[2]}" for case in CASES.values() if case[2]})
    found = subprocess.run(["exiftool", "-j", *tags, *files], capture_output=True, check=True).stdout
    theirs = {files[entry["SourceFile"]]: entry for entry in json.loads(found)}
    expected = {name: theirs_of for name, (_, _, tag, theirs_of) in CASES.items() if tag}
    assert {name: theirs[name].get(CASES[name][2]) for name in expected} == expected


def test_a_tiff_that_is_raw_has_its_notes_too(tmp_path: Path) -> None:
    (tmp_path / "a.nef").write_bytes(CASES["Nikon 0200 NEUTRAL"][0])
    assert read_style(tmp_path / "a.nef") == "NEUTRAL"


def test_a_raw_file_of_fujifilm_has_those_of_its_jpeg(tmp_path: Path, jpeg: Any, patches: Any) -> None:
    data = insert(jpeg(patches), app1(CASES["Fujifilm 0x600"][0]))
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">LL", 160, len(data))
    (tmp_path / "a.raf").write_bytes(head.ljust(160, b"\0") + data)
    assert read_style(tmp_path / "a.raf") == "Classic Chrome"


def test_a_raw_file_of_panasonic_has_those_of_its_jpeg(tmp_path: Path, jpeg: Any, patches: Any) -> None:
    data = insert(jpeg(patches), app1(CASES["Panasonic 5"][0]))
    (tmp_path / "a.rw2").write_bytes(tiff({0x10F: "Panasonic", 0x2E: data}, magic=b"IIU\0"))
    assert read_style(tmp_path / "a.rw2") == "Scenery"


def test_a_cr3_file_has_its_notes_in_a_box(tmp_path: Path) -> None:
    uuid = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    notes = tiff({0xA0: numbers(28, *[0] * 9, 0x84, 0, 0, 0)})
    movie = box(b"moov", box(b"uuid", uuid, box(b"CMT1", tiff({0x10F: "Canon"})), box(b"CMT3", notes)))
    (tmp_path / "a.cr3").write_bytes(box(b"ftyp", b"crx \0\0\0\1crx isom") + movie)
    assert read_style(tmp_path / "a.cr3") == "Neutral"


SETTINGS = {
    "all normal": ({0xA408: 0, 0xA409: 0, 0xA40A: 0}, "standard"),
    "some": ({0xA408: 2, 0xA409: 1}, "contrast hard, saturation low"),
    "soft": ({0xA408: 0, 0xA409: 2, 0xA40A: 1}, "saturation high, sharpness soft"),
    "a value that the standard lacks": ({0xA408: 7}, None),
    "none": ({}, None),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_without_notes_the_settings_of_exif_count(tmp_path: Path, name: str) -> None:
    tags, style = SETTINGS[name]
    (tmp_path / "a.tif").write_bytes(tiff({0x10F: "Phone", 0x8769: {0x9000: b"0232", **tags}}))
    assert read_style(tmp_path / "a.tif") == style


def test_normal_settings_are_no_style_of_a_maker_who_records_one(tmp_path: Path) -> None:
    for value, style in ((0, None), (2, "saturation high")):
        (tmp_path / "a.tif").write_bytes(maker_exif("NIKON", nikon({}), extra={0xA409: value}))
        assert read_style(tmp_path / "a.tif") == style


def test_notes_whose_offsets_a_program_has_broken_are_no_style(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(sony("Landscape").replace(b"Landscape", b"\xff\1\2\3\4\5\6\7\x08"))
    assert read_style(tmp_path / "a.tif") is None
    (tmp_path / "b.tif").write_bytes(canon(0x81).replace(struct.pack("<H", 28), struct.pack("<H", 29), 1))
    assert read_style(tmp_path / "b.tif") is None
