"""The colour space that EXIF, a TIFF's tags or a RAW file tell is converted to sRGB; silence means sRGB."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from color_files import (
    ADOBE,
    P3,
    SRGB,
    exif_of,
    gamma,
    in_space,
    photo,
    some_light,
    srgb_curve,
    write_raw,
)
from containers import insert, segment, tiff

from ispfit.errors import FileError, InputWarning
from ispfit.io import read_srgb


@pytest.fixture
def light() -> Any:
    return some_light()


ADOBE_EXIF = {
    "ColorSpace 2": exif_of(2),
    "ColorSpace 65535 and R03": exif_of(65535, "R03"),
    "R03": exif_of(None, "R03"),
}


@pytest.mark.parametrize("name", ADOBE_EXIF)
def test_adobe_rgb_that_exif_tells_is_converted(tmp_path: Path, light: Any, jpeg: Any, name: str) -> None:
    (tmp_path / "_DSC1.jpg").write_bytes(photo(light, ADOBE, gamma(563 / 256), jpeg, ADOBE_EXIF[name]))
    with pytest.warns(InputWarning, match=r"_DSC1\.jpg: converted from Adobe RGB to sRGB\."):
        image = read_srgb(tmp_path / "_DSC1.jpg")
    np.testing.assert_allclose(image[4::8, 4::8][light > 0.05], srgb_curve(light)[light > 0.05], atol=5 / 255)


@pytest.mark.parametrize("exif", [exif_of(1), exif_of(1, "R98"), exif_of(65535, "R98"), exif_of(None)])
def test_srgb_that_exif_tells_is_silent(tmp_path: Path, light: Any, jpeg: Any, exif: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(photo(light, SRGB, srgb_curve, jpeg, exif))
    np.testing.assert_allclose(read_srgb(tmp_path / "a.jpg")[4::8, 4::8], srgb_curve(light), atol=5 / 255)


DOUBTS = {
    "not sRGB": (exif_of(65535), r"tells that its colours are not sRGB, but not what they are; taken as sRGB\."),
    "both": (
        exif_of(1, "R03"),
        r"tells both sRGB \(ColorSpace\) and Adobe RGB \(InteroperabilityIndex\); taken as sRGB\.",
    ),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_a_doubtful_exif_is_told(tmp_path: Path, light: Any, jpeg: Any, name: str) -> None:
    exif, message = DOUBTS[name]
    (tmp_path / "a.jpg").write_bytes(photo(light, SRGB, srgb_curve, jpeg, exif))
    with pytest.warns(InputWarning, match=rf"a\.jpg: its EXIF {message}"):
        image = read_srgb(tmp_path / "a.jpg")
    np.testing.assert_allclose(image[4::8, 4::8], srgb_curve(light), atol=5 / 255)


def test_wide_gamut_rgb_is_refused(tmp_path: Path, light: Any, jpeg: Any) -> None:
    (tmp_path / "a.jpg").write_bytes(photo(light, SRGB, srgb_curve, jpeg, exif_of(0xFFFD)))
    with pytest.raises(FileError, match=r"a\.jpg: its EXIF tells Wide Gamut RGB .*, which is not converted to sRGB"):
        read_srgb(tmp_path / "a.jpg")


def test_a_profile_counts_before_exif(tmp_path: Path, light: Any, jpeg: Any, make_profile: Any) -> None:
    profile = segment(0xE2, b"ICC_PROFILE\0\1\1" + make_profile("sRGB"))
    data = photo(light, SRGB, srgb_curve, jpeg, exif_of(65535, "R03"))
    (tmp_path / "a.jpg").write_bytes(insert(data, profile))
    np.testing.assert_allclose(read_srgb(tmp_path / "a.jpg")[4::8, 4::8], srgb_curve(light), atol=5 / 255)


def test_primaries_in_a_tiff_are_converted(tmp_path: Path, light: Any) -> None:
    codes = np.round(in_space(light, P3, srgb_curve) * 65535).astype(np.uint16)
    fractions = [part for value in P3 for part in (round(value * 10**6), 10**6)]
    tags = [(0x13F, 5, 6, tuple(fractions[:12]), True), (0x13E, 5, 2, tuple(fractions[12:]), True)]
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="rgb", extratags=tags)
    with pytest.warns(
        InputWarning, match=r"a\.tif: converted from the colour space of its PrimaryChromaticities to sRGB"
    ):
        np.testing.assert_allclose(read_srgb(tmp_path / "a.tif"), srgb_curve(light), atol=1e-4)


def test_the_gamma_of_exif_goes_with_the_primaries(tmp_path: Path, light: Any, jpeg: Any) -> None:
    corners = [part for value in ADOBE for part in (round(value * 10**6), 10**6)]
    exif = tiff({0x13F: (5, corners[:12]), 0x13E: (5, corners[12:]), 0x8769: {0xA500: (5, [220, 100])}})
    (tmp_path / "a.jpg").write_bytes(photo(light, ADOBE, gamma(2.2), jpeg, exif))
    with pytest.warns(InputWarning, match="PrimaryChromaticities"):
        image = read_srgb(tmp_path / "a.jpg")
    np.testing.assert_allclose(image[4::8, 4::8][light > 0.05], srgb_curve(light)[light > 0.05], atol=5 / 255)


# -- previews in RAW files


R03 = {0x9000: b"0232", 0xA001: 65535, 0xA005: {1: "R03"}}
# What the RAW's EXIF, the DNG's tag, and the preview's own EXIF tell; whether the preview is in Adobe RGB.
PREVIEWS: dict[str, tuple[Any, int | None, bytes | None, bool]] = {
    "nothing": (None, None, None, False),
    "the RAW's EXIF": (R03, None, None, True),
    "the DNG's tag": (None, 3, None, True),
    "the DNG's tag before the RAW's EXIF": (R03, 2, None, False),
    "an unknown space in the DNG's tag": (R03, 0, None, True),
    "the preview's EXIF": (None, None, exif_of(2), True),
    "the preview's EXIF before the others": (R03, 3, exif_of(1), False),
    "a preview's EXIF that does not know": (R03, None, exif_of(65535), True),
}


@pytest.mark.parametrize("name", PREVIEWS)
def test_the_colours_of_a_preview(tmp_path: Path, light: Any, jpeg: Any, name: str) -> None:
    raw_exif, told, exif, adobe = PREVIEWS[name]
    corners, curve = (ADOBE, gamma(563 / 256)) if adobe else (SRGB, srgb_curve)
    preview = photo(light, corners, curve, jpeg, exif) if exif else photo(light, corners, curve, jpeg, tiff({}))
    path = write_raw(tmp_path / "a.dng", preview, (192, 256), exif=raw_exif, told=told)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = read_srgb(path)
    assert [str(warning.message) for warning in caught] == [f"{path}: converted from Adobe RGB to sRGB."] * adobe
    np.testing.assert_allclose(image[4::8, 4::8][light > 0.05], srgb_curve(light)[light > 0.05], atol=5 / 255)


def test_a_preview_in_prophoto_rgb_is_refused(tmp_path: Path, light: Any, jpeg: Any) -> None:
    preview = photo(light, SRGB, srgb_curve, jpeg, tiff({}))
    path = write_raw(tmp_path / "a.dng", preview, (192, 256), told=4)
    with pytest.raises(FileError, match=r"a\.dng: its preview is in ProPhoto RGB, which is not converted to sRGB; use"):
        read_srgb(path)
