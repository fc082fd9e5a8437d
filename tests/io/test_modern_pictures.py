"""HEIC, AVIF and JPEG XL pictures are read like others where their packages are, and named where they are not."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from color_files import P3, SRGB, in_space, some_light, srgb_curve
from PIL import Image as PILImage

from ispfit.errors import FileError, InputWarning
from ispfit.io import SRGB_SUFFIXES, modern_pictures, read_srgb
from ispfit.io.exif import read_exif
from ispfit.io.orientation import FLIP_OF_ORIENTATION, as_stored
from ispfit.pairs import read_pair
from ispfit.synthetic import make_camera_roll

pillow_heif = pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")

SUFFIXES = (".heic", ".avif", ".jxl")
NCLX = b"colrnclx\0\x01\0\r"  # sRGB, codes 1 and 13


def encoded(codes: Any, suffix: str, orientation: int | None = None, **options: Any) -> bytes:
    """Encode codes H x W x 3 as well as the format can, with what EXIF tells of a shot."""
    picture, file = PILImage.fromarray(codes), io.BytesIO()
    exif = PILImage.Exif()
    exif.update({0x010F: "Maker", 0x0110: "Model"} | ({0x0112: orientation} if orientation else {}))
    exif.get_ifd(0x8769).update({0x8827: 640, 0x9003: "2020:01:02 12:04:05"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if suffix == ".heic":
            picture.info["exif"] = exif.tobytes()  # by which pillow-heif turns the picture
            pillow_heif.from_pillow(picture).save(file, quality=95, chroma=444, **options)
        elif suffix == ".avif":
            picture.save(file, "AVIF", quality=95, subsampling="4:4:4", exif=exif, **options)
        else:
            picture.save(file, "JXL", lossless=True, exif=exif.tobytes(), **options)
    return file.getvalue()


@pytest.fixture
def codes(patches: Any) -> Any:
    return np.round(patches * 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["a.heic", "a.HIF", "a.heif", "a.avif", "a.jxl"])
def test_pixels_and_shot(tmp_path: Path, codes: Any, name: str) -> None:
    suffix = Path(name).suffix.lower()
    (tmp_path / name).write_bytes(encoded(codes, ".heic" if suffix in (".hif", ".heif") else suffix))
    image = read_srgb(tmp_path / name)
    assert image.shape == codes.shape
    assert np.mean(np.abs(image - codes / 255) < 0.03) > 0.95
    assert (image.shot.name, image.shot.camera, image.shot.iso) == ("a", "Maker Model", 640)
    assert read_exif(tmp_path / name).taken == 1577966645


def test_the_format_is_told_by_the_file_not_by_its_name(tmp_path: Path, codes: Any) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(codes, ".heic"))
    assert read_srgb(tmp_path / "a.jpg").shape == codes.shape


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright(tmp_path: Path, patches: Any, codes: Any, suffix: str, orientation: int) -> None:
    stored = codes
    if suffix == ".avif":  # Pillow does not turn what it writes
        stored = np.ascontiguousarray(as_stored(codes, FLIP_OF_ORIENTATION[orientation]))
        (tmp_path / "a.avif").write_bytes(encoded(stored, suffix, orientation))
    else:
        (tmp_path / "a.heic").write_bytes(turned_heic(codes, orientation))
    image = read_srgb(tmp_path / f"a{suffix}")
    assert image.shape == patches.shape
    assert np.mean(np.abs(image - patches) < 0.03) > 0.9


def turned_heic(codes: Any, orientation: int) -> bytes:
    """A HEIC as phones write it: stored as the sensor lies, and the turn in its boxes and in EXIF."""
    stored, file = np.ascontiguousarray(as_stored(codes, FLIP_OF_ORIENTATION[orientation])), io.BytesIO()
    heif = pillow_heif.from_bytes("RGB", (stored.shape[1], stored.shape[0]), stored.tobytes())
    exif = PILImage.Exif()
    exif[0x0112] = orientation
    heif.info["exif"] = exif.tobytes()
    heif.save(file, quality=95, chroma=444)
    return file.getvalue()


def test_a_jpeg_in_jpeg_xl_is_turned_by_its_exif(tmp_path: Path, patches: Any, jpeg: Any) -> None:
    for orientation in range(1, 9):
        exif = PILImage.Exif()
        exif[0x0112] = orientation
        stored = as_stored(patches, FLIP_OF_ORIENTATION[orientation])
        (tmp_path / "a.jpg").write_bytes(jpeg(stored, exif=exif))
        with warnings.catch_warnings(), PILImage.open(tmp_path / "a.jpg") as picture:
            warnings.simplefilter("ignore")
            picture.save(tmp_path / "a.jxl")
        image = read_srgb(tmp_path / "a.jxl")
        assert image.shape == patches.shape
        assert np.mean(np.abs(image - patches) < 0.03) > 0.9


def test_jpeg_xl_without_loss_is_exact(tmp_path: Path, codes: Any) -> None:
    (tmp_path / "a.jxl").write_bytes(encoded(codes, ".jxl"))
    np.testing.assert_allclose(read_srgb(tmp_path / "a.jxl"), codes / 255, atol=1e-6)


def test_a_heic_of_10_bits_keeps_them(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 256 * 64).reshape(64, 256, 1).repeat(3, 2)
    data = np.round(ramp * 65535).astype(np.uint16)
    heif = pillow_heif.from_bytes("RGB;16", (256, 64), data.tobytes())
    heif.save(tmp_path / "a.heic", quality=-1, chroma=444)
    image = read_srgb(tmp_path / "a.heic")
    np.testing.assert_allclose(image, ramp, atol=2.5 / 1023)
    assert image.max() == 1
    assert len(np.unique(np.asarray(image))) > 800


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_profile_is_applied(tmp_path: Path, make_profile: Any, suffix: str) -> None:
    light = some_light()
    codes = np.round(in_space(light, P3, srgb_curve) * 255).astype(np.uint8)
    blocks = codes.repeat(8, 0).repeat(8, 1)
    profile = make_profile("Display P3")
    data = jxl_of_jpeg(tmp_path, blocks, profile) if suffix == ".jxl" else encoded(blocks, suffix, icc_profile=profile)
    (tmp_path / f"a{suffix}").write_bytes(data)
    with pytest.warns(InputWarning, match=rf"a\{suffix}: converted from its colour profile 'Display P3' to sRGB\."):
        image = read_srgb(tmp_path / f"a{suffix}")
    assert np.median(np.abs(image[4::8, 4::8] - srgb_curve(light))) < 1.5 / 255


def jxl_of_jpeg(folder: Path, codes: Any, profile: bytes) -> bytes:
    PILImage.fromarray(codes).save(folder / "in.jpg", quality=100, subsampling=0, icc_profile=profile)
    with warnings.catch_warnings(), PILImage.open(folder / "in.jpg") as picture:
        warnings.simplefilter("ignore")
        picture.save(folder / "out.jxl")
    return (folder / "out.jxl").read_bytes()


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_color_codes_are_applied_or_refused_by_name(tmp_path: Path, suffix: str) -> None:
    light = some_light()
    codes = np.round(in_space(light, P3, srgb_curve) * 255).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    data = encoded(codes, suffix)
    assert data.count(NCLX) == 1
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data.replace(NCLX, b"colrnclx\0\x0c\0\r"))
    with pytest.warns(InputWarning, match=rf"a\{suffix}: converted from Display P3 to sRGB\."):
        image = read_srgb(path)
    assert np.median(np.abs(image[4::8, 4::8] - srgb_curve(light))) < 1.5 / 255
    path.write_bytes(data.replace(NCLX, b"colrnclx\0\x09\0\x10"))
    with pytest.raises(FileError, match=rf"a\{suffix}: its colours have the transfer function 16 \(PQ, high dynamic"):
        read_srgb(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_srgb_is_silent(tmp_path: Path, suffix: str) -> None:
    light = some_light()
    codes = np.round(in_space(light, SRGB, srgb_curve) * 255).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    (tmp_path / f"a{suffix}").write_bytes(encoded(codes, suffix))
    assert np.median(np.abs(read_srgb(tmp_path / f"a{suffix}")[4::8, 4::8] - srgb_curve(light))) < 1.5 / 255


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_grey_picture(tmp_path: Path, suffix: str) -> None:
    ramp = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    (tmp_path / f"a{suffix}").write_bytes(encoded(ramp, suffix))
    image = read_srgb(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(image, ramp[..., None].repeat(3, 2) / 255, atol=6 / 255)


@pytest.mark.parametrize(("suffix", "package"), [(".heic", "pillow_heif"), (".jxl", "pillow_jxl")])
def test_without_its_package_a_picture_is_refused_with_what_to_install(
    tmp_path: Path, codes: Any, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(codes, suffix))
    find = modern_pictures.find_spec
    monkeypatch.setattr(modern_pictures, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(FileError, match=rf"a\{suffix}: is a picture in .*pip install 'ispfit\[heif\]'\."):
        read_srgb(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_is_an_error_of_the_file(tmp_path: Path, codes: Any, suffix: str) -> None:
    data = encoded(codes, suffix)
    path = tmp_path / f"a{suffix}"
    rng = np.random.default_rng(0)
    for length in rng.integers(1, len(data) - 20, 30):
        path.write_bytes(data[: int(length)])
        with pytest.raises(FileError, match=rf"a\{suffix}: "):
            read_srgb(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_raw_file_and_such_a_picture_are_a_pair(tmp_path: Path, suffix: str) -> None:
    [(dng, picture)] = make_camera_roll(tmp_path, 1, image_size=(192, 288), random_state=0)
    with PILImage.open(picture) as opened:
        codes = np.round(read_srgb(picture) * 255).astype(np.uint8)
        assert opened.mode == "RGB"
    newer = picture.with_suffix(suffix)
    newer.write_bytes(encoded(codes, suffix))
    expected, found = read_pair(dng, picture, 96), read_pair(dng, newer, 96)
    assert suffix in SRGB_SUFFIXES
    assert found[1].shape == expected[1].shape
    assert np.abs(found[1] - expected[1]).mean() < 0.02
