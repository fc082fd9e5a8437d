"""Files are read back as they were written, and no half-written file remains."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from ispfit.errors import FileError, InputError
from ispfit.images import Image, Shot
from ispfit.io import read_raw, read_srgb, write_linear, write_srgb


@pytest.fixture
def image() -> Image:
    pixels = np.random.default_rng(0).random((20, 30, 3), np.float32)
    shot = Shot(name="a", make="Nikon", model="D600", iso=400, exposure_time=1 / 250)
    return Image(pixels, shot)


@pytest.mark.parametrize("suffix", [".tif", ".TIFF"])
@pytest.mark.parametrize(("dtype", "error"), [("uint16", 0.51 / 65535), ("float32", 0)])
def test_linear_images_come_back(tmp_path: Path, image: Image, dtype: Any, error: float, suffix: str) -> None:
    write_linear(tmp_path / f"a{suffix}", image, dtype=dtype)
    raw = read_raw(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(raw, image, rtol=0, atol=error)
    assert (raw.shot.camera, raw.shot.iso, raw.shot.exposure_time) == ("Nikon D600", 400, 1 / 250)


def test_names_that_are_not_ascii_do_no_harm(tmp_path: Path, image: Image) -> None:
    foreign = Image(image, Shot(make="Зенит", model="Ω 7"))
    write_linear(tmp_path / "a.tif", foreign)
    write_srgb(tmp_path / "a.jpg", foreign)
    assert read_raw(tmp_path / "a.tif").shot.model == read_srgb(tmp_path / "a.jpg").shot.model == "? 7"


def test_floats_may_lie_above_one(tmp_path: Path, image: Image) -> None:
    write_linear(tmp_path / "a.tif", image * 3, dtype="float32")
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif", highlights="keep"), image * 3)
    with pytest.raises(InputError, match=r"image: expected values in \[0, 1\]"):
        write_linear(tmp_path / "a.tif", image * 3)


def test_linear_files_are_compressed(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None] * np.ones((256, 1, 3), np.float32)
    write_linear(tmp_path / "a.tif", ramp)
    assert (tmp_path / "a.tif").stat().st_size < 256 * 256 * 6 / 4


def test_png_is_exact_to_its_codes(tmp_path: Path, image: Image) -> None:
    write_srgb(tmp_path / "a.png", image)
    np.testing.assert_allclose(read_srgb(tmp_path / "a.png"), image, atol=0.51 / 255)


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
def test_jpeg_is_close_and_keeps_its_colours(tmp_path: Path, name: str) -> None:
    smooth = np.linspace(0, 1, 64, dtype=np.float32)[None, :, None] * np.array([1, 0.5, 0.2], np.float32)
    smooth = np.repeat(smooth, 64, axis=0)
    write_srgb(tmp_path / name, smooth, quality=98)
    np.testing.assert_allclose(read_srgb(tmp_path / name), smooth, atol=0.02)
    with PILImage.open(tmp_path / name) as file:
        assert file.layer[0][1:3] == file.layer[1][1:3] == (1, 1)  # type: ignore[attr-defined]  # 4:4:4


def test_an_srgb_tiff_has_16_bits_and_is_no_raw(tmp_path: Path, image: Image) -> None:
    write_srgb(tmp_path / "a.tif", image)
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), image, rtol=0, atol=0.51 / 65535)
    with pytest.raises(FileError, match=r"a\.tif: expected linear light, but its colour profile 'sRGB built-in' says"):
        read_raw(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_srgb_files_carry_the_shot_and_say_that_they_are_srgb(tmp_path: Path, image: Image, name: str) -> None:
    write_srgb(tmp_path / name, image)
    shot = read_srgb(tmp_path / name).shot
    assert (shot.make, shot.model, shot.iso, shot.exposure_time) == ("Nikon", "D600", 400, 0.004)
    with PILImage.open(tmp_path / name) as file:
        assert file.getexif().get_ifd(0x8769)[0xA001] == 1


def test_the_same_image_makes_the_same_file(tmp_path: Path, image: Image) -> None:
    for name in ("a.tif", "b.tif"):
        write_linear(tmp_path / name, image)
    for name in ("a.jpg", "b.jpg", "a.png", "b.png", "a.tiff", "b.tiff"):
        write_srgb(tmp_path / name, image)
    for suffix in (".tif", ".jpg", ".png", ".tiff"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda path, image: write_srgb(path / "a.gif", image),
            r"path: .* ends in \.jpeg or \.jpg or \.png or \.tif or \.tiff, got 'a.gif'",
        ),
        (lambda path, image: write_linear(path / "a.png", image), r"path: .* ends in \.tif or \.tiff, got 'a.png'"),
        (lambda path, image: write_srgb(path / "a.jpg", image, quality=0), "quality: expected .* 1 to 100, got 0"),
        (
            lambda path, image: write_linear(path / "a.tif", image, dtype="int8"),
            "dtype: expected 'uint16' or 'float32'",
        ),
        (
            lambda path, image: write_srgb(path / "a.jpg", image[..., 0]),
            r"image: expected .* \(H, W, 3\), got \(20, 30\)",
        ),
        (lambda path, image: write_srgb(path / "a.jpg", image * np.nan), "image: contains NaN"),
        (lambda path, image: write_linear(path / "a.tif", image * np.nan, dtype="float32"), "image: contains NaN"),
    ],
)
def test_wrong_use_is_told_and_writes_nothing(tmp_path: Path, image: Image, call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(tmp_path, image)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tif", "a.jpg", "a.png"])
def test_a_missing_folder_is_named(tmp_path: Path, image: Image, name: str) -> None:
    write = write_linear if name == "a.tif" else write_srgb
    with pytest.raises(FileError, match=rf"nowhere/{name}: cannot be written: there is no folder .*nowhere\."):
        write(tmp_path / "nowhere" / name, image)


@pytest.mark.parametrize("name", ["a.tif", "a.jpg", "a.png"])
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, image: Image, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write = write_linear if name == "a.tif" else write_srgb
    (tmp_path / name).write_text("old")
    monkeypatch.setattr("os.fsync", fill_up)  # a file system with delayed allocation reports a full disk here
    with pytest.raises(FileError, match=rf"{name}: cannot be written: No space left on device\."):
        write(tmp_path / name, image)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "old")]


@pytest.mark.parametrize("name", ["a.tif", "a.jpg", "a.png"])
def test_a_write_that_stops_half_way_leaves_nothing(tmp_path: Path, name: str) -> None:
    resource, signal = pytest.importorskip("resource"), pytest.importorskip("signal")
    noise = np.random.default_rng(0).random((200, 200, 3), np.float32)
    write = write_linear if name == "a.tif" else write_srgb
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
        with pytest.raises(FileError, match=rf"{name}: cannot be written: .*\."):
            write(tmp_path / name, noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []
