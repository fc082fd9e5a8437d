"""TIFF files by their tags: each kind is read right or refused by name, within the memory of its pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as PILImage
from scipy import ndimage

from ispfit.errors import FileError, InputWarning
from ispfit.io import read_raw, read_srgb

HALF_A_CODE = 0.51 / 255


@pytest.fixture(scope="module")
def picture() -> Any:
    """float64 64 x 96 x 3 in [0, 1], smooth and of many colours."""
    noise = np.random.default_rng(0).normal(size=(64, 96, 3))
    return np.clip(ndimage.gaussian_filter(noise, (3, 3, 0)) * 3 + 0.5, 0, 1)


def codes_of(picture: Any, dtype: Any) -> Any:
    return np.round(picture * np.iinfo(dtype).max).astype(dtype)


LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "big-endian BigTIFF": {"bigtiff": True, "byteorder": ">"},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (32, 48)},
    "tiles larger than the picture": {"tile": (512, 512)},
    "deflate": {"compression": "zlib"},
    "deflate with predictor": {"compression": "zlib", "predictor": True, "rowsperstrip": 10},
    "LZW": {"compression": "lzw"},
    "LZW with predictor": {"compression": "lzw", "predictor": True},
    "LZW with predictor, big-endian": {"compression": "lzw", "predictor": True, "byteorder": ">"},
    "Zstandard": {"compression": "zstd"},
    "Zstandard with predictor, tiles": {"compression": "zstd", "predictor": True, "tile": (16, 16)},
    "packed bits": {"compression": "packbits"},
    "LZMA": {"compression": "lzma"},
}


@pytest.mark.parametrize("planar", [False, True], ids=["interleaved", "separate planes"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rgb_of_every_layout(tmp_path: Path, picture: Any, layout: str, dtype: Any, planar: bool) -> None:
    codes = codes_of(picture, dtype)
    stored = np.ascontiguousarray(np.moveaxis(codes, -1, 0)) if planar else codes
    options = {"planarconfig": "separate" if planar else "contig"} | LAYOUTS[layout]
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", **options)
    expected = codes.astype(np.float32) / np.float32(np.iinfo(dtype).max)
    np.testing.assert_array_equal(read_srgb(tmp_path / "a.tif"), expected)
    if dtype == np.uint16:
        np.testing.assert_array_equal(read_raw(tmp_path / "a.tif"), expected)


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_raw_of_floats_of_every_layout(
    tmp_path: Path, picture: Any, dtype: Any, compression: Any, predictor: bool
) -> None:
    floats = picture.astype(dtype)
    options = {"compression": compression, "predictor": predictor and compression is not None}
    tifffile.imwrite(tmp_path / "a.tif", floats, photometric="rgb", **options)
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif"), floats.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("planar", [False, True])
def test_cmyk_without_a_profile_is_taken_as_ideal_inks(tmp_path: Path, picture: Any, dtype: Any, planar: bool) -> None:
    black = picture.min(2, keepdims=True) / 2
    inks = codes_of(np.concatenate([picture, black], 2), dtype)
    stored = np.ascontiguousarray(np.moveaxis(inks, -1, 0)) if planar else inks
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="separated", planarconfig="separate" if planar else "contig"
    )
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), (1 - picture) * (1 - black), atol=2 * HALF_A_CODE)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("photometric", "sign"), [("minisblack", 1), ("miniswhite", -1)])
@pytest.mark.parametrize("alpha", [False, True])
def test_grey_and_white_is_zero(
    tmp_path: Path, picture: Any, dtype: Any, photometric: str, sign: int, alpha: bool
) -> None:
    grey = picture[..., 1]
    stored = codes_of(grey if sign > 0 else 1 - grey, dtype)
    options: Any = {"extrasamples": ["unassalpha"]} if alpha else {}
    stored = np.stack([stored, np.full_like(stored, 7)], -1) if alpha else stored
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, planarconfig="contig", **options)
    image = read_srgb(tmp_path / "a.tif")
    np.testing.assert_allclose(image, np.repeat(grey[..., None], 3, 2), atol=HALF_A_CODE)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits(tmp_path: Path, bits: int) -> None:
    levels = 2**bits
    stored = (np.indices((8, 24)).sum(0) % levels).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", bitspersample=bits)
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif")[..., 0], stored / (levels - 1), atol=1e-6)


def test_a_palette(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16)
    indices = np.arange(240, dtype=np.uint8).reshape(12, 20)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=table * 257, compression="zlib")
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), table.T[indices] / 255, atol=1e-6)


def test_ycbcr_in_jpeg_compression(tmp_path: Path, picture: Any) -> None:
    codes = codes_of(picture, np.uint8)
    PILImage.fromarray(codes).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    image = read_srgb(tmp_path / "a.tif")
    assert np.abs(image - picture).mean() < 0.01


GAMMA_1 = imagecodecs.cms_profile("gray", gamma=1.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_with_a_linear_profile_is_converted(tmp_path: Path, picture: Any, dtype: Any) -> None:
    codes = codes_of(picture[..., 0], dtype)
    linear = codes / np.iinfo(dtype).max
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="minisblack", iccprofile=GAMMA_1)
    with pytest.warns(InputWarning, match="converted from its colour profile"):
        image = read_srgb(tmp_path / "a.tif")
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    error = np.abs(image[..., 2] - encoded)
    assert error.mean() < (5e-5 if dtype == np.uint16 else HALF_A_CODE)
    assert error.max() < (2e-4 if dtype == np.uint16 else 0.05), "the colour engine is rough in the shadows at 8 bits"


def test_16_bits_with_a_profile_keep_their_depth(tmp_path: Path, make_profile: Any) -> None:
    ramp = np.repeat(np.linspace(0, 65535, 1024).round().astype(np.uint16)[None, :, None], 3, 2)
    tifffile.imwrite(tmp_path / "a.tif", ramp, photometric="rgb", iccprofile=make_profile("Adobe RGB"))
    with pytest.warns(InputWarning, match="converted from its colour profile 'Adobe RGB'"):
        image = read_srgb(tmp_path / "a.tif")
    assert len(np.unique(image[0, :, 1])) > 1000


# -- which page, and which way up


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_a_thumbnail_as_first_page_is_passed_over(tmp_path: Path, picture: Any, dtype: Any, compression: Any) -> None:
    codes = codes_of(picture, dtype)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(codes_of(picture[::8, ::8], np.uint8), photometric="rgb", subfiletype=1, extratags=[_turned(6)])
        file.write(picture[..., 0] > 0.5, photometric="minisblack", subfiletype=4)
        file.write(codes, photometric="rgb", compression=compression, extratags=[_turned(3)])
        file.write(codes[::2, ::2], photometric="rgb")
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), picture[::-1, ::-1], atol=HALF_A_CODE)


def test_the_picture_may_lie_below_a_thumbnail(tmp_path: Path, picture: Any) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(codes_of(picture[::8, ::8], np.uint8), photometric="rgb", subfiletype=1, subifds=1)
        file.write(codes_of(picture, np.uint16), photometric="rgb")
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), picture, atol=1e-5)


def test_a_file_of_thumbnails_alone_has_the_first(tmp_path: Path, picture: Any) -> None:
    tifffile.imwrite(tmp_path / "a.tif", codes_of(picture, np.uint8), photometric="rgb", subfiletype=1)
    assert read_srgb(tmp_path / "a.tif").shape == (64, 96, 3)


def _turned(orientation: int) -> tuple[int, int, int, int, bool]:
    return (274, 3, 1, orientation, True)


STORED_FOR = {  # how the upright picture is stored, by Exif 2.32, tag 0x0112
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image, -1),
}


@pytest.mark.parametrize("orientation", STORED_FOR)
@pytest.mark.parametrize("bigtiff", [False, True])
def test_pictures_are_turned_upright(tmp_path: Path, picture: Any, orientation: int, bigtiff: bool) -> None:
    stored = np.ascontiguousarray(STORED_FOR[orientation](codes_of(picture, np.uint16)))
    options: Any = {"bigtiff": bigtiff, "byteorder": ">" if bigtiff else "<"}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extratags=[_turned(orientation)], **options)
    np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), picture, atol=1e-5)
    np.testing.assert_allclose(read_raw(tmp_path / "a.tif"), picture, atol=1e-5)


# -- refused by name

REFUSED = {
    "floats": (np.zeros((8, 8, 3), np.float32), {"photometric": "rgb"}, "8 or 16 bits per channel, got float32"),
    "32 bits": (np.zeros((8, 8, 3), np.uint32), {"photometric": "rgb"}, "8 or 16 bits per channel, got uint32"),
    "signed": (np.zeros((8, 8, 3), np.int16), {"photometric": "rgb"}, "8 or 16 bits per channel, got int16"),
    "complex": (np.zeros((8, 8), np.complex64), {"photometric": 1}, "8 or 16 bits per channel, got complex64"),
    "12 bits": (np.zeros((8, 8), np.uint16), {"photometric": 1, "bitspersample": 12}, "channel, got 12 bits"),
    "CIELab": (np.zeros((8, 8, 3), np.uint8), {"photometric": 8}, "grey, RGB or CMYK, got CIELAB; save it as RGB"),
    "CIELab of 16 bits": (np.zeros((8, 8, 3), np.uint16), {"photometric": 8}, "grey, RGB or CMYK, got CIELAB"),
    "ICCLab": (np.zeros((8, 8, 3), np.uint16), {"photometric": 9}, "grey, RGB or CMYK, got ICCLAB"),
    "a mosaic": (np.zeros((8, 8), np.uint16), {"photometric": 32803}, "grey, RGB or CMYK, got CFA"),
    "linear raw": (np.zeros((8, 8, 3), np.uint16), {"photometric": 34892}, "grey, RGB or CMYK, got LINEAR_RAW"),
    "YCbCr": (np.zeros((8, 8, 3), np.uint8), {"photometric": 6}, "grey, RGB or CMYK, got YCBCR"),
    "other inks": (
        np.zeros((8, 8, 4), np.uint8),
        {"photometric": "separated", "extratags": [(332, 3, 1, 2, True)]},
        "got inks other than CMYK",
    ),
    "JPEG XL": (
        np.zeros((8, 8, 3), np.uint16),
        {"photometric": "rgb", "compression": "jpegxl"},
        "its compression JPEGXL.* is not supported; save it with LZW, deflate, Zstandard or none",
    ),
    "many channels": (
        np.zeros((8, 8, 40), np.uint8),
        {"photometric": "rgb", "planarconfig": 1},
        "claims 40 channels; more than 8",
    ),
    "a volume": (np.zeros((4, 16, 16, 3), np.uint8), {"photometric": "rgb", "volumetric": True}, "4 planes of depth"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_kinds_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    codes, options, message = REFUSED[kind]
    tifffile.imwrite(tmp_path / "a.tif", codes, **options)
    with pytest.raises(FileError, match=rf"a\.tif: .*{message}"):
        read_srgb(tmp_path / "a.tif")


@pytest.mark.parametrize(("channels", "kind"), [(1, "grey"), (4, "CMYK")])
def test_raw_is_rgb(tmp_path: Path, channels: int, kind: str) -> None:
    codes = np.zeros((8, 8, 4)[: 2 if channels == 1 else 3], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="minisblack" if channels == 1 else "separated")
    with pytest.raises(FileError, match=rf"a\.tif: expected an image of shape \(H, W, 3\), got .* \({kind}\)"):
        read_raw(tmp_path / "a.tif")
