"""`read_raw` returns the recorded light in the right place, colour and scale."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from ispfit.errors import FileError, InputError, WhiteBalanceError
from ispfit.io import read_raw
from ispfit.io.dng import CFA_PATTERNS
from ispfit.io.dng_digest import new_raw_image_digest

NEUTRAL = (0.5, 1.0, 0.7)
GAINS = (2.0, 1.0, 1 / 0.7)
QUANTUM = 1e-4  # one code of 14 bits times the largest gain
TURNS = {1: 0, 3: 2, 6: -1, 8: 1}  # EXIF orientation: quarter turns counter-clockwise


def balanced(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return rgb * np.array(GAINS, np.float32)


def inside(image: np.ndarray[Any, Any], edge: int = 6) -> np.ndarray[Any, Any]:
    """Return the four quarters of a picture without their edges, at which demosaicing is inexact."""
    halves = [np.r_[edge : n // 2 - edge, n // 2 + edge : n - edge] for n in image.shape[:2]]
    return np.asarray(image)[np.ix_(*halves)]


@pytest.mark.parametrize("black", [512, 0, (500, 520, 540, 600)])
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_flat_patches_come_back_white_balanced_for_every_cfa_and_black_level(
    patches: Any, write_shot: Any, cfa: str, black: Any
) -> None:
    raw = read_raw(write_shot(patches, cfa=cfa, black_level=black, as_shot_neutral=NEUTRAL))
    assert raw.dtype == np.float32
    np.testing.assert_allclose(inside(raw), inside(balanced(patches)), atol=QUANTUM)


@pytest.mark.parametrize(("white", "black"), [(1023, 64), (4095, 256), (65535, 1024)])
def test_saturation_is_one_whatever_the_bits(patches: Any, write_shot: Any, white: int, black: int) -> None:
    raw = read_raw(write_shot(patches, white_level=white, black_level=black))
    np.testing.assert_allclose(inside(raw), inside(patches), atol=0.6 / (white - black) + QUANTUM)


@pytest.mark.parametrize("orientation", TURNS)
def test_the_crop_box_is_cut_and_then_turned_upright(patches: Any, write_shot: Any, orientation: int) -> None:
    raw = read_raw(write_shot(patches, as_shot_neutral=NEUTRAL, orientation=orientation, crop=(8, 6, 80, 50)))
    want = np.rot90(balanced(patches)[6:56, 8:88], TURNS[orientation])
    assert raw.shape == want.shape
    assert np.mean(np.abs(raw - want) < QUANTUM) > 0.85


@pytest.mark.parametrize("orientation", [2, 4, 5, 7])
def test_mirrored_orientations_are_turned_back(patches: Any, write_shot: Any, orientation: int) -> None:
    raw = read_raw(write_shot(patches, orientation=orientation))
    mirrored = patches[:, ::-1]
    want = {2: mirrored, 4: np.rot90(mirrored, 2), 5: np.rot90(mirrored, 1), 7: np.rot90(mirrored, -1)}[orientation]
    assert np.mean(np.abs(raw - want) < QUANTUM) > 0.85


def test_the_crop_counts_from_the_active_area(patches: Any, write_shot: Any) -> None:
    path = write_shot(patches, as_shot_neutral=NEUTRAL, active_area=(16, 8, 80, 52), crop=(4, 2, 64, 40))
    want = balanced(patches)[10:50, 20:84]
    raw = read_raw(path)
    assert raw.shape == want.shape
    assert np.mean(np.abs(raw - want) < QUANTUM) > 0.85


@pytest.mark.parametrize("options", [{}, {"crop": (8, 6, 80, 50)}, {"orientation": 6}])
def test_half_size_has_one_pixel_for_each_cell_of_the_mosaic(patches: Any, write_shot: Any, options: Any) -> None:
    path = write_shot(patches, as_shot_neutral=NEUTRAL, **options)
    whole, half = read_raw(path), read_raw(path, half_size=True)
    assert half.shape == (whole.shape[0] // 2, whole.shape[1] // 2, 3)
    np.testing.assert_allclose(inside(half, 4), inside(whole[::2, ::2], 4), atol=QUANTUM)


def test_highlights(write_shot: Any) -> None:
    rgb = np.full((64, 64, 3), 0.2, np.float32)
    rgb[:, 32:] = 1
    path = write_shot(rgb, as_shot_neutral=NEUTRAL)
    want = {"clip": (1.0, 1.0, 1.0), "keep": GAINS, "scale": (1.0, 0.5, 0.5 / 0.7)}
    for option, color in want.items():
        saturated = read_raw(path, highlights=option)[8:-8, 40:-8]  # type: ignore[arg-type]
        np.testing.assert_allclose(saturated, np.broadcast_to(color, saturated.shape), atol=QUANTUM)


def test_saturated_areas_are_neutral_also_where_a_gain_is_below_one(write_shot: Any) -> None:
    rgb = np.ones((64, 64, 3), np.float32)
    rgb[:, :32] = 0.25
    raw = read_raw(write_shot(rgb, as_shot_neutral=(1.25, 1.0, 0.5)))
    np.testing.assert_allclose(raw[8:-8, 40:-8], 1, atol=QUANTUM)
    np.testing.assert_allclose(raw[20, 16], np.array([0.25, 0.25 / 0.8, 0.5 / 0.8]), atol=QUANTUM)


def test_an_unknown_treatment_of_highlights_is_refused(write_shot: Any, patches: Any) -> None:
    with pytest.raises(InputError, match="highlights: expected one of clip, keep, scale, got 'blend'"):
        read_raw(write_shot(patches), highlights="blend")  # type: ignore[arg-type]


def test_the_white_balance_can_be_given(patches: Any, write_shot: Any) -> None:
    raw = read_raw(write_shot(patches, as_shot_neutral=None), white_balance=(3.0, 2.0, 3.0))
    assert raw.shot.white_balance == (1.5, 1.0, 1.5)
    np.testing.assert_allclose(inside(raw), inside(patches * np.array([1.5, 1, 1.5], np.float32)), atol=QUANTUM)


@pytest.mark.parametrize("gains", [(1, 2), (1, 0, 1), (1, -1, 1), (1, float("nan"), 1), (1000, 1, 1)])
def test_a_given_white_balance_must_be_one(patches: Any, write_shot: Any, gains: Any) -> None:
    with pytest.raises(InputError, match=r"white_balance: expected three positive gains \(r, g, b\), got"):
        read_raw(write_shot(patches), white_balance=gains)


@pytest.mark.parametrize("neutral", [None, (0.0, 1.0, 0.5), (1e-6, 1.0, 1.0)])
def test_a_missing_or_impossible_white_balance_names_the_option(patches: Any, write_shot: Any, neutral: Any) -> None:
    path = write_shot(patches, as_shot_neutral=neutral)
    with pytest.raises(WhiteBalanceError, match=r"shot\.dng: carries no usable .* white_balance=\(r, g, b\)\."):
        read_raw(path)


def test_a_neutral_of_ones_is_a_white_balance(patches: Any, write_shot: Any) -> None:
    assert read_raw(write_shot(patches, as_shot_neutral=(1, 1, 1))).shot.white_balance == (1.0, 1.0, 1.0)


def test_the_image_knows_its_shot(patches: Any, write_shot: Any) -> None:
    path = write_shot(
        patches, "DSC 0001.DNG", make="Nikon", model="D600", iso=800, exposure_time=1 / 60, as_shot_neutral=NEUTRAL
    )
    shot = read_raw(path).shot
    assert (shot.name, shot.make, shot.model, shot.iso) == ("DSC 0001", "Nikon", "D600", 800)
    assert shot.exposure_time == pytest.approx(1 / 60)
    assert shot.white_balance == pytest.approx(GAINS)


def test_size_averages_areas(patches: Any, write_shot: Any) -> None:
    raw = read_raw(write_shot(patches), size=(8, 12))
    assert raw.shape == (8, 12, 3)
    assert raw.shot.name == "shot"
    np.testing.assert_allclose(raw[2, 2], patches[20, 20], atol=QUANTUM)


@pytest.mark.parametrize("size", [0, (8, -1), (1, 2, 3), 2.5])
def test_size_must_be_one(patches: Any, write_shot: Any, size: Any) -> None:
    with pytest.raises(InputError, match=r"size: expected the longer side in pixels, or \(height, width\)"):
        read_raw(write_shot(patches), size=size)


# -- linear TIFF files


@pytest.mark.parametrize("suffix", [".tif", ".TIFF"])
def test_a_16_bit_tiff_is_raw_already(tmp_path: Path, patches: Any, suffix: str) -> None:
    tifffile.imwrite(tmp_path / f"a{suffix}", np.round(patches * 65535).astype(np.uint16), photometric="rgb")
    raw = read_raw(tmp_path / f"a{suffix}")
    assert (raw.dtype, raw.shot.name) == (np.float32, "a")
    np.testing.assert_allclose(raw, patches, atol=1e-5)
    assert read_raw(tmp_path / f"a{suffix}", half_size=True).shape == (32, 48, 3)


def test_a_float_tiff_is_taken_as_it_is_but_for_the_highlights(tmp_path: Path, patches: Any) -> None:
    tifffile.imwrite(tmp_path / "a.tif", patches * 2, photometric="rgb")
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif", highlights="keep"), patches * 2)
    np.testing.assert_array_equal(read_raw(tmp_path / "a.tif"), np.minimum(patches * 2, 1))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((8, 8, 3), np.uint8), "expected a linear TIFF of 16-bit integers or floats, got uint8"),
        (np.zeros((8, 8), np.uint16), r"expected an image of shape \(H, W, 3\), got \(8, 8\)"),
        (np.full((8, 8, 3), np.nan, np.float32), "contains NaN or infinite values"),
    ],
)
def test_other_tiffs_are_refused(tmp_path: Path, pixels: Any, message: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack")
    with pytest.raises(FileError, match=rf"a\.tif: {message}"):
        read_raw(tmp_path / "a.tif")


def test_a_tiff_takes_no_white_balance(tmp_path: Path, patches: Any) -> None:
    tifffile.imwrite(tmp_path / "a.tif", patches, photometric="rgb")
    with pytest.raises(InputError, match=r"a\.tif: a TIFF file is white-balanced already"):
        read_raw(tmp_path / "a.tif", white_balance=(2, 1, 2))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_truncated_tiff_is_an_error(tmp_path: Path, share: float, compression: Any) -> None:
    path = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), np.uint16)
    tifffile.imwrite(path, noise, photometric="rgb", compression=compression)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(FileError, match=r"a\.tif: (not a readable TIFF file|the file is damaged)"):
        read_raw(path)


# -- broken files


@pytest.mark.parametrize("suffix", [".dng", ".tif", ".nef"])
def test_what_is_not_an_image_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(FileError, match=rf"a\{suffix}: cannot be read: No such file or directory\."):
        read_raw(path)
    path.touch()
    with pytest.raises(FileError, match=rf"a\{suffix}: the file is empty\."):
        read_raw(path)
    path.write_text("this is a shopping list, not a picture\n" * 50)
    with pytest.raises(FileError, match=rf"a\{suffix}: (LibRaw cannot read it: Unsupp|not a readable TIFF file).*\."):
        read_raw(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(FileError, match=rf"a\{suffix}: expected a file, got a folder\."):
        read_raw(path)


def test_a_jpeg_is_sent_to_the_other_function(tmp_path: Path, jpeg: Any, patches: Any) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(patches))
    with pytest.raises(FileError, match=r"a\.jpg: LibRaw cannot read it: .* use read_srgb"):
        read_raw(tmp_path / "a.jpg")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_dng_is_an_error(patches: Any, write_shot: Any, share: float) -> None:
    path = write_shot(patches)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(FileError, match=r"shot\.dng: (LibRaw cannot read it|the DNG is damaged: its directories)"):
        read_raw(path)


def test_areas_that_were_never_read_are_an_error(patches: Any, write_shot: Any) -> None:
    path = write_shot(patches)
    data = path.read_bytes()
    path.write_bytes(data[: -patches.size // 4].ljust(len(data), b"\0"))
    with pytest.raises(FileError, match=r"shot\.dng: the file is damaged: 2,304 of its 6,144 samples are zero, in"):
        read_raw(path)


def test_one_missing_row_is_enough_but_single_dead_samples_are_not(patches: Any, write_shot: Any) -> None:
    path = write_shot(patches)
    data = bytearray(path.read_bytes())
    start = len(data) - 2 * 64 * 96
    digest = new_raw_image_digest(np.frombuffer(data[start:], "<u2").reshape(64, 96))
    data = data.replace(digest, bytes(16))  # as of a camera, which writes none
    for sample in range(0, 64 * 96, 97):
        data[start + 2 * sample : start + 2 * sample + 2] = b"\0\0"
    path.write_bytes(data)
    read_raw(path)
    data[-20 * 192 : -19 * 192] = bytes(192)
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"the file is damaged: \d{3} of its 6,144 samples are zero, in whole areas"):
        read_raw(path)


def test_deep_shadows_of_a_sensor_whose_black_is_zero_are_no_damage(patches: Any, write_shot: Any) -> None:
    dark = patches.copy()
    dark[:12] = 0
    assert read_raw(write_shot(dark, black_level=0))[:8].max() == 0


def test_a_frame_without_a_picture_is_an_error(write_shot: Any) -> None:
    path = write_shot(np.zeros((64, 64, 3), np.float32))
    with pytest.raises(FileError, match="the file is damaged: all of its samples are equal"):
        read_raw(path)


def test_levels_that_leave_no_range_are_an_error(patches: Any, write_shot: Any) -> None:
    path = write_shot(patches, black_level=600, white_level=500)
    with pytest.raises(FileError, match="white level 500 is not above its black level 600"):
        read_raw(path)


def test_an_absurd_size_is_refused_before_it_takes_memory(patches: Any, write_shot: Any) -> None:
    path = write_shot(patches)
    data = path.read_bytes()
    wide = data.replace((96).to_bytes(4, "little"), (60000).to_bytes(4, "little"))
    path.write_bytes(wide.replace((64).to_bytes(4, "little"), (60000).to_bytes(4, "little")))
    with pytest.raises(FileError, match=r"shot\.dng: (its header claims 60000 x 60000 pixels|LibRaw cannot read it)"):
        read_raw(path)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files through /proc")
def test_files_are_closed_after_success_and_failure(patches: Any, write_shot: Any) -> None:
    good, bad = write_shot(patches), write_shot(patches, "bad.dng")
    bad.write_bytes(bad.read_bytes()[:9000])
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    read_raw(good)
    for _ in range(3):
        with pytest.raises(FileError):
            read_raw(bad)
    assert len(os.listdir("/proc/self/fd")) == len(before)  # noqa: PTH208


# -- real files


def test_a_canon_crw_without_exif(shared_data: Path) -> None:
    raw = read_raw(shared_data / "raw-files" / "light.crw", half_size=True)
    assert raw.shape == (852, 1136, 3)
    assert raw.shot.camera == "Canon PowerShot G2"
    assert raw.shot.white_balance == pytest.approx((2185 / 1048, 1, 1316 / 1048))
    assert (raw.shot.iso, raw.shot.exposure_time) == (50, pytest.approx(1 / 60, rel=1e-3))
    np.testing.assert_allclose(raw.mean((0, 1)), (0.1787, 0.1441, 0.1197), atol=2e-4)


def test_a_blackmagic_dng_with_a_linearisation_table(shared_data: Path) -> None:
    raw = read_raw(shared_data / "raw-files" / "Blackmagic.dng", half_size=True)
    assert raw.shape == (1080, 2048, 3)
    assert raw.shot.camera == "Blackmagic Pocket Cinema Camera 4K"
    assert raw.shot.white_balance == pytest.approx((1 / 0.4533, 1, 1 / 0.53))
    np.testing.assert_allclose(raw.mean((0, 1)), (0.1148, 0.1322, 0.1428), atol=2e-4)
