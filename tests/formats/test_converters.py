"""What RAW converters that nobody here wrote make of our exports: skipped where a program is not installed."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from ispfit.color import srgb_to_linear
from ispfit.formats.cube import write_cube
from ispfit.formats.encodings import get_encoding
from ispfit.formats.haldclut import write_haldclut
from ispfit.formats.lut import Lut, lut_nodes
from ispfit.io import write_linear_dng

pytestmark = pytest.mark.slow

SIDE_PX = 64
ROWS, COLUMNS = 4, 6
DARKTABLE_SPACES = {"srgb": 0, "adobe-rgb": 1, "rec709": 2, "linear-srgb": 3, "linear-rec2020": 4}
NEUTRAL = """
[Version]
AppVersion=5.9
Version=349
[Exposure]
Auto=false
HistogramMatching=false
ClampOOG=false
[White Balance]
Enabled=true
Setting=Camera
[Color Management]
InputProfile=(cameraICC)
ToneCurve=false
ApplyLookTable=false
ApplyBaselineExposureOffset=false
ApplyHueSatMap=false
WorkingProfile=WORKING
OutputProfile=RTv4_sRGB
OutputBPC=false
[Film Simulation]
Enabled=ENABLED
ClutFilename=CLUT
Strength=100
"""


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A linear DNG with grey and coloured patches, and their linear sRGB."""
    grey = np.linspace(0.02, 0.9, COLUMNS)[:, None].repeat(3, 1)
    color = np.random.default_rng(3).uniform(0.1, 0.8, ((ROWS - 1) * COLUMNS, 3))
    colors = np.concatenate([grey, color]).astype(np.float32)
    image = colors.reshape(ROWS, COLUMNS, 3).repeat(SIDE_PX, 0).repeat(SIDE_PX, 1)
    path = tmp_path_factory.mktemp("patches") / "patches.dng"
    write_linear_dng(path, image)
    return path, colors


def run(command: Sequence[Any], folder: Path, output: str | None = None) -> bytes:
    environment = os.environ | {"HOME": str(folder)}
    done = subprocess.run(
        [str(each) for each in command], cwd=folder, env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return (folder / output).read_bytes() if output else done.stdout


def means(path: Path) -> np.ndarray:
    codes = tifffile.imread(path)[..., :3]
    tiles = codes.reshape(ROWS, SIDE_PX, COLUMNS, SIDE_PX, 3)[:, 20:44, :, 20:44]
    return np.asarray(tiles.mean((1, 3)).reshape(-1, 3) / np.iinfo(codes.dtype).max)


def darktable(dng: Path, folder: Path, *arguments: Any) -> np.ndarray:
    options = [f"--conf={text}" for text in ("plugins/darkroom/workflow=none", "plugins/imageio/format/tiff/bpp=16")]
    settings = [each for option in options for each in option.split("=", 1)]
    settings += [
        "--conf",
        "plugins/darkroom/chromatic-adaptation=legacy",
        "--conf",
        f"plugins/darkroom/lut3d/def_path={folder}",
    ]
    command = [program("darktable-cli"), dng, *arguments, "out.tif", "--icc-type", "LIN_REC709", "--core"]
    run([*command, "--configdir", folder / "config", "--library", ":memory:", *settings], folder)
    return means(folder / "out.tif")


def rawtherapee(dng: Path, folder: Path, clut: str = "", working: str = "sRGB") -> np.ndarray:
    profile = NEUTRAL.replace("WORKING", working).replace("ENABLED", str(bool(clut)).lower())
    (folder / "neutral.pp3").write_text(profile.replace("CLUT", str(folder / clut)))
    command = [program("rawtherapee-cli"), "-o", "out.tif", "-t", "-b16", "-d", "-p", "neutral.pp3", "-Y", "-c", dng]
    run(command, folder)
    return np.asarray(srgb_to_linear(means(folder / "out.tif")))


def look(colors: np.ndarray) -> np.ndarray:
    """A look on encoded values, which mixes channels and adds contrast."""
    mixed = colors @ np.array([[0.85, 0.1, 0.05], [0.05, 0.9, 0.05], [0, 0.15, 0.85]]).T
    return np.clip(1.02 * mixed**1.2, 0, 1).astype(np.float32)


def looked(colors: np.ndarray, encoding: str, size: int, *, srgb_curve: bool = False) -> np.ndarray:
    """Linear sRGB of colours with the look applied in an encoding, by our own interpolation."""
    space = get_encoding(encoding).with_srgb_curve() if srgb_curve else get_encoding(encoding)
    lut = lut_of(size)
    return space.to_srgb_light(lut.apply(space.from_srgb_light(colors), "tetrahedral"))


def lut_of(size: int) -> Lut:
    return Lut(look(lut_nodes(size)).reshape(size, size, size, 3))


def test_linear_dng_in_dcraw(patches: Any, tmp_path: Path) -> None:
    dng, colors = patches
    command = [program("dcraw"), "-4", "-r", "1", "1", "1", "1", "-o", "1", "-T", "-c", dng]
    (tmp_path / "out.tif").write_bytes(run(command, tmp_path))
    np.testing.assert_allclose(means(tmp_path / "out.tif"), colors, atol=5e-4)


@pytest.mark.parametrize("develop", [darktable, rawtherapee])
def test_linear_dng_in_converters(patches: Any, tmp_path: Path, develop: Callable[..., np.ndarray]) -> None:
    dng, colors = patches
    np.testing.assert_allclose(develop(dng, tmp_path), colors, atol=1e-3)


def test_linear_dng_is_valid_for_exiftool(patches: Any, tmp_path: Path) -> None:
    told = run([program("exiftool"), "-validate", "-warning", "-a", patches[0]], tmp_path).decode()
    assert "Validate" in told
    assert "OK" in told
    assert "Warning" not in told


@pytest.mark.parametrize("encoding", DARKTABLE_SPACES)
def test_cube_in_darktable(patches: Any, tmp_path: Path, encoding: str) -> None:
    dng, colors = patches
    write_cube(tmp_path / "look.cube", lut_of(33))
    fields = b"look.cube".ljust(512, b"\0") + struct.pack("<iii", DARKTABLE_SPACES[encoding], 0, 0)  # tetrahedral
    params = (fields + bytes(2048 * 2 * 3 + 128)).hex()
    (tmp_path / "look.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:darktable="http://darktable.sf.net/" darktable:xmp_version="4" '
        'darktable:raw_params="0" darktable:auto_presets_applied="1" darktable:history_end="1" '
        'darktable:iop_order_version="2"><darktable:history><rdf:Seq><rdf:li darktable:num="0" '
        'darktable:operation="lut3d" darktable:enabled="1" darktable:modversion="3" '
        f'darktable:params="{params}" darktable:multi_name="" darktable:multi_priority="0"/></rdf:Seq>'
        "</darktable:history></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    expected = looked(colors, encoding, 33)
    assert np.abs(expected - colors).max() > 0.1
    np.testing.assert_allclose(darktable(dng, tmp_path, "look.xmp"), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("encoding", "name", "working"), [("srgb", "look.png", "sRGB"), ("prophoto", "look ProPhoto.png", "ProPhoto")]
)
def test_haldclut_in_rawtherapee(patches: Any, tmp_path: Path, encoding: str, name: str, working: str) -> None:
    dng, colors = patches
    write_haldclut(tmp_path / name, lut_of(64))
    expected = looked(colors, encoding, 64, srgb_curve=True)
    assert np.abs(expected - colors).max() > 0.1
    np.testing.assert_allclose(rawtherapee(dng, tmp_path, name, working), expected, atol=2e-3)
