"""`read_raw` applies the opcodes of a DNG that change values, after the levels and after demosaicing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dng_files import (
    GAINS,
    LEVELS,
    RGGB,
    area,
    encode,
    gain_map,
    opcode_list,
    tag,
    write_lossy_dng,
    write_tagged_dng,
)

from ispfit.errors import FileError, InputWarning
from ispfit.io import read_raw
from ispfit.io.dng import make_mosaic

WHOLE = (0, 0, 64, 96)


@pytest.fixture
def flat() -> Any:
    return np.full((64, 96, 3), (0.1, 0.2, 0.16), np.float32)  # 0.2 after white balance


def shading(low: float, high: float) -> Any:
    """A gain that rises from the left to the right, at the height and width of the whole picture."""
    places = np.clip((np.arange(96) + 0.5) / 96, 0.25, 0.75)
    return (low + (high - low) * (places - 0.25) / 0.5)[None, :, None]


def write(path: Path, rgb: Any, lists: dict[int, bytes], *, linear: bool, **options: Any) -> Path:
    tags = [*([] if linear else RGGB), *LEVELS]
    tags += [tag(f"OpcodeList{number}", "undefined", data) for number, data in lists.items()]
    return write_tagged_dng(path, encode(rgb if linear else make_mosaic(rgb, "RGGB")), tags, **options)


@pytest.mark.parametrize("sub_ifd", [False, True])
@pytest.mark.parametrize("half_size", [False, True])
def test_a_gain_map_of_each_filter_of_the_mosaic(tmp_path: Path, flat: Any, half_size: bool, sub_ifd: bool) -> None:
    highest = {(0, 0): 3.0, (0, 1): 2.0, (1, 0): 2.0, (1, 1): 1.5}  # of the filters R, G, G, B
    maps = [
        (9, gain_map(area((*corner, 64, 96), step=(2, 2)), np.array([[[1], [gain]]]), (1, 0.5), (0, 0.25)))
        for corner, gain in highest.items()
    ]
    path = write(tmp_path / "a.dng", flat, {2: opcode_list(*maps)}, linear=False, sub_ifd=sub_ifd)
    want = 0.2 * np.concatenate([shading(1, 3), shading(1, 2), shading(1, 1.5)], axis=2).repeat(64, axis=0)
    want = want[::2].reshape(32, 48, 2, 3).mean(2) if half_size else want
    tolerance = 5e-3 if half_size else 2.5e-3  # of steps of 8e-3; demosaicing rounds the corners of the ramp
    np.testing.assert_allclose(read_raw(path, half_size=half_size), want, atol=tolerance)


@pytest.mark.parametrize(("number", "linear"), [(2, True), (3, True), (3, False)])
@pytest.mark.parametrize("half_size", [False, True])
def test_a_gain_map_of_each_channel(tmp_path: Path, flat: Any, linear: bool, half_size: bool, number: int) -> None:
    gains = np.stack([np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 2))], axis=2)
    gains[0, 1] = 3, 2, 1.5
    data = opcode_list((9, gain_map(area(WHOLE, n_planes=3), gains, (1, 0.5), (0, 0.25))))
    path = write(tmp_path / "a.dng", flat, {number: data}, linear=linear)
    want = 0.2 * np.concatenate([shading(1, 3), shading(1, 2), shading(1, 1.5)], axis=2).repeat(64, axis=0)
    want = want[::2].reshape(32, 48, 2, 3).mean(2) if half_size else want
    np.testing.assert_allclose(read_raw(path, half_size=half_size), want, atol=2e-3)


def test_a_gain_map_counts_from_the_active_area_and_may_cover_a_part(tmp_path: Path, flat: Any) -> None:
    data = opcode_list((9, gain_map(area((10, 20, 30, 50), n_planes=3), [[[2]]], (1, 1), (0, 0))))
    tags = [*LEVELS, tag("OpcodeList2", "undefined", data), tag("ActiveArea", "long", [3, 5, 64, 96])]
    raw = read_raw(write_tagged_dng(tmp_path / "a.dng", encode(flat), tags))
    want = np.full((61, 91, 3), 0.2)
    want[10:30, 20:50] = 0.4
    np.testing.assert_allclose(raw, want, atol=1e-4)


def test_a_gain_does_not_lift_a_channel_over_its_white(tmp_path: Path, flat: Any) -> None:
    for number, linear in ((2, True), (3, False)):
        data = opcode_list((9, gain_map(area(WHOLE, n_planes=3), [[[20]]], (1, 1), (0, 0))))
        path = write(tmp_path / "a.dng", flat, {number: data}, linear=linear)
        np.testing.assert_allclose(read_raw(path, highlights="keep"), flat * 0 + GAINS, atol=1e-4)


ROWS = np.linspace(0.5, 1.5, 64)


@pytest.mark.parametrize(
    ("opcode", "expected"),
    [
        ((7, struct.pack(">L65536H", 65536, *(np.arange(65536) // 2))), 0.5),
        ((7, struct.pack(">L3H", 3, 0, 1, 6553)), "table that ends"),
        ((8, struct.pack(">L3d", 2, 0.1, 0.5, 2)), "polynomial"),
        ((10, struct.pack(">L64f", 64, *(ROWS / 10))), "rows added"),
        ((12, struct.pack(">L64f", 64, *ROWS)), "rows multiplied"),
        ((11, struct.pack(">L96f", 96, *np.linspace(0, 0.1, 96))), "columns added"),
        ((13, struct.pack(">L96f", 96, *np.linspace(0.5, 1, 96))), "columns multiplied"),
    ],
)
def test_tables_polynomials_rows_and_columns(tmp_path: Path, flat: Any, opcode: Any, expected: Any) -> None:
    number, data = opcode
    path = write(tmp_path / "a.dng", flat, {2: opcode_list((number, area(WHOLE, n_planes=3) + data))}, linear=True)
    want = {
        0.5: flat / 2,
        "table that ends": np.full_like(flat, 6553 / 65535),
        "polynomial": 0.1 + 0.5 * flat + 2 * flat**2,
        "rows added": flat + (ROWS / 10)[:, None, None],
        "rows multiplied": flat * ROWS[:, None, None],
        "columns added": flat + np.linspace(0, 0.1, 96)[:, None],
        "columns multiplied": flat * np.linspace(0.5, 1, 96)[:, None],
    }[expected]
    np.testing.assert_allclose(read_raw(path), np.minimum(want * GAINS, 1), atol=2e-4)


@pytest.mark.parametrize("half_size", [False, True])
@pytest.mark.parametrize("linear", [False, True])
def test_the_vignette_of_a_lens(tmp_path: Path, flat: Any, linear: bool, half_size: bool) -> None:
    data = opcode_list((3, struct.pack(">7d", 0.5, 0.25, 0, 0, 0.125, 0.25, 0.5)))
    path = write(tmp_path / "a.dng", flat, {3: data}, linear=linear)
    y, x = np.mgrid[:64, :96] + 0.5
    square = ((y - 32) ** 2 + (x - 24) ** 2) / (32**2 + 72**2)  # the right corners are further away
    want = np.full((64, 96, 3), 0.2) * (1 + 0.5 * square + 0.25 * square**2 + 0.125 * square**5)[..., None]
    want = want.reshape(32, 2, 48, 2, 3).mean((1, 3)) if half_size else want
    np.testing.assert_allclose(read_raw(path, half_size=half_size), want, atol=2e-4)


def test_opcodes_follow_each_other_and_those_that_move_pixels_are_left_out(tmp_path: Path, flat: Any) -> None:
    half, warp, unknown = struct.pack(">L2d", 1, 0, 0.5), (1, bytes(60)), (99, b"abc")
    plus = struct.pack(">L2d", 1, 0.1, 1)
    data = opcode_list((8, area(WHOLE, n_planes=3) + half), warp, unknown, (8, area(WHOLE, n_planes=3) + plus))
    path = write(tmp_path / "a.dng", flat, {2: data}, linear=True)
    with pytest.warns(InputWarning, match=r"a\.dng: these opcodes of the DNG are not applied: opcode 99\."):
        raw = read_raw(path)
    np.testing.assert_allclose(raw, (flat / 2 + 0.1) * GAINS, atol=1e-4)


def test_corrections_that_are_not_applied_are_named(tmp_path: Path, flat: Any) -> None:
    gain, bad = (9, gain_map(area(WHOLE), [[[2]]], (1, 1), (0, 0))), (4, bytes(8))
    lists = {1: opcode_list(gain, bad), 3: opcode_list((6, bytes(16)), (1, bytes(60)))}
    path = write(tmp_path / "a.dng", flat, lists, linear=False)
    with pytest.warns(InputWarning, match=r"a\.dng: these opcodes of the DNG are not applied: GainMap, TrimBounds\."):
        read_raw(path)
    path = write(tmp_path / "b.dng", flat, {1: opcode_list(bad), 3: opcode_list((1, bytes(60)))}, linear=False)
    np.testing.assert_allclose(read_raw(path), flat * GAINS, atol=1e-4)  # without a warning


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack(">L", 2) + opcode_list((1, b""))[4:], "its list of 2 opcodes ends after 1"),
        (opcode_list((9, bytes(40)))[:-1], "its list of 1 opcodes ends in opcode 1"),
        (opcode_list((9, bytes(8))), "its GainMap has 8 bytes"),
        (opcode_list((9, area(WHOLE) + bytes(4))), "its GainMap is cut short"),
        (
            opcode_list((9, gain_map(area(WHOLE), [[[1]]], (0, 1), (0, 0)))),
            "GainMap has 1 x 1 points at dist",
        ),
        (opcode_list((9, gain_map(area(WHOLE), [[[1]]], (1, 1), (0, 0))[:-4])), "its GainMap is cut short"),
        (opcode_list((9, gain_map(area(WHOLE), [[[np.nan]]], (1, 1), (0, 0)))), "GainMap has numbers that are not fin"),
        (opcode_list((9, area(WHOLE, step=(0, 1)) + bytes(99))), "an opcode has a pitch of 0"),
        (opcode_list((8, area(WHOLE) + struct.pack(">Ld", 2**32 - 1, 1))), "its MapPolynomial is cut short"),
        (opcode_list((7, area(WHOLE) + struct.pack(">L", 0))), "its MapTable is empty"),
        (opcode_list((10, area(WHOLE) + struct.pack(">L", 0))), "its DeltaPerRow or ScalePerRow is empty"),
        (opcode_list((3, bytes(20))), "its FixVignetteRadial is cut short"),
    ],
)
def test_a_damaged_opcode_is_told(tmp_path: Path, flat: Any, data: bytes, reason: str) -> None:
    for number, linear in ((2, True), (2, False), (3, False)):
        path = write(tmp_path / "a.dng", flat, {number: data}, linear=linear)
        with pytest.raises(FileError, match=rf"a\.dng: OpcodeList{number} of the DNG is damaged: .*{reason}"):
            read_raw(path)


# Lossy DNG: codes of 8 bits in tiles of JPEG.


def polynomial(number: int, *coefficients: float) -> tuple[int, bytes]:
    data = struct.pack(f">L{len(coefficients)}d", len(coefficients) - 1, *coefficients)
    return 8, area((0, 0, 2**20, 2**20), first=number) + data


@pytest.mark.parametrize("tile", [(64, 96), (32, 32), (48, 80)])
@pytest.mark.parametrize("half_size", [False, True])
def test_in_a_lossy_dng_black_comes_before_the_polynomial(
    tmp_path: Path, tile: tuple[int, int], half_size: bool
) -> None:
    codes = np.zeros((64, 96, 3), np.uint8)
    codes[...] = 51 + np.arange(96)[:, None]
    lists = opcode_list(polynomial(0, 0, 0, 1), polynomial(1, 0, 0.5, 0.5), polynomial(2, 0, 1))
    tags = [
        tag("BlackLevel", "short", [51, 51, 51]),
        tag("WhiteLevel", "short", [255, 255, 255]),
        tag("OpcodeList2", "undefined", lists),
        tag("DefaultCropOrigin", "long", [4, 2]),
        tag("DefaultCropSize", "long", [80, 60]),
    ]
    light = np.arange(96)[None, :, None] / 204 * np.ones((64, 1, 3))
    light = np.concatenate([light[..., :1] ** 2, (light[..., :1] + light[..., :1] ** 2) / 2, light[..., :1]], axis=2)
    want = np.minimum(light[2:62, 4:84] * GAINS, 1)
    want = want.reshape(30, 2, 40, 2, 3).mean((1, 3)) if half_size else want
    raw = read_raw(write_lossy_dng(tmp_path / "a.dng", codes, tags, tile), half_size=half_size)
    np.testing.assert_allclose(raw, want, atol=0.02)  # JPEG: two codes of 204
    assert np.abs(raw - want).mean() < 2e-3


def test_a_lossy_dng_without_opcodes_is_linear(tmp_path: Path) -> None:
    codes = np.full((64, 96, 3), 102, np.uint8)
    raw = read_raw(write_lossy_dng(tmp_path / "a.dng", codes, [], (32, 32)), highlights="keep")
    np.testing.assert_allclose(raw, 0.4 * GAINS * np.ones((64, 96, 1)), atol=0.01)


@pytest.mark.parametrize("place", ["header", "data"])
def test_a_damaged_tile_is_told(tmp_path: Path, place: str) -> None:
    codes = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    path = write_lossy_dng(tmp_path / "a.dng", codes, [], (32, 32))
    data = bytearray(path.read_bytes())
    mark = b"\xff\xd8\xff" if place == "header" else b"\xff\xda"
    third = [at for at in range(len(data)) if data[at : at + len(mark)] == mark][2]
    if place == "header":
        data[third : third + 4] = bytes(4)
    else:
        data[third + 100 : third + 500] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"a\.dng: (the DNG is damaged: a tile cannot be|LibRaw cannot read)"):
        read_raw(path)
