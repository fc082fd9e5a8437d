"""The colour space that the chunks of a PNG tell is converted to sRGB or refused by name; silence means sRGB."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from color_files import (
    ADOBE,
    BT2020,
    D65,
    DCI,
    P3,
    SRGB,
    bt709_curve,
    chrm,
    cicp,
    gama,
    gamma,
    iccp,
    in_space,
    linear,
    png,
    some_light,
    srgb_curve,
)
from containers import add_chunks, chunk
from PIL import Image as PILImage

from ispfit.errors import FileError, InputWarning
from ispfit.io import read_srgb


@pytest.fixture
def light() -> Any:
    return some_light()


RENDERING_INTENT = chunk(b"sRGB", b"\0")
# Chunks, the space that they mean, its curve, and what the warning calls it.
TOLD = {
    "gAMA, linear": ([gama(1)], SRGB, linear, "the colour space of its gAMA"),
    "gAMA 1.8": ([gama(1.8)], SRGB, gamma(1.8), "the colour space of its gAMA"),
    "gAMA and cHRM": ([gama(563 / 256), chrm(ADOBE)], ADOBE, gamma(563 / 256), "the colour space of its gAMA and cHRM"),
    "cHRM": ([chrm(P3)], P3, srgb_curve, "the colour space of its cHRM"),
    "gAMA 2.2 of a wide space": ([gama(2.2), chrm(BT2020)], BT2020, gamma(2.2), "its gAMA and cHRM"),
    "cICP, Display P3": ([cicp(12, 13)], P3, srgb_curve, "Display P3"),
    "cICP, BT.2020": ([cicp(9, 14)], BT2020, bt709_curve, r"BT\.2020 primaries with the curve of BT\.709"),
    "cICP, linear": ([cicp(1, 8)], SRGB, linear, r"BT\.709 primaries with linear"),
    "cICP, only primaries": ([cicp(12, 2)], P3, srgb_curve, "Display P3 primaries with the curve of sRGB"),
    "cICP before gAMA and cHRM": ([cicp(12, 13), gama(1), chrm(BT2020)], P3, srgb_curve, "Display P3"),
    "cICP before sRGB": ([cicp(12, 13), RENDERING_INTENT], P3, srgb_curve, "Display P3"),
    "cICP that tells nothing, then cHRM": ([cicp(2, 2), chrm(P3)], P3, srgb_curve, "the colour space of its cHRM"),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", TOLD)
def test_what_the_chunks_of_a_png_tell_is_converted(tmp_path: Path, light: Any, name: str, dtype: Any) -> None:
    chunks, corners, curve, called = TOLD[name]
    one = np.iinfo(dtype).max
    (tmp_path / "a.png").write_bytes(png(np.round(in_space(light, corners, curve) * one).astype(dtype), *chunks))
    with pytest.warns(InputWarning, match=rf"a\.png: converted from .*{called} to sRGB\."):
        image = read_srgb(tmp_path / "a.png")
    error = np.abs(image - srgb_curve(light))
    if dtype == np.uint16:
        assert error[light > 0.003].max() < 2e-3  # the darkest codes of a linear file are far apart
        assert np.median(error) < 5e-5
    else:
        assert np.median(error) < 1.5 / 255


SILENT = {
    "nothing": [],
    "sRGB": [RENDERING_INTENT],
    "sRGB before gAMA": [RENDERING_INTENT, gama(1), chrm(P3)],
    "gAMA as every program writes it for sRGB": [gama(1 / 0.45455)],
    "gAMA and cHRM of sRGB": [gama(2.2), chrm(SRGB)],
    "cHRM of sRGB, rounded": [chrm([round(value, 3) for value in SRGB])],
    "cICP of sRGB": [cicp(1, 13)],
    "cICP of sRGB before gAMA": [cicp(1, 13), gama(1)],
    "gAMA of 0, which means nothing": [chunk(b"gAMA", bytes(4))],
}


@pytest.mark.parametrize("name", SILENT)
def test_a_png_in_srgb_keeps_its_codes(tmp_path: Path, name: str) -> None:
    codes = np.random.default_rng(0).integers(0, 65536, (8, 9, 3), np.uint16)
    (tmp_path / "a.png").write_bytes(png(codes, *SILENT[name]))
    np.testing.assert_allclose(read_srgb(tmp_path / "a.png"), codes / 65535, atol=1e-7)


def test_a_grey_png_has_a_gamma_too(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 1024).reshape(4, 256)
    (tmp_path / "a.png").write_bytes(png(np.round(ramp * 65535).astype(np.uint16), gama(1), chrm(DCI)))
    with pytest.warns(InputWarning, match="gAMA"):
        image = read_srgb(tmp_path / "a.png")
    np.testing.assert_allclose(image, np.repeat(srgb_curve(ramp)[..., None], 3, axis=2), atol=2e-4)


def test_the_profile_of_a_png_counts_before_its_other_chunks_and_cicp_before_it(
    tmp_path: Path, light: Any, make_profile: Any
) -> None:
    codes = np.round(in_space(light, P3, srgb_curve) * 65535).astype(np.uint16)
    wanted = srgb_curve(light)
    (tmp_path / "a.png").write_bytes(png(codes, iccp(make_profile("Display P3")), gama(1), chrm(BT2020)))
    (tmp_path / "b.png").write_bytes(png(codes, cicp(12, 13), iccp(make_profile("Adobe RGB"))))
    with pytest.warns(InputWarning, match=r"a\.png: converted from its colour profile 'Display P3' to sRGB\."):
        np.testing.assert_allclose(read_srgb(tmp_path / "a.png"), wanted, atol=1e-3)
    with pytest.warns(InputWarning, match=r"b\.png: converted from Display P3 to sRGB\."):
        np.testing.assert_allclose(read_srgb(tmp_path / "b.png"), wanted, atol=1e-3)


def test_another_white_is_adapted_as_a_colour_management_system_does_it(tmp_path: Path) -> None:
    light = np.random.default_rng(0).uniform(0.2, 0.8, (8, 8, 3))
    codes = np.round(light ** (1 / 2.2) * 65535).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(png(codes, gama(2.2), chrm(DCI)))
    with pytest.warns(InputWarning, match="gAMA and cHRM"):
        image = read_srgb(tmp_path / "a.png")
    x, y = DCI[6:]
    primaries = [value for x, y in zip(DCI[:6:2], DCI[1:6:2], strict=True) for value in (x, y, 1)]
    profile = imagecodecs.cms_profile("rgb", whitepoint=[x, y, 1], primaries=primaries, gamma=2.2)
    srgb = imagecodecs.cms_profile("srgb")
    theirs = imagecodecs.cms_transform(
        codes, profile, srgb, colorspace="rgb", outcolorspace="rgb", outdtype="float32", intent=1
    )
    np.testing.assert_allclose(image, np.clip(theirs, 0, 1), atol=2e-3)


REFUSED = {
    "PQ": (cicp(9, 16), r"transfer function 16 \(PQ, high dynamic range\) of ITU-T H\.273, which is not converted"),
    "HLG": (cicp(9, 18), r"transfer function 18 \(HLG, high dynamic range\) of ITU-T H\.273, which is not converted"),
    "log": (cicp(1, 9), r"transfer function 9 of ITU-T H\.273, which is not converted to sRGB; convert the picture by"),
    "XYZ": (cicp(10, 8), r"the primaries 10 of ITU-T H\.273, which is not converted to sRGB"),
    "narrow range": (cicp(9, 14, 0, 0), r"coded as video \(cICP 9-14-0-0\), .* expected RGB of the full range"),
    "YCbCr": (cicp(9, 14, 9, 1), r"coded as video \(cICP 9-14-9-1\), which is not converted to sRGB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_converted_is_refused_by_name(tmp_path: Path, name: str) -> None:
    told, message = REFUSED[name]
    (tmp_path / "a.png").write_bytes(png(np.zeros((8, 8, 3), np.uint16), told))
    with pytest.raises(FileError, match=rf"a\.png: its colours (have|are) .*{message}"):
        read_srgb(tmp_path / "a.png")


@pytest.mark.parametrize("corners", [[0.3] * 8, [0.64, 0.33, 0.3, 0.6, 0.15, 0, *D65], [9.0] * 8])
def test_impossible_primaries_are_told(tmp_path: Path, corners: Any) -> None:
    codes = np.full((8, 8, 3), 99, np.uint8)
    (tmp_path / "a.png").write_bytes(png(codes, chrm(corners)))
    with pytest.warns(InputWarning, match=r"a\.png: the colour space of its cHRM is impossible; taken as sRGB\."):
        np.testing.assert_allclose(read_srgb(tmp_path / "a.png"), 99 / 255, atol=1e-6)


@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_16_bit_pictures_are_converted_at_16_bits(tmp_path: Path, suffix: str) -> None:
    ramp = np.repeat(np.linspace(0, 1, 1024).reshape(4, 256, 1), 3, axis=2)
    codes, profile = np.round(ramp * 65535).astype(np.uint16), imagecodecs.cms_profile("adobergb")
    if suffix == "tif":
        tifffile.imwrite(tmp_path / "a.tif", codes, photometric="rgb", iccprofile=profile)
    else:
        (tmp_path / "a.png").write_bytes(png(codes, iccp(profile)))
    with pytest.warns(InputWarning, match="converted from its colour profile"):
        image = read_srgb(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(image, srgb_curve((codes / 65535) ** (563 / 256)), atol=3e-5)
    assert len(np.unique(np.asarray(image))) > 3000  # of 1024 greys in three channels that rounding tells apart


def test_a_linear_grey_picture_of_16_bits(tmp_path: Path) -> None:
    codes = np.round(np.linspace(0, 1, 1024).reshape(4, 256) * 65535).astype(np.uint16)
    profile = imagecodecs.cms_profile("gray", gamma=1.0)
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="minisblack", iccprofile=profile)
    with pytest.warns(InputWarning, match="converted from its colour profile"):
        image = read_srgb(tmp_path / "a.tif")
    np.testing.assert_allclose(image, np.repeat(srgb_curve(codes / 65535)[..., None], 3, axis=2), atol=3e-5)


def test_a_profile_whose_name_cannot_be_read_is_applied(tmp_path: Path, light: Any, make_profile: Any) -> None:
    profile = make_profile("Display P3").replace(b"Display P3\0", b"Display \xc9\xc9\0")
    file = io.BytesIO()
    PILImage.fromarray(np.round(in_space(light, P3, srgb_curve) * 255).astype(np.uint8)).save(file, "PNG")
    (tmp_path / "a.png").write_bytes(add_chunks(file.getvalue(), iccp(profile)))
    with pytest.warns(InputWarning, match=r"converted from its colour profile .* to sRGB\."):
        image = read_srgb(tmp_path / "a.png")
    assert np.median(np.abs(image - srgb_curve(light))) < 1 / 255
