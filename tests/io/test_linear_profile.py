"""Linear TIFF files carry a profile by which other programs show them as bright as they are."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as PILImage
from PIL import ImageCms

from ispfit.color import linear_to_srgb
from ispfit.errors import FileError, InputWarning
from ispfit.io import read_raw, read_srgb, write_linear
from ispfit.io.linear_profile import linear_profile


def profile_of(path: Path) -> bytes:
    with tifffile.TiffFile(path) as file:
        return bytes(file.pages[0].tags[34675].value)  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_color_management_system_shows_linear_light_as_srgb(tmp_path: Path, dtype: Any) -> None:
    write_linear(tmp_path / "a.tif", np.full((8, 8, 3), 0.4, np.float32), dtype=dtype)
    profile = ImageCms.getOpenProfile(io.BytesIO(profile_of(tmp_path / "a.tif")))
    to_srgb = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    codes = np.arange(0, 256, 17, dtype=np.uint8)
    colors = np.stack(np.meshgrid(codes, codes, codes), axis=-1).reshape(1, -1, 3)
    shown = np.asarray(ImageCms.applyTransform(PILImage.fromarray(colors), to_srgb), float)
    np.testing.assert_allclose(shown, linear_to_srgb(colors / 255.0) * 255, atol=1.0)


def test_the_profile_has_what_the_icc_makes_mandatory() -> None:
    data = linear_profile()
    size, version = struct.unpack_from(">L4xL", data)
    assert (size, version, data[36:40]) == (len(data), 0x02400000, b"acsp")
    assert struct.unpack_from(">L3l", data, 64) == (1, 63190, 65536, 54061)  # relative colorimetric; D50
    names = {data[132 + 12 * index :][:4] for index in range(struct.unpack_from(">L", data, 128)[0])}
    assert names == {b"desc", b"cprt", b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"}
    known = ImageCms.getOpenProfile(io.BytesIO(data))
    assert ImageCms.getProfileDescription(known).startswith("Linear camera RGB, white-balanced")
    assert ImageCms.getProfileCopyright(known).strip()
    colorants = np.array(
        [known.profile.red_colorant[0], known.profile.green_colorant[0], known.profile.blue_colorant[0]]
    )
    np.testing.assert_allclose(colorants.sum(axis=0), [0.9642, 1, 0.8249], atol=2e-4)  # white is white


def test_exiftool_finds_nothing_wrong_with_the_profile(tmp_path: Path) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    (tmp_path / "a.icc").write_bytes(linear_profile())
    command = ["exiftool", "-s3", "-validate", "-RenderingIntent", str(tmp_path / "a.icc")]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    assert found[:2] == ["OK", "Media-Relative Colorimetric"]


def test_read_raw_leaves_the_profile_aside_and_read_srgb_converts_by_it(tmp_path: Path) -> None:
    light = np.linspace(0, 1, 64 * 3, dtype=np.float32).reshape(1, 64, 3).repeat(8, axis=0)
    write_linear(tmp_path / "a.tif", light)
    np.testing.assert_allclose(read_raw(tmp_path / "a.tif"), light, atol=1e-5)
    with pytest.warns(
        InputWarning, match=r"a\.tif: converted from its colour profile 'Linear camera RGB, white-balanced"
    ):
        srgb = read_srgb(tmp_path / "a.tif")
    np.testing.assert_allclose(srgb, linear_to_srgb(light), atol=3e-4)


def test_floats_of_linear_light_are_no_srgb(tmp_path: Path) -> None:
    light = np.full((8, 8, 3), 0.4, np.float32)
    write_linear(tmp_path / "a.tif", light, dtype="float32")
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif"), light)
    with pytest.raises(FileError, match=r"a\.tif: expected .* got float32; read_raw reads floats, as linear light"):
        read_srgb(tmp_path / "a.tif")
