"""`read_srgb`: the camera's own picture, upright and in sRGB, from any of its files."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as PILImage
from PIL.TiffImagePlugin import IFDRational

from ispfit.errors import FileError, InputError, InputWarning
from ispfit.images import Shot
from ispfit.io import read_raw, read_srgb
from ispfit.io.exif_writer import make_exif

JPEG_ERROR = 0.03  # of patches at quality 95, away from their edges


def save(path: Path, codes: Any, mode: str | None = None, **options: Any) -> Path:
    picture = PILImage.fromarray(codes)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


@pytest.fixture
def codes(patches: Any) -> Any:
    return np.round(patches * 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.tif", "a.tiff"])
def test_codes_are_divided_by_255(tmp_path: Path, codes: Any, name: str) -> None:
    image = read_srgb(save(tmp_path / name, codes))
    assert (image.dtype, image.shot.name) == (np.float32, "a")
    np.testing.assert_array_equal(image, codes.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
def test_jpeg(tmp_path: Path, codes: Any, jpeg: Any, name: str) -> None:
    (tmp_path / name).write_bytes(jpeg(codes / 255))
    np.testing.assert_allclose(read_srgb(tmp_path / name), codes / 255, atol=JPEG_ERROR)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_16_bit_tiff_is_divided_by_65535(tmp_path: Path, channels: int) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, channels), np.uint16)
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", **extra)
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), deep[..., :3] / 65535, atol=1e-6)


def test_a_palette_becomes_rgb(tmp_path: Path, codes: Any) -> None:
    PILImage.fromarray(codes).quantize(4).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_srgb(tmp_path / "a.png"), codes / 255, atol=1 / 255)


@pytest.mark.parametrize(("mode", "name"), [("RGBA", "a.png"), ("RGBA", "a.tif"), ("CMYK", "a.tif")])
def test_other_modes_become_rgb(tmp_path: Path, codes: Any, mode: str, name: str) -> None:
    np.testing.assert_allclose(read_srgb(save(tmp_path / name, codes, mode)), codes / 255, atol=1 / 255)


GREY = [
    ("L", "a.png"),
    ("L", "a.tif"),
    ("L", "a.jpg"),
    ("LA", "a.png"),
    ("LA", "a.tif"),
    ("1", "a.png"),
    ("1", "a.tif"),
]


@pytest.mark.parametrize(("mode", "name"), GREY)
def test_grey_becomes_three_equal_channels(tmp_path: Path, codes: Any, mode: str, name: str) -> None:
    image = read_srgb(save(tmp_path / name, codes, mode))
    assert image.shape == codes.shape
    assert (image[..., :1] == image).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_grey_of_16_bits_keeps_its_depth(tmp_path: Path, name: str) -> None:
    grey = np.arange(0, 60000, 1000, dtype=np.uint16).reshape(6, 10)
    image = read_srgb(save(tmp_path / name, grey))
    np.testing.assert_allclose(image[..., 1], grey / 65535, atol=1e-6)


def test_floats_are_not_srgb(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.float32))
    with pytest.raises(
        FileError, match=r"a\.tif: expected an image of 8 or 16 bits per channel, got float32; read_raw reads floats"
    ):
        read_srgb(tmp_path / "a.tif")


HOW_IT_IS_STORED = {  # Exif 2.32, tag 0x0112
    1: None,
    2: PILImage.Transpose.FLIP_LEFT_RIGHT,
    3: PILImage.Transpose.ROTATE_180,
    4: PILImage.Transpose.FLIP_TOP_BOTTOM,
    5: PILImage.Transpose.TRANSPOSE,
    6: PILImage.Transpose.ROTATE_90,
    7: PILImage.Transpose.TRANSVERSE,
    8: PILImage.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize(("orientation", "stored"), HOW_IT_IS_STORED.items())
def test_the_orientation_is_applied(tmp_path: Path, codes: Any, orientation: int, stored: Any, name: str) -> None:
    picture = PILImage.fromarray(codes)
    exif = PILImage.Exif()
    exif[0x0112] = orientation
    (picture if stored is None else picture.transpose(stored)).save(tmp_path / name, exif=exif)
    image = read_srgb(tmp_path / name)
    assert image.shape == codes.shape
    assert np.mean(np.abs(image - codes / 255) < JPEG_ERROR) > 0.8


def test_a_16_bit_tiff_is_turned_too(tmp_path: Path, codes: Any) -> None:
    deep = np.rot90(codes, 1).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), codes / 255, atol=1e-6)


def test_the_image_knows_its_shot(tmp_path: Path, codes: Any) -> None:
    exif = PILImage.Exif()
    exif.update({0x010F: "NIKON CORPORATION", 0x0110: "NIKON D600"})
    exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 200), 0x8827: 1600})
    shot = read_srgb(save(tmp_path / "DSC 1.jpg", codes, exif=exif)).shot
    assert (shot.name, shot.make, shot.model) == ("DSC 1", "NIKON CORPORATION", "NIKON D600")
    assert (shot.iso, shot.exposure_time, shot.white_balance) == (1600, 0.005, None)


# -- colour profiles


def to_profile(linear_srgb: Any, name: str) -> Any:
    """Convert linear sRGB to 8-bit codes of another space, by the chromaticities of its primaries (both D65)."""
    primaries = {"sRGB": "64 33 30 60 15 06", "Display P3": "68 32 265 69 15 06", "Adobe RGB": "64 33 21 71 15 06"}
    values = np.linalg.solve(to_xyz(primaries[name]), to_xyz(primaries["sRGB"]) @ linear_srgb.reshape(-1, 3).T).T
    values = values.reshape(linear_srgb.shape)
    if name == "Adobe RGB":
        return np.round(255 * np.clip(values, 0, 1) ** (256 / 563)).astype(np.uint8)
    power = 1.055 * np.maximum(values, 0.0031308) ** (1 / 2.4) - 0.055
    return np.round(255 * np.where(values > 0.0031308, power, 12.92 * values)).astype(np.uint8)


def to_xyz(primaries: str) -> Any:
    """Return the matrix from linear RGB to XYZ for given primaries (the decimals of x and y of red, green and blue)."""
    x, y = np.array([float(f"0.{digits}") for digits in primaries.split()]).reshape(3, 2).T
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
    return columns * np.linalg.solve(columns, white)


@pytest.fixture
def colors() -> Any:
    """Linear sRGB colours without channels that are too dark for 8 bits in a wider space."""
    return np.random.default_rng(0).uniform(0.05, 1, (16, 16, 3))


@pytest.mark.parametrize("file_name", ["a.png", "a.tif"])
def test_profiles_are_converted_to_srgb_and_it_is_said(
    tmp_path: Path, colors: Any, make_profile: Any, profile_name: str, file_name: str
) -> None:
    profile = make_profile(profile_name)
    path = save(tmp_path / file_name, to_profile(colors, profile_name), icc_profile=profile)
    want = to_profile(colors, "sRGB") / 255
    if profile_name == "sRGB":
        np.testing.assert_array_equal(read_srgb(path), want.astype(np.float32))
        return
    message = rf"{file_name}: converted from its colour profile '{profile_name}' to sRGB\."
    with pytest.warns(InputWarning, match=message):
        image = read_srgb(path)
    np.testing.assert_allclose(image, want, atol=3.5 / 255)
    assert np.abs(image - want).mean() < 0.6 / 255


def test_the_profile_of_a_16_bit_tiff_counts_too(tmp_path: Path, colors: Any, make_profile: Any) -> None:
    deep = to_profile(colors, "Display P3").astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", iccprofile=make_profile("Display P3"))
    with pytest.warns(InputWarning, match="converted from its colour profile 'Display P3'"):
        image = read_srgb(tmp_path / "a.tif")
    np.testing.assert_allclose(image, to_profile(colors, "sRGB") / 255, atol=3.5 / 255)


def test_a_16_bit_tiff_in_srgb_keeps_its_depth(tmp_path: Path, make_profile: Any) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (8, 8, 3), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", iccprofile=make_profile("sRGB"))
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), deep / 65535, atol=1e-6)


def test_adobe_rgb_is_known_by_its_exif_alone(tmp_path: Path, colors: Any) -> None:
    exif = PILImage.Exif()
    exif.get_ifd(0x8769).update({0xA001: 65535, 0xA005: {0x0001: "R03"}})
    pixels = np.repeat(np.repeat(to_profile(colors, "Adobe RGB"), 8, 0), 8, 1)
    path = save(tmp_path / "_DSC1.jpg", pixels, exif=exif, quality=100, subsampling=0)
    with pytest.warns(InputWarning, match=r"_DSC1\.jpg: converted from Adobe RGB to sRGB\."):
        image = read_srgb(path)
    np.testing.assert_allclose(image[4::8, 4::8], to_profile(colors, "sRGB") / 255, atol=4 / 255)


def test_a_profile_that_cannot_be_read_is_said(tmp_path: Path, codes: Any) -> None:
    path = save(tmp_path / "a.png", codes, icc_profile=b"no profile at all" * 20)
    with pytest.warns(InputWarning, match=r"a\.png: its ICC profile cannot be read; taken as sRGB\."):
        image = read_srgb(path)
    np.testing.assert_allclose(image, codes / 255, atol=1e-6)


# -- sizes


def test_size_averages_light_not_codes(tmp_path: Path) -> None:
    chequers = np.indices((16, 16)).sum(axis=0) % 2 * np.uint8(255)
    image = read_srgb(save(tmp_path / "a.png", np.repeat(chequers[..., None], 3, 2).astype(np.uint8)), size=4)
    np.testing.assert_allclose(image, 0.7354, atol=1e-3)  # the sRGB code of half the light, 188 / 255
    assert image.shot.name == "a"


def test_images_are_never_enlarged(tmp_path: Path, codes: Any) -> None:
    with pytest.raises(InputError, match=r"at most the image's height and width \(64, 96\), got \(128, 32\)"):
        read_srgb(save(tmp_path / "a.png", codes), size=(128, 32))


# -- previews


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_preview_that_does_not_say_is_turned_like_its_raw(
    write_shot: Any, patches: Any, jpeg: Any, orientation: int, turns: int
) -> None:
    path = write_shot(
        patches, orientation=orientation, preview_jpeg=jpeg(patches), iso=200, make="Nikon", model="D7000"
    )
    preview = read_srgb(path)
    assert preview.shape == np.rot90(patches, turns).shape
    assert np.mean(np.abs(preview - np.rot90(patches, turns)) < JPEG_ERROR) > 0.9
    assert (preview.shot.camera, preview.shot.iso, preview.shot.name) == ("Nikon D7000", 200, "shot")
    assert np.mean(np.abs(preview - read_raw(path)) < JPEG_ERROR) > 0.8


def test_a_preview_that_is_upright_already_is_left_alone(write_shot: Any, patches: Any, jpeg: Any) -> None:
    turned = np.rot90(patches, -1)
    exif = b"Exif\0\0" + make_exif(Shot(), orientation=1)[6:]
    data = jpeg(turned)
    preview = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    path = write_shot(patches, orientation=6, preview_jpeg=preview)
    assert np.mean(np.abs(read_srgb(path) - read_raw(path)) < JPEG_ERROR) > 0.8


def test_a_raw_file_without_a_preview_says_so(write_shot: Any, patches: Any) -> None:
    with pytest.raises(FileError, match=r"shot\.dng: has no embedded picture of the camera; use its JPEG instead\."):
        read_srgb(write_shot(patches))


def test_the_preview_of_a_canon_crw_shows_what_its_raw_shows(shared_data: Path) -> None:
    from skimage.registration import phase_cross_correlation

    path = shared_data / "raw-files" / "light.crw"
    preview, raw = read_srgb(path), read_raw(path, size=(480, 640))
    assert preview.shape == raw.shape
    assert preview.shot.camera == "Canon PowerShot G2"
    details = [np.log(image.mean(axis=2) + 0.05) for image in (preview, np.asarray(raw) ** (1 / 2.2))]
    shift, *_ = phase_cross_correlation(*details, upsample_factor=50, normalization=None)
    assert np.abs(shift).max() < 0.25


def test_a_dng_without_a_preview(shared_data: Path) -> None:
    with pytest.raises(FileError, match="has no embedded picture of the camera"):
        read_srgb(shared_data / "raw-files" / "Blackmagic.dng")


# -- broken files


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.dng", "a.jpeg"])
def test_what_is_not_an_image_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(FileError, match=rf"{name}: cannot be read: No such file or directory\."):
        read_srgb(path)
    path.touch()
    with pytest.raises(FileError, match=rf"{name}: the file is empty\."):
        read_srgb(path)
    path.write_text("this is a shopping list, not a picture\n" * 50)
    with pytest.raises(FileError, match=rf"{name}: (not an image|not a readable TIFF|LibRaw cannot read it)"):
        read_srgb(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(FileError, match=rf"{name}: expected a file, got a folder\."):
        read_srgb(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_a_truncated_file_is_an_error(tmp_path: Path, name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    path = save(tmp_path / name, noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns before it raises
        with pytest.raises(FileError, match=rf"{name}: "):
            read_srgb(path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, codes: Any) -> None:
    data = bytearray(save(tmp_path / "a.png", codes).read_bytes())
    data[16:24] = struct.pack(">LL", 30000, 30000)
    data[29:33] = struct.pack(">L", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(FileError, match=r"a\.png: the image cannot be decoded: .*decompression bomb"):
        read_srgb(tmp_path / "a.png")


def test_broken_exif_does_not_hide_the_picture(tmp_path: Path, codes: Any) -> None:
    block = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(256))
    image = read_srgb(save(tmp_path / "a.jpg", codes, exif=block))
    assert (image.shape, image.shot.make) == (codes.shape, None)
