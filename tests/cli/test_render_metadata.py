"""What `ispfit render` and `ispfit derender` write carries the metadata of the shot it is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import exifread
import numpy as np
import pytest
from PIL import Image as PILImage
from PIL.TiffImagePlugin import IFDRational

import ispfit
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.io import read_color_matrix, read_raw, read_srgb
from ispfit.io.dng import write_dng

UPRIGHT_BY, SIZE = 6, (40, 60)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "camera.ispfit"
    X, Y = make_camera_pairs(2, image_size=32, random_state=0)
    ispfit.ISPModel("curve", random_state=0).fit(X, Y).save(path)
    return path


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    exif = PILImage.Exif()
    exif.update({0x010F: "Nikon", 0x0110: "D600", 0x0112: UPRIGHT_BY, 0x013B: "Zoe"})
    details = {0x9003: "2024:05:06 07:08:09", 0xA434: "35mm F2", 0x829D: IFDRational(28, 10), 0x927C: b"notes"}
    exif.get_ifd(0x8769).update(details)
    exif.get_ifd(0x8825).update({1: "N", 2: (IFDRational(48), IFDRational(6), IFDRational(0))})
    picture = PILImage.fromarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8))
    picture.save(tmp_path / "shot.jpg", exif=exif, quality=95)
    return tmp_path / "shot.jpg"


def run(*arguments: str | Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 0


def read_tags(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {name: str(tag) for name, tag in exifread.process_file(file, details=False).items()}


def assert_is_the_shot(path: Path) -> None:
    tags = read_tags(path)
    assert (tags["Image Make"], tags["Image Model"], tags["Image Artist"]) == ("Nikon", "D600", "Zoe")
    assert (tags["EXIF DateTimeOriginal"], tags["EXIF LensModel"]) == ("2024:05:06 07:08:09", "35mm F2")
    assert (tags["EXIF FNumber"], tags["GPS GPSLatitude"]) == ("14/5", "[48, 6, 0]")
    assert tags["Image Orientation"] == "Horizontal (normal)"
    assert "EXIF MakerNote" not in tags


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_derender_keeps_date_place_and_lens(model: Path, jpeg: Path, tmp_path: Path, dtype: str) -> None:
    run("derender", model, jpeg, "-o", tmp_path / "out", "--dtype", dtype, "--jobs", "1")
    assert_is_the_shot(tmp_path / "out" / "shot.tif")
    assert read_raw(tmp_path / "out" / "shot.tif").shape == (*SIZE[::-1], 3)


def test_derender_writes_dng_files_with_the_jpeg_as_their_preview(model: Path, jpeg: Path, tmp_path: Path) -> None:
    run("derender", model, jpeg, "-o", tmp_path / "out", "--format", "dng", "--jobs", "1")
    run("derender", model, jpeg, "-o", tmp_path / "out", "--jobs", "1")
    assert_is_the_shot(tmp_path / "out" / "shot.dng")
    raw = read_raw(tmp_path / "out" / "shot.dng")
    np.testing.assert_allclose(raw, read_raw(tmp_path / "out" / "shot.tif"), rtol=0, atol=1.1 / 65535)
    assert np.abs(read_srgb(tmp_path / "out" / "shot.dng") - read_srgb(jpeg)).mean() < 0.1  # noise, compressed again


def test_derender_takes_the_matrix_of_a_raw_file(model: Path, jpeg: Path, tmp_path: Path) -> None:
    matrix = np.array([[0.8, -0.2, -0.1], [-0.4, 1.2, 0.2], [-0.1, 0.2, 0.7]])
    write_dng(tmp_path / "camera.dng", np.full(SIZE, 9000, np.uint16), color_matrix=matrix)
    options = "--format", "dng", "--matrix-of", tmp_path / "camera.dng", "--jobs", "1"
    run("derender", model, jpeg, "-o", tmp_path / "out", *options)
    written = read_color_matrix(tmp_path / "out" / "shot.dng")
    np.testing.assert_allclose(written, matrix / (matrix @ [0.9505, 1.0, 1.0890])[:, None], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "dng", "--dtype", "float32"], "--dtype float32: a DNG file has 16 bits"),
        (["--matrix-of", "a.dng"], "--matrix-of is for DNG files; add --format dng"),
    ],
)
def test_options_of_dng_files_are_checked(
    model: Path, jpeg: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["derender", str(model), str(jpeg), "-o", "out", *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_render_keeps_date_place_and_lens(model: Path, jpeg: Path, tmp_path: Path, suffix: str) -> None:
    preview = jpeg.read_bytes()
    mosaic = np.random.default_rng(0).integers(512, 16000, SIZE).astype(np.uint16)
    write_dng(tmp_path / "shot.dng", mosaic, make="Nikon", model="D600", orientation=UPRIGHT_BY, preview_jpeg=preview)
    run("render", model, tmp_path / "shot.dng", "-o", tmp_path / "out", "--format", suffix, "--jobs", "1")
    assert_is_the_shot(tmp_path / "out" / f"shot.{suffix}")
    assert read_srgb(tmp_path / "out" / f"shot.{suffix}").shape == (*SIZE[::-1], 3)


def test_a_shot_that_was_derendered_and_rendered_again_is_still_itself(model: Path, jpeg: Path, tmp_path: Path) -> None:
    run("derender", model, jpeg, "-o", tmp_path / "raw", "--jobs", "1")
    run("render", model, tmp_path / "raw", "-o", tmp_path / "srgb", "--jobs", "1")
    assert_is_the_shot(tmp_path / "srgb" / "shot.jpg")
