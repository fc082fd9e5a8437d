"""`read_raw` on every kind of sensor and file: mosaics, X-Trans, linear DNG, levels, tables; others are refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rawpy

from ispfit.errors import FileError
from ispfit.io import read_raw
from ispfit.io.dng import CFA_PATTERNS, XTRANS, make_mosaic, write_dng
from ispfit.io.raw_damage import check_raw_samples

NEUTRAL, GAINS = (0.5, 1.0, 0.7), (2.0, 1.0, 1 / 0.7)


def field(shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Return a picture whose four quarters differ in colour."""
    rgb = np.full((*shape, 3), 0.1, np.float32)
    half = shape[0] // 2, shape[1] // 2
    rgb[:, : half[1], 0], rgb[: half[0], half[1] :, 1], rgb[half[0] :, half[1] :, 2] = 0.4, 0.5, 0.6
    return rgb


def middles(image: Any) -> Any:
    """Return the middle pixel of each quarter."""
    height, width = image.shape[:2]
    return np.asarray(image)[height // 4 :: height // 2, width // 4 :: width // 2][:2, :2]


def assert_colors(image: Any, rgb: Any, atol: float = 1e-4) -> None:
    np.testing.assert_allclose(middles(image), middles(rgb) * np.array(GAINS), atol=atol)


def encode(rgb: Any, black: Any, white: Any) -> Any:
    return np.round(np.array(black) + rgb * (np.array(white) - np.array(black))).astype(np.uint16)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_mosaics_of_10_to_14_bits(tmp_path: Path, cfa: str, bits: int) -> None:
    white, rgb = 2**bits - 1, field((64, 96))
    codes = make_mosaic(encode(rgb, white // 32, white), cfa)
    options = {"cfa": cfa, "bits": bits, "black_level": white // 32, "white_level": white}
    write_dng(tmp_path / "a.dng", codes, as_shot_neutral=NEUTRAL, **options)  # type: ignore[arg-type]
    assert_colors(read_raw(tmp_path / "a.dng"), rgb, atol=2 / white)


@pytest.mark.parametrize(("shape", "atol"), [((528, 600), 1e-4), ((72, 96), 4e-3)])
@pytest.mark.parametrize("area", [None, (3, 5, 60, 60)])
def test_x_trans(tmp_path: Path, shape: tuple[int, int], atol: float, area: Any) -> None:
    if area is not None:
        area = (*area[:2], shape[1] - 8, shape[0] - 10)
    rgb, (left, top, width, height) = field(shape), area or (0, 0, shape[1], shape[0])
    whole = np.zeros(shape, np.uint16)
    inside = np.s_[top : top + height, left : left + width]
    whole[inside] = make_mosaic(encode(rgb[inside], 512, 16383), XTRANS)  # the cell begins at the active area
    write_dng(tmp_path / "a.dng", whole, cfa=XTRANS, as_shot_neutral=NEUTRAL, active_area=area)
    assert read_raw(tmp_path / "a.dng").shape == (height, width, 3)
    assert_colors(read_raw(tmp_path / "a.dng"), rgb, atol)
    assert_colors(read_raw(tmp_path / "a.dng", half_size=True), rgb)


def test_a_linear_dng_with_levels_of_each_channel(tmp_path: Path) -> None:
    black, white, rgb = (500, 512, 530), (16383, 16000, 15000), field((64, 96))
    codes, levels = encode(rgb, black, white), {"black_level": black, "white_level": white}
    write_dng(tmp_path / "a.dng", codes, as_shot_neutral=NEUTRAL, **levels)  # type: ignore[arg-type]
    raw = read_raw(tmp_path / "a.dng")
    np.testing.assert_allclose(raw, rgb * np.array(GAINS, np.float32), atol=1e-4)
    assert raw.shot.white_balance == pytest.approx(GAINS)
    half = read_raw(tmp_path / "a.dng", half_size=True)
    np.testing.assert_allclose(half, raw[::2, ::2], atol=1e-6)


def test_a_linear_dng_is_cropped_turned_and_balanced_like_any_other(tmp_path: Path) -> None:
    rgb = field((64, 96))
    options: Any = {"orientation": 6, "crop": (8, 6, 80, 50), "active_area": (4, 2, 90, 60)}
    write_dng(tmp_path / "a.dng", encode(rgb, 512, 16383), as_shot_neutral=None, **options)
    raw = read_raw(tmp_path / "a.dng", white_balance=(2, 1, 1))
    want = np.rot90(rgb[8:58, 12:92] * np.array((2, 1, 1)), -1)
    np.testing.assert_allclose(raw, want, atol=1e-4)


def test_a_linearisation_table_comes_before_the_levels(tmp_path: Path) -> None:
    rgb, table = field((64, 96)), np.arange(256) ** 2 // 4
    stored = np.searchsorted(table, encode(rgb, 256, 16256)).astype(np.uint16)
    levels: Any = {"black_level": 256, "white_level": 16256}
    write_dng(
        tmp_path / "a.dng", make_mosaic(stored, "RGGB"), bits=8, linearization=table, as_shot_neutral=NEUTRAL, **levels
    )
    want = (table[stored] - 256) / 16000
    assert_colors(read_raw(tmp_path / "a.dng"), want)


def test_a_monochrome_file_is_refused(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", encode(field((64, 96)), 512, 16383)[..., 0])
    data = (tmp_path / "a.dng").read_bytes()
    (tmp_path / "a.dng").write_bytes(data.replace((32803).to_bytes(2, "little"), (34892).to_bytes(2, "little"), 1))
    with pytest.raises(FileError, match=r"a\.dng: expected a sensor of three colours, got a monochrome sensor, which"):
        read_raw(tmp_path / "a.dng")


def test_four_colours_and_stacked_layers_are_refused() -> None:
    stacked = SimpleNamespace(raw_type=rawpy.RawType.Stack)
    with pytest.raises(FileError, match=r"a\.x3f: expected a sensor mosaic or a linear DNG; .* \(Foveon\) .* not supp"):
        check_raw_samples(stacked, Path("a.x3f"), facts=None)
    four = SimpleNamespace(
        raw_type=rawpy.RawType.Flat, num_colors=4, color_desc=b"CMYG", raw_pattern=np.zeros((2, 2), np.uint8)
    )
    with pytest.raises(FileError, match=r"a\.crw: expected a sensor of three colours, got a sensor of 4 colours"):
        check_raw_samples(four, Path("a.crw"), facts=None)
