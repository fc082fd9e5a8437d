"""`write_linear_dng`: LibRaw and Adobe's SDK read samples, colours and preview back as they were written."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image as PILImage

from ispfit.color import XYZ_TO_SRGB, linear_to_srgb
from ispfit.errors import FileError, InputError
from ispfit.images import Image, Shot
from ispfit.io import read_color_matrix, read_raw, read_srgb, write_linear_dng

D600 = np.array([[0.8178, -0.2245, -0.0609], [-0.4857, 1.2776, 0.2394], [-0.1064, 0.1962, 0.7263]])  # by LibRaw
D65 = XYZ_TO_SRGB @ [0.9505, 1.0, 1.0890]


@pytest.fixture
def colors() -> Image:
    """Linear sRGB: 4 x 6 patches, the first row grey and the first patch white."""
    patches = np.random.default_rng(0).uniform(0.1, 0.7, (4, 6, 3)).astype(np.float32)
    patches[0] = np.linspace(1, 0.05, 6)[:, None]
    return Image(patches.repeat(16, axis=0).repeat(16, axis=1), Shot(make="Nikon", model="D600", iso=400))


def seen_by_camera(colors: Image) -> Image:
    """Return what a white-balanced D600 records of linear sRGB."""
    from_srgb = D600 @ np.linalg.inv(XYZ_TO_SRGB / D65[:, None])
    return Image(colors @ (from_srgb / from_srgb.sum(1, keepdims=True)).T.astype(np.float32))


def develop(path: Path) -> Any:
    """Return linear sRGB by LibRaw at its neutral settings."""
    neutral = {"use_camera_wb": True, "no_auto_bright": True, "adjust_maximum_thr": 0.0, "gamma": (1, 1)}
    with rawpy.imread(str(path)) as raw:
        return raw.postprocess(**neutral, output_bps=16) / 65535


def test_the_raw_comes_back(tmp_path: Path, colors: Image) -> None:
    write_linear_dng(tmp_path / "a.dng", colors)
    raw = read_raw(tmp_path / "a.dng")
    np.testing.assert_allclose(raw, colors, rtol=0, atol=0.51 / 65535)
    assert (raw.shot.camera, raw.shot.iso, raw.shot.white_balance) == ("Nikon D600", 400, (1, 1, 1))


@pytest.mark.parametrize("matrix", [None, D600, 3 * D600], ids=["sRGB", "D600", "scaled"])
def test_libraw_develops_the_colours_of_the_matrix(tmp_path: Path, colors: Image, matrix: Any) -> None:
    raw = colors if matrix is None else seen_by_camera(colors)
    write_linear_dng(tmp_path / "a.dng", raw, color_matrix=matrix)
    np.testing.assert_allclose(develop(tmp_path / "a.dng"), colors, atol=2e-3)


def test_adobes_sdk_reads_the_file(tmp_path: Path, colors: Image) -> None:
    dngpy = pytest.importorskip("dngpy")
    write_linear_dng(tmp_path / "a.dng", colors, color_matrix=D600, baseline_exposure=-0.5)
    dng = dngpy.Dng(str(tmp_path / "a.dng"))
    np.testing.assert_array_equal(dng.raw_pixels, np.round(np.asarray(colors) * 65535))
    assert dng.get_white_balance() == [1, 1, 1]
    assert dng.get_baseline_exposure() == -0.5
    assert (dng.metadata.make, dng.metadata.model, dng.metadata.iso) == ("Nikon", "D600", 400)


def test_white_of_the_matrix_is_the_neutral_of_the_file(tmp_path: Path, colors: Image) -> None:
    write_linear_dng(tmp_path / "a.dng", colors, color_matrix=D600)
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        page = file.pages[0]
        tags = {tag.name: tag.value for tag in page.tags}  # type: ignore[union-attr]
        codes = [tag.code for tag in page.tags]  # type: ignore[union-attr]
    numbers = np.array(tags["ColorMatrix1"]).reshape(9, 2)
    white = (numbers[:, 0] / numbers[:, 1]).reshape(3, 3) @ [0.9505, 1.0, 1.0890]
    np.testing.assert_allclose(white, 1, atol=1e-5)
    assert tags["AsShotNeutral"] == (1, 1) * 3
    assert (tags["CalibrationIlluminant1"], tags["PhotometricInterpretation"], tags["NewSubfileType"]) == (21, 34892, 0)
    assert tags["BitsPerSample"] == (16, 16, 16)
    assert tags["UniqueCameraModel"] == "Nikon D600 (ispfit)"
    assert codes == sorted(codes)


def test_the_matrix_comes_back_from_the_tags(tmp_path: Path, colors: Image) -> None:
    write_linear_dng(tmp_path / "a.dng", colors, color_matrix=D600)
    balanced = D600 / (D600 @ [0.9505, 1.0, 1.0890])[:, None]
    np.testing.assert_allclose(read_color_matrix(tmp_path / "a.dng"), balanced, atol=1e-5)


def test_the_preview_is_developed_with_the_matrix_or_given(tmp_path: Path, colors: Image) -> None:
    write_linear_dng(tmp_path / "a.dng", seen_by_camera(colors), color_matrix=D600)
    np.testing.assert_allclose(
        read_srgb(tmp_path / "a.dng")[8::16, 8::16], linear_to_srgb(colors)[8::16, 8::16], atol=0.02
    )
    large = np.full((1500, 2250, 3), 0.25, np.float32)
    write_linear_dng(tmp_path / "b.dng", colors, preview=large)
    preview = read_srgb(tmp_path / "b.dng")
    assert preview.shape == (683, 1024, 3)
    np.testing.assert_allclose(preview, 0.25, atol=0.01)


def test_metadata_of_the_jpeg_is_carried_over(tmp_path: Path, colors: Image) -> None:
    exif = PILImage.Exif()
    exif.update({0x0110: "D600", 0x013B: "Zoe"})
    exif.get_ifd(0x8769).update({0xA434: "35mm F2", 0x9003: "2024:05:06 07:08:09"})
    exif.get_ifd(0x8825).update({1: "N"})
    PILImage.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    write_linear_dng(tmp_path / "a.dng", colors, metadata_of=tmp_path / "a.jpg")
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        assert (tags["Artist"].value, tags["ExifTag"].value["LensModel"]) == ("Zoe", "35mm F2")
        assert tags["GPSTag"].value["GPSLatitudeRef"] == "N"
    np.testing.assert_allclose(read_raw(tmp_path / "a.dng"), colors, rtol=0, atol=0.51 / 65535)


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    peaks = []
    for height in (6000, 12000):
        tall = np.full((height, 1000, 3), 0.5, np.float32)
        tracemalloc.start()
        write_linear_dng(tmp_path / "a.dng", tall)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.tif", {}, r"path: expected a name that ends in \.dng, got 'a\.tif'"),
        ("a.dng", {"color_matrix": np.eye(4)}, "color_matrix: expected an invertible 3 x 3 matrix"),
        ("a.dng", {"color_matrix": np.ones((3, 3))}, "color_matrix: expected an invertible 3 x 3 matrix"),
        ("a.dng", {"color_matrix": -D600}, "white D65 into positive values"),
        ("a.dng", {"baseline_exposure": float("nan")}, "baseline_exposure: expected -20 to 20 EV, got nan"),
        ("a.dng", {"preview": np.zeros((4, 4), np.float32)}, r"preview: expected an image of shape \(H, W, 3\)"),
    ],
)
def test_wrong_use_is_told_and_writes_nothing(
    tmp_path: Path, colors: Image, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_linear_dng(tmp_path / name, colors, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_matrix_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no raw")
    with pytest.raises(FileError, match="LibRaw cannot read it"):
        read_color_matrix(tmp_path / "a.jpg")
