"""`make_camera_roll`: files as a camera writes them, and a pair on one pixel grid when they are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.registration import phase_cross_correlation

from ispfit.datasets import make_camera_roll
from ispfit.errors import FileError, InputError
from ispfit.io import read_raw, read_srgb
from ispfit.io.dng import CFA_PATTERNS, make_mosaic
from ispfit.io.dng_tags import read_dng_tags
from ispfit.io.exif import read_exif
from ispfit.metrics import psnr
from ispfit.synthetic.camera import VirtualCamera
from ispfit.synthetic.camera_files import CAMERAS
from ispfit.synthetic.demosaic import demosaic
from ispfit.synthetic.lighting import illuminant

SIZE = (96, 144)
UPRIGHT, HELD_RIGHT, UPSIDE_DOWN, HELD_LEFT = 1, 6, 3, 8


@pytest.fixture(scope="module")
def quiet() -> VirtualCamera:
    """A camera with a border about its picture, and hardly any noise."""
    return replace(CAMERAS["Virtual B"], crop=(6, 10, 8, 4), shot_noise=1e-8, read_noise=1e-6, jpeg_subsampling=0)


@pytest.mark.parametrize("model", CAMERAS)
@pytest.mark.parametrize("orientation", [UPRIGHT, UPSIDE_DOWN, HELD_RIGHT, HELD_LEFT])
def test_the_two_files_of_a_shot_are_on_one_pixel_grid(tmp_path: Path, model: str, orientation: int) -> None:
    camera = replace(CAMERAS[model], orientation=(orientation,), crop=(6, 10, 8, 4))
    ((dng, jpeg),) = make_camera_roll(tmp_path, 1, image_size=SIZE, camera=camera, random_state=3)
    raw, srgb, preview = read_raw(dng), read_srgb(jpeg), read_srgb(dng)
    height, width = SIZE if orientation in (UPRIGHT, UPSIDE_DOWN) else SIZE[::-1]
    assert raw.shape == srgb.shape == (height, width, 3)
    np.testing.assert_array_equal(preview, srgb)
    details = [np.log(image.mean(axis=2) + 0.02) for image in (srgb, np.asarray(raw) ** (1 / 2.2))]
    shift, *_ = phase_cross_correlation(*details, upsample_factor=50, normalization=None)
    assert np.abs(shift).max() <= 0.05


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_the_jpeg_is_the_cameras_rendering_of_what_read_raw_reads(
    tmp_path: Path, quiet: VirtualCamera, cfa: str
) -> None:
    camera = replace(quiet, orientation=(UPRIGHT,)).manual()
    ((dng, jpeg),) = make_camera_roll(tmp_path, 1, image_size=SIZE, camera=camera, cfa=cfa, random_state=1)
    assert psnr(camera.render(np.asarray(read_raw(dng))), read_srgb(jpeg)) > 25  # two ways of demosaicing apart


def test_both_files_tell_the_shot(tmp_path: Path, quiet: VirtualCamera) -> None:
    for dng, jpeg in make_camera_roll(tmp_path, 3, image_size=SIZE, camera=quiet, random_state=0):
        raw, srgb = read_raw(dng).shot, read_srgb(jpeg).shot
        assert raw.name == srgb.name == dng.stem == jpeg.stem
        assert raw.camera == srgb.camera == "ispfit Virtual B"
        assert (raw.iso, raw.exposure_time) == (srgb.iso, srgb.exposure_time)
        assert raw.white_balance is not None
        assert min(raw.white_balance) == raw.white_balance[1] == 1
        assert read_exif(dng).orientation == read_exif(jpeg).orientation


@pytest.mark.parametrize("kelvin", [2856, 4000, 5500, 6504, 7500])
@pytest.mark.parametrize("model", CAMERAS)
def test_the_colour_matrix_tells_the_temperature_of_a_light(tmp_path: Path, model: str, kelvin: float) -> None:
    camera = CAMERAS[model]
    ((dng, _),) = make_camera_roll(tmp_path, 1, image_size=(32, 48), camera=camera, random_state=0)
    tags = read_dng_tags(dng)
    assert tags is not None
    assert tags.numbers("CalibrationIlluminant1") == (21,)  # D65
    matrix = np.array(tags.numbers("ColorMatrix1")).reshape(3, 3)
    grey_card = camera.expose(np.full((16, 16, 3), illuminant(kelvin), np.float32), np.random.default_rng(0))
    xyz = np.linalg.inv(matrix) @ grey_card.pixels.mean((0, 1))
    x, y = xyz[:2] / xyz.sum()
    slope = (x - 0.3320) / (0.1858 - y)  # C. McCamy 1992
    assert 449 * slope**3 + 3525 * slope**2 + 6823.3 * slope + 5520.33 == pytest.approx(kelvin, rel=0.01)


def test_the_colour_matrix_is_that_of_daylight() -> None:
    d65 = CAMERAS["Virtual A"].color_matrix()
    expected = [[0.8098, -0.2447, -0.0834], [-0.4184, 1.2157, 0.1671], [-0.0947, 0.2088, 0.5454]]
    np.testing.assert_allclose(d65, expected, atol=2e-4)
    np.testing.assert_allclose((d65 @ [0.95047, 1, 1.08883])[1], 1)


def test_shots_are_held_in_all_the_ways_of_the_camera(tmp_path: Path) -> None:
    camera = CAMERAS["Virtual B"]
    roll = make_camera_roll(tmp_path, 12, image_size=(32, 48), camera=camera, random_state=0)
    assert {read_exif(dng).orientation for dng, _ in roll} == set(camera.orientation)


def test_the_same_seed_writes_the_same_files_and_more_shots_change_none(tmp_path: Path) -> None:
    first = make_camera_roll(tmp_path / "a", 2, image_size=(32, 48), random_state=5)
    second = make_camera_roll(tmp_path / "b", 3, image_size=(32, 48), random_state=5)
    for names in zip(first, second, strict=False):
        for one, other in zip(*names, strict=True):
            assert (one.name, one.read_bytes()) == (other.name, other.read_bytes())
    other_seed = make_camera_roll(tmp_path / "c", 1, image_size=(32, 48), random_state=6)
    assert other_seed[0][0].read_bytes() != first[0][0].read_bytes()


def test_nothing_but_the_shots_is_in_the_folder(tmp_path: Path) -> None:
    roll = make_camera_roll(tmp_path / "new" / "folder", 2, image_size=(32, 48), random_state=0)
    assert [dng.name for dng, _ in roll] == ["VirtualA_0001.dng", "VirtualA_0002.dng"]
    assert sorted((tmp_path / "new" / "folder").iterdir()) == sorted(path for shot in roll for path in shot)


def test_a_lens_that_the_camera_corrects_and_a_smaller_jpeg(tmp_path: Path) -> None:
    camera = replace(CAMERAS["Virtual A"], shot_noise=1e-8, read_noise=1e-6, orientation=(UPRIGHT,))
    ((dng, plain),) = make_camera_roll(tmp_path / "a", 1, image_size=SIZE, camera=camera, random_state=3)
    options: Any = {"image_size": SIZE, "camera": camera, "random_state": 3}
    ((other, small),) = make_camera_roll(tmp_path / "b", 1, jpeg_scale=0.5, **options)
    assert dng.read_bytes()[-1000:] == other.read_bytes()[-1000:]
    assert psnr(read_srgb(small), read_srgb(plain, size=(48, 72))) > 30
    ((_, bent),) = make_camera_roll(tmp_path / "c", 1, lens=-0.1, **options)
    middle = np.s_[44:52, 68:76]
    assert psnr(read_srgb(bent)[middle], read_srgb(plain)[middle]) > psnr(read_srgb(bent), read_srgb(plain)) + 6
    with pytest.raises(InputError, match=r"lens, jpeg_scale: expected -0\.2 to 0\.2 and 0\.1 to 1, got 1 and 1\.0"):
        make_camera_roll(tmp_path, lens=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "n_samples: expected an integer of 1 or more, got 0"),
        ({"image_size": 4}, "image_size: expected"),
        ({"camera": "Nikon"}, "camera: expected"),
        ({"cfa": "RRGB"}, "cfa: expected"),
        ({"camera": replace(CAMERAS["Virtual A"], crop=(1, 0, 0, 0))}, r"crop: expected even margins .*\(1, 0, 0, 0\)"),
    ],
)
def test_wrong_parameters_are_named(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_camera_roll(tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file: the folder cannot be made"):
        make_camera_roll(tmp_path / "file")


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_demosaicing_is_exact_on_smooth_grey_and_flat_colour(cfa: str) -> None:
    ramp = np.add.outer(np.arange(24), 2 * np.arange(30))[..., None] / np.float32(100)
    grey = np.repeat(ramp, 3, axis=2).astype(np.float32)
    np.testing.assert_allclose(demosaic(make_mosaic(grey, cfa), cfa)[2:-2, 2:-2], grey[2:-2, 2:-2], atol=1e-6)
    flat = np.broadcast_to(np.array([0.7, 0.4, 0.2], np.float32), (24, 30, 3))
    np.testing.assert_allclose(demosaic(make_mosaic(flat, cfa), cfa), flat, atol=1e-6)
