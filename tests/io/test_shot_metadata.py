"""Files that are made of a shot carry its date, place, lens, exposure and author, and nothing that is wrong of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exifread
import numpy as np
import pytest
import tifffile
from containers import box, tiff
from PIL import Image as PILImage
from PIL.TiffImagePlugin import IFDRational

from ispfit.errors import FileError
from ispfit.images import Image, Shot
from ispfit.io import read_raw, read_srgb, write_linear, write_srgb
from ispfit.io.dng import make_mosaic, write_dng
from ispfit.io.exif_writer import make_exif
from ispfit.io.shot_metadata import ShotMetadata, read_shot_metadata

WRITTEN = ("out.jpg", "out.png", "out.tif")
needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")

SHOT = {
    "Make": "Nikon",
    "Model": "D600",
    "Artist": "Zoë",
    "Copyright": "(c) Zoë",
    "ImageDescription": "A lake",
    "DateTimeOriginal": "2024:05:06 07:08:09",
    "OffsetTimeOriginal": "+02:00",
    "SubSecTimeOriginal": "05",
    "ExposureTime": 1 / 125,
    "FNumber": 2.8,
    "FocalLength": 35,
    "ExposureCompensation": -1 / 3,
    "ISO": 200,
    "Flash": 16,
    "LensModel": "35mm F2",
    "SerialNumber": "12345",
    "GPSLatitude": 48.1,
    "GPSLatitudeRef": "N",
    "GPSLongitude": 11.5,
    "GPSLongitudeRef": "W",
    "GPSAltitude": 500,
    "GPSAltitudeRef": 0,
}


@pytest.fixture
def image() -> Image:
    return Image(np.random.default_rng(0).random((20, 30, 3), np.float32), Shot(name="a"))


def ifd(exif: Any, number: int, values: dict[int, Any]) -> None:
    exif.get_ifd(number).update(values)


def exif_of_a_camera(orientation: int = 6) -> Any:
    """EXIF as a camera writes it, by Pillow: with a thumbnail's size, maker notes and an orientation."""
    exif = PILImage.Exif()
    texts = {0x010F: "Nikon", 0x0110: "D600", 0x013B: "Zoe", 0x8298: "(c) Zoe", 0x010E: "A lake", 0x0131: "Firmware 1"}
    exif.update({**texts, 0x0112: orientation, 0x011A: IFDRational(300), 0x011B: IFDRational(300), 0x0128: 2})
    details: dict[int, Any] = {
        0x9003: "2024:05:06 07:08:09",
        0x9011: "+02:00",
        0x9291: "05",
        0xA434: "35mm F2",
        0xA431: "12345",
        0x829A: IFDRational(1, 125),
        0x829D: IFDRational(28, 10),
        0x920A: IFDRational(35),
        0x8827: 200,
        0x9209: 16,
        0x9204: IFDRational(-1, 3),
        0xA432: (IFDRational(35), IFDRational(35), IFDRational(2), IFDRational(2)),
        0x927C: b"MakerNote" * 20,
        0xA001: 65535,
        0xA002: 6000,
        0xA003: 4000,
        0xA214: (3000, 2000),
        0x9101: b"\1\2\3\0",
        0xA217: 2,
        0xA20E: IFDRational(1000),
    }
    ifd(exif, 0x8769, details)
    place: dict[int, Any] = {
        0: b"\2\3\0\0",
        1: "N",
        2: (IFDRational(48), IFDRational(6), IFDRational(0)),
        3: "W",
        4: (IFDRational(11), IFDRational(30), IFDRational(0)),
        5: b"\0",
        6: IFDRational(500),
    }
    ifd(exif, 0x8825, place)
    return exif


@pytest.fixture
def write_source(tmp_path: Path, jpeg: Any, patches: Any) -> Callable[[str], Path]:
    """Write a camera's picture of the name, with the EXIF of `exif_of_a_camera`."""

    def write(name: str) -> Path:
        path = tmp_path / name
        path.with_suffix(".jpg").write_bytes(jpeg(patches, exif=exif_of_a_camera()))
        if path.suffix == ".png":
            PILImage.fromarray(np.round(patches * 255).astype(np.uint8)).save(path, exif=exif_of_a_camera(1))
        elif path.suffix == ".tif":  # Pillow writes no EXIF into a TIFF
            write_linear(path, patches, metadata_of=path.with_suffix(".jpg"))
        return path

    return write


def write(path: Path, image: Image, **options: Any) -> Path:
    (write_linear if path.suffix == ".tif" else write_srgb)(path, image, **options)
    return path


