"""`write_dng`: LibRaw and exifread read back what was written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import exifread
import numpy as np
import pytest
import rawpy
from PIL import Image as PILImage

from ispfit.errors import FileError, InputError
from ispfit.io.dng import CFA_PATTERNS, XTRANS, make_mosaic, write_dng


@pytest.fixture
def mosaic() -> Any:
    return np.random.default_rng(0).integers(512, 16384, (40, 60), np.uint16)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_a_mosaic_has_at_each_place_the_colour_of_its_filter(cfa: str) -> None:
    rgb = np.random.default_rng(0).random((6, 8, 3), np.float32)
    mosaic = make_mosaic(rgb, cfa)
    for row in range(6):
        for column in range(8):
            color = "RGB".index(cfa[row % 2 * 2 + column % 2])
            assert mosaic[row, column] == rgb[row, column, color]


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_libraw_reads_samples_pattern_and_levels(tmp_path: Path, mosaic: Any, cfa: str) -> None:
    write_dng(tmp_path / "a.dng", mosaic, cfa=cfa, black_level=(500, 501, 502, 503), white_level=16000)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        np.testing.assert_array_equal(raw.raw_image, mosaic)
        names = raw.color_desc.decode()
        assert "".join(names[index] for index in raw.raw_pattern.ravel()) == cfa
        blacks = [raw.black_level_per_channel[index] for index in raw.raw_pattern.ravel()]
        assert (blacks, raw.white_level) == ([500, 501, 502, 503], 16000)


@pytest.mark.parametrize(("orientation", "flip"), [(1, 0), (3, 3), (6, 6), (8, 5), (2, 1)])
def test_libraw_reads_orientation_and_boxes(tmp_path: Path, mosaic: Any, orientation: int, flip: int) -> None:
    boxes = {"active_area": (4, 2, 52, 36), "crop": (6, 8, 40, 20)}
    write_dng(tmp_path / "a.dng", mosaic, orientation=orientation, **boxes)  # type: ignore[arg-type]
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        sizes = raw.sizes
    assert sizes.flip == flip
    assert (sizes.left_margin, sizes.top_margin, sizes.width, sizes.height) == (4, 2, 52, 36)
    crop = (sizes.crop_left_margin, sizes.crop_top_margin, sizes.crop_width, sizes.crop_height)
    assert crop == (4 + 6, 2 + 8, 40, 20)


def test_libraw_reads_the_colours(tmp_path: Path, mosaic: Any) -> None:
    matrix = np.array([[0.8, -0.2, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.6]])
    write_dng(tmp_path / "a.dng", mosaic, as_shot_neutral=(0.5, 1.0, 0.625), color_matrix=matrix)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert raw.camera_whitebalance[:3] == pytest.approx([2.0, 1.0, 1.6])
        to_srgb = raw.color_matrix[:, :3]
    from_srgb = matrix @ [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9502]]
    balanced = from_srgb / from_srgb.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(to_srgb @ balanced, np.eye(3), atol=1e-3)


def test_exifread_reads_the_shot(tmp_path: Path, mosaic: Any) -> None:
    write_dng(tmp_path / "a.dng", mosaic, make="Nikon", model="D600", iso=640, exposure_time=1 / 320)
    with (tmp_path / "a.dng").open("rb") as file:
        tags = exifread.process_file(file)
    found = {name: str(tags[name]) for name in ("Image Make", "Image Model", "EXIF ISOSpeedRatings")}
    assert found == {"Image Make": "Nikon", "Image Model": "D600", "EXIF ISOSpeedRatings": "640"}
    assert str(tags["EXIF ExposureTime"]) == "1/320"


def test_libraw_finds_the_preview(tmp_path: Path, mosaic: Any) -> None:
    data = io.BytesIO()
    PILImage.fromarray(np.full((30, 45, 3), 99, np.uint8)).save(data, "JPEG")
    write_dng(tmp_path / "a.dng", mosaic, preview_jpeg=data.getvalue())
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        preview = raw.extract_thumb()
        np.testing.assert_array_equal(raw.raw_image, mosaic)
    with PILImage.open(io.BytesIO(preview.data)) as picture:
        assert picture.size == (45, 30)
        assert np.unique(np.asarray(picture)).tolist() == [99]


def test_the_same_mosaic_makes_the_same_file(tmp_path: Path, mosaic: Any) -> None:
    for name in ("a.dng", "b.dng"):
        write_dng(tmp_path / name, mosaic)
    assert (tmp_path / "a.dng").read_bytes() == (tmp_path / "b.dng").read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cfa": "RGBG"}, "cfa: expected one of RGGB, BGGR, GRBG, GBRG, got 'RGBG'"),
        ({"orientation": 9}, "orientation: expected an integer from 1 to 8, got 9"),
        ({"crop": (0, 0, 61, 40)}, r"crop: expected .* inside 60 x 40 pixels, got \(0, 0, 61, 40\)"),
        ({"active_area": (-1, 0, 6, 6)}, r"active_area: expected .* inside 60 x 40 pixels, got \(-1, 0, 6, 6\)"),
        ({"crop": (0, 0, 30, 30), "active_area": (0, 0, 20, 20)}, "crop: expected .* inside 20 x 20 pixels"),
    ],
)
def test_wrong_parameters_are_named(tmp_path: Path, mosaic: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_dng(tmp_path / "a.dng", mosaic, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["Bayer", "X-Trans", "linear"])
def test_libraw_reads_codes_of_any_bits(tmp_path: Path, bits: int, kind: str) -> None:
    shape = (36, 50, 3) if kind == "linear" else (36, 50)
    codes = np.random.default_rng(0).integers(0, 2**bits, shape, np.uint16)
    cfa = XTRANS if kind == "X-Trans" else "RGGB"
    write_dng(tmp_path / "a.dng", codes, cfa=cfa, bits=bits, black_level=0, white_level=2**bits - 1)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        stored = raw.raw_image[..., :3] if kind == "linear" else raw.raw_image
        np.testing.assert_array_equal(stored, codes)


def test_libraw_applies_the_linearisation_table(tmp_path: Path, mosaic: Any) -> None:
    table = np.arange(256) ** 2 // 4
    write_dng(tmp_path / "a.dng", mosaic // 64, bits=8, linearization=table)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        np.testing.assert_array_equal(raw.raw_image, table[mosaic // 64])


def test_codes_must_fit_their_bits(tmp_path: Path, mosaic: Any) -> None:
    with pytest.raises(InputError, match="bits: expected 8 to 16 and enough for every code, got 12 for codes to 16"):
        write_dng(tmp_path / "a.dng", mosaic, bits=12)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint16)])
def test_a_mosaic_has_one_code_a_pixel(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(InputError, match=r"mosaic: expected a uint16 array of shape \(H, W\) or \(H, W, 3\), got"):
        write_dng(tmp_path / "a.dng", wrong)


def test_a_missing_folder_is_named(tmp_path: Path, mosaic: Any) -> None:
    with pytest.raises(FileError, match=r"a\.dng: cannot be written: there is no folder"):
        write_dng(tmp_path / "nowhere" / "a.dng", mosaic)