def read_tags(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        tags = exifread.process_file(file, details=False)
    return {name: tag.values if isinstance(tag.values, str) else list(tag.values) for name, tag in tags.items()}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("source", ["in.jpg", "in.png", "in.tif"])
def test_what_a_camera_recorded_is_in_what_is_made_of_it(
    tmp_path: Path, image: Image, write_source: Any, source: str, name: str
) -> None:
    tags = read_tags(write(tmp_path / name, image, metadata_of=write_source(source)))
    texts = {
        "Image Make": "Nikon",
        "Image Model": "D600",
        "Image Artist": "Zoe",
        "Image Copyright": "(c) Zoe",
        "Image ImageDescription": "A lake",
        "EXIF DateTimeOriginal": "2024:05:06 07:08:09",
        "EXIF OffsetTimeOriginal": "+02:00",
        "EXIF SubSecTimeOriginal": "05",
        "EXIF LensModel": "35mm F2",
        "EXIF BodySerialNumber": "12345",
        "GPS GPSLatitudeRef": "N",
        "GPS GPSLongitudeRef": "W",
    }
    assert {key: tags[key] for key in texts} == texts
    numbers = {
        "EXIF ExposureTime": [1 / 125],
        "EXIF FNumber": [2.8],
        "EXIF FocalLength": [35.0],
        "EXIF Flash": [16],
        "EXIF ISOSpeedRatings": [200],
        "EXIF ExposureBiasValue": [-1 / 3],
        "GPS GPSAltitude": [500],
        "GPS GPSLatitude": [48, 6, 0],
        "GPS GPSLongitude": [11, 30, 0],
        "EXIF LensSpecification": [35, 35, 2, 2],
    }
    assert {key: [float(value) for value in tags[key]] for key in numbers} == {
        key: pytest.approx(value) for key, value in numbers.items()
    }


@pytest.mark.parametrize("name", WRITTEN)
def test_what_describes_the_old_file_stays_behind(tmp_path: Path, image: Image, write_source: Any, name: str) -> None:
    path = write(tmp_path / name, image, metadata_of=write_source("in.jpg"))
    tags = read_tags(path)
    assert tags["Image Orientation"] == [1]  # the pixels are upright
    assert tags["Image Software"].startswith("ispfit ")
    assert tags["EXIF ColorSpace"] == [65535 if name == "out.tif" else 1]
    left = {"EXIF MakerNote", "EXIF SubjectLocation", "EXIF SensingMethod", "EXIF FocalPlaneXResolution"}
    assert not left & tags.keys()
    assert not [key for key in tags if key.startswith("Thumbnail")]
    if name == "out.jpg":
        assert (tags["EXIF ExifImageWidth"], tags["EXIF ExifImageLength"]) == ([30], [20])
    turned = read_raw(path) if name == "out.tif" else read_srgb(path)
    assert turned.shape == image.shape


@pytest.mark.parametrize("name", WRITTEN)
def test_without_a_source_the_shot_itself_is_told(tmp_path: Path, image: Image, name: str) -> None:
    known = Image(image, Shot(make="Nikon", model="D600", iso=102400, exposure_time=1 / 250))
    tags = read_tags(write(tmp_path / name, known))
    assert (tags["Image Make"], tags["Image Model"]) == ("Nikon", "D600")
    assert tags["EXIF ISOSpeedRatings"] == [65535]  # the most that the tag holds
    assert (tags["EXIF SensitivityType"], tags["EXIF RecommendedExposureIndex"]) == ([2], [102400])
    assert float(tags["EXIF ExposureTime"][0]) == pytest.approx(1 / 250)
    assert bytes(tags["EXIF ExifVersion"]) == b"0232"


def test_a_dng_is_a_source_too(tmp_path: Path, image: Image, patches: Any) -> None:
    mosaic = np.round(make_mosaic(patches, "RGGB") * 15000).astype(np.uint16)
    write_dng(tmp_path / "in.dng", mosaic, black_level=0, make="Zenit", model="E", iso=102400, exposure_time=1 / 30)
    tags = read_tags(write(tmp_path / "out.jpg", image, metadata_of=tmp_path / "in.dng"))
    assert (tags["Image Make"], tags["Image Model"]) == ("Zenit", "E")
    assert (tags["EXIF ISOSpeedRatings"], tags["EXIF RecommendedExposureIndex"]) == ([65535], [102400])
    assert float(tags["EXIF ExposureTime"][0]) == pytest.approx(1 / 30)


def test_what_the_exif_of_a_raw_file_lacks_is_in_its_preview(
    tmp_path: Path, image: Image, jpeg: Any, patches: Any
) -> None:
    mosaic = np.round(make_mosaic(patches, "RGGB") * 15000).astype(np.uint16)
    preview = jpeg(patches, exif=exif_of_a_camera())
    write_dng(tmp_path / "in.dng", mosaic, black_level=0, make="Zenit", model="E", preview_jpeg=preview)
    tags = read_tags(write(tmp_path / "out.jpg", image, metadata_of=tmp_path / "in.dng"))
    assert tags["Image Make"] == "Zenit"  # the RAW file itself counts first
    assert float(tags["EXIF FNumber"][0]) == 2.8  # and LibRaw, which does not know it, last
    assert (tags["EXIF LensModel"], tags["EXIF DateTimeOriginal"]) == ("35mm F2", "2024:05:06 07:08:09")


def test_libraw_tells_the_date_and_the_lens_of_a_file_without_exif(
    tmp_path: Path, image: Image, shared_data: Path
) -> None:
    source = shared_data / "raw-files" / "light.crw"
    tags = read_tags(write(tmp_path / "out.jpg", image, metadata_of=source))
    assert tags["EXIF DateTimeOriginal"] == "2008:06:05 12:52:26"
    found = [float(tags[f"EXIF {name}"][0]) for name in ("FNumber", "FocalLength", "ExposureTime")]
    assert found == pytest.approx([2.0, 7.0, 1 / 60], rel=1e-3)


@pytest.mark.parametrize("damage", [b"", b"II*\0\xff\xff\xff\xff", b"\xff\xd8\xff\xe1\0\x10Exif\0\0MM\0*\0\0\0\x08"])
def test_a_source_without_readable_metadata_adds_none(tmp_path: Path, image: Image, damage: bytes) -> None:
    (tmp_path / "in.jpg").write_bytes(damage + b"x" * 50)
    assert read_shot_metadata(tmp_path / "in.jpg") == ShotMetadata()
    assert read_tags(write(tmp_path / "out.jpg", image, metadata_of=tmp_path / "in.jpg"))["Image Orientation"] == [1]


def test_a_source_that_is_not_there_is_told_and_nothing_is_written(tmp_path: Path, image: Image) -> None:
    for name in WRITTEN:
        with pytest.raises(FileError, match=r"none\.jpg: cannot be read: No such file"):
            write(tmp_path / name, image, metadata_of=tmp_path / "none.jpg")
    assert list(tmp_path.iterdir()) == []


def test_values_of_a_wrong_type_or_length_are_left_out(tmp_path: Path, image: Image, jpeg: Any, patches: Any) -> None:
    exif = PILImage.Exif()
    exif[0x010F] = "Nikon"
    ifd(exif, 0x8769, {0x829A: "fast", 0x9003: 7, 0xA432: (IFDRational(35),), 0x8827: 70000, 0x8832: 300})
    (tmp_path / "in.jpg").write_bytes(jpeg(patches, exif=exif))
    tags = read_tags(write(tmp_path / "out.jpg", image, metadata_of=tmp_path / "in.jpg"))
    assert not {"EXIF ExposureTime", "EXIF DateTimeOriginal", "EXIF LensSpecification"} & tags.keys()
    assert "EXIF ISOSpeedRatings" not in tags
    assert tags["EXIF RecommendedExposureIndex"] == [300]


def test_more_metadata_than_a_jpeg_holds_is_cut_to_the_short_values(tmp_path: Path, image: Image) -> None:
    long, exif = "x" * 4000, exif_of_a_camera()
    exif.update(dict.fromkeys((0x010E, 0x013C), long))
    names = (0x9010, 0x9012, 0x9290, 0x9292, 0xA420, 0xA430, 0xA433, 0xA435, 0x9004)
    ifd(exif, 0x8769, dict.fromkeys(names, long))
    ifd(exif, 0x8825, dict.fromkeys((8, 9, 10, 12, 14, 16), long))
    PILImage.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in.png", exif=exif)
    tags = read_tags(write(tmp_path / "out.jpg", image, metadata_of=tmp_path / "in.png"))
    assert tags["EXIF LensModel"] == "35mm F2"
    assert "EXIF ImageUniqueID" not in tags


def test_metadata_of_raw_files_of_other_layouts_and_byte_orders(tmp_path: Path, image: Image) -> None:
    """TIFF/EP keeps EXIF beside the image's own tags, DNG has names of its own, CR3 has a directory in each box."""
    latitude = (5, [48, 1, 6, 1, 0, 1])
    dng = {0x10F: "Maker", 0x829A: (5, [1, 60]), 0xC62F: "98765", 0xC630: (5, [24, 1, 70, 1, 28, 10, 4, 1])}
    (tmp_path / "in.tif").write_bytes(tiff(dng | {0x9003: "2020:01:02 03:04:05", 0x8825: {1: "S", 2: latitude}}, ">"))
    tags = read_tags(write(tmp_path / "out.jpg", image, metadata_of=tmp_path / "in.tif"))
    assert (tags["EXIF BodySerialNumber"], tags["EXIF DateTimeOriginal"]) == ("98765", "2020:01:02 03:04:05")
    assert [float(value) for value in tags["EXIF LensSpecification"]] == [24, 70, 2.8, 4]
    assert (tags["GPS GPSLatitudeRef"], tags["GPS GPSLatitude"]) == ("S", [48, 6, 0])
    parts = [tiff({0x10F: "Canon"}), tiff({0x829D: (5, [4, 1])}, ">"), tiff({0: 0}), tiff({1: "N", 2: latitude}, ">")]
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    boxes = [box(f"CMT{number}".encode(), part) for number, part in enumerate(parts, 1)]
    (tmp_path / "in.cr3").write_bytes(box(b"ftyp", b"crx \0\0\0\1crx ") + box(b"moov", box(b"uuid", canon, *boxes)))
    tags = read_tags(write(tmp_path / "out.jpg", image, metadata_of=tmp_path / "in.cr3"))
    assert (tags["Image Make"], tags["EXIF FNumber"]) == ("Canon", [4])
    assert (tags["GPS GPSLatitudeRef"], tags["GPS GPSLatitude"]) == ("N", [48, 6, 0])


def test_no_damage_of_the_source_stops_the_writing(tmp_path: Path, image: Image, jpeg: Any, patches: Any) -> None:
    whole = jpeg(patches[:8, :8], exif=exif_of_a_camera())
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in rng.integers(2, 1500, 6):
            damaged[place] = int(rng.integers(256))
        (tmp_path / "in.jpg").write_bytes(damaged)
        found = read_shot_metadata(tmp_path / "in.jpg")
        make_exif(image.shot, metadata=found)
    write(tmp_path / "out.tif", image, metadata_of=tmp_path / "in.jpg")
    assert read_raw(tmp_path / "out.tif").shape == image.shape


# exiftool, which knows what is allowed where.


def exiftool(*arguments: str) -> str:
    return subprocess.run(["exiftool", *arguments], capture_output=True, text=True, check=True).stdout


# What it says of TIFF files besides: deflate is no compression of baseline TIFF; it wants this GPS tag in TIFF alone.
KNOWN = {"Invalid value for IFD0 tag 0x0103 Compression", "Missing required TIFF GPS tag 0x001b GPSProcessingMethod"}


def complaints(path: Path) -> set[str]:
    found = exiftool("-validate", "-warning", "-error", "-a", "-s3", str(path)).splitlines()
    return {line for line in found[1:] if line} - (KNOWN if path.suffix == ".tif" else set())


@needs_exiftool
@pytest.mark.parametrize("name", WRITTEN)
def test_exiftool_reads_the_same_and_finds_nothing_wrong(
    tmp_path: Path, image: Image, jpeg: Any, patches: Any, name: str
) -> None:
    source = tmp_path / "in.jpg"
    source.write_bytes(jpeg(patches))
    exiftool("-q", "-overwrite_original", "-n", *(f"-EXIF:{key}={value}" for key, value in SHOT.items()), str(source))
    path = write(tmp_path / name, image, metadata_of=source)
    assert complaints(path) == set()
    groups = ("-EXIF:all", "-n", "-json")
    before, after = (json.loads(exiftool(*groups, str(file)))[0] for file in (source, path))
    assert {key: after[key] for key in SHOT} == {key: before[key] for key in SHOT}


@needs_exiftool
@pytest.mark.parametrize("name", WRITTEN)
def test_exiftool_finds_nothing_wrong_without_a_source(tmp_path: Path, image: Image, name: str) -> None:
    known = Image(image, Shot(make="Nikon", model="D600", iso=102400, exposure_time=1 / 250))
    assert complaints(write(tmp_path / name, known)) == set()


@needs_exiftool
@pytest.mark.parametrize("iso", [100, 102400])
@pytest.mark.parametrize("linear", [False, True])
def test_exiftool_finds_nothing_wrong_with_a_dng(
    tmp_path: Path, jpeg: Any, patches: Any, iso: int, linear: bool
) -> None:
    samples = np.full((20, 30, 3) if linear else (20, 30), 5000, np.uint16)
    write_dng(tmp_path / "a.dng", samples, iso=iso, preview_jpeg=jpeg(patches), crop=(2, 2, 20, 10))
    assert complaints(tmp_path / "a.dng") == set()


def test_the_directory_of_a_tiff_is_in_order_and_its_pixels_are_where_they_were(tmp_path: Path, image: Image) -> None:
    write(tmp_path / "a.tif", Image(image, Shot(make="Nikon", model="D600")))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        [page] = file.pages
        codes = [tag.code for tag in page.tags]  # type: ignore[union-attr]
        assert codes == sorted(set(codes))
        np.testing.assert_allclose(page.asarray() / 65535, image, atol=1e-5)
