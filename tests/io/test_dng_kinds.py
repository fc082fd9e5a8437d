"""A DNG whose camera RGB cannot be computed is refused by the name of what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from dng_files import LEVELS, RGGB, tag, write_lossy_dng, write_tagged_dng

from ispfit.errors import FileError
from ispfit.io import read_raw
from ispfit.io.dng import CFA_PATTERNS
from ispfit.io.dng_facts import read_dng_facts
from ispfit.io.dng_lossy import decode_lossy_tiles

MOSAIC = np.random.default_rng(0).integers(600, 16000, (64, 96)).astype(np.uint16)


def cell(rows: int, columns: int, colors: list[int]) -> list[Any]:
    return [tag("CFARepeatPatternDim", "short", [rows, columns]), tag("CFAPattern", "byte", colors)]


def quad(bayer: str) -> list[int]:
    return (
        np.kron(np.array(["RGB".index(letter) for letter in bayer]).reshape(2, 2), np.ones((2, 2), int))
        .ravel()
        .tolist()
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("sub_ifd", [False, True])
def test_floating_point_samples(tmp_path: Path, dtype: Any, linear: bool, sub_ifd: bool) -> None:
    samples = np.full((64, 96, 3) if linear else (64, 96), 0.5, dtype)
    path = write_tagged_dng(tmp_path / "a.dng", samples, [] if linear else RGGB, sub_ifd=sub_ifd)
    with pytest.raises(FileError, match=r"a\.dng: expected a DNG with a Bayer .*; got floating-point samples \(half, "):
        read_raw(path)


@pytest.mark.parametrize("sub_ifd", [False, True])
@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (cell(4, 4, quad("RGGB")), "a Quad Bayer mosaic"),
        (cell(4, 4, quad("GBRG")), "a Quad Bayer mosaic"),
        (cell(2, 2, [0, 1, 2, 1]), "the mosaic RGBG, no Bayer cell"),
        (
            cell(4, 2, [0, 1, 1, 2, 1, 0, 2, 1]),
            "a mosaic whose cell of 4 x 2 pixels is neither a Bayer cell",
        ),
        (cell(6, 6, [1] * 36), "a mosaic whose cell of 6 x 6 pixels is neither"),
        (cell(2, 2, [1, 4, 3, 5]), "a mosaic of the colours green, cyan, magenta, yellow; expected red, green, blue"),
        (
            [*RGGB, tag("CFAPlaneColor", "byte", [3, 4, 5])],
            "a mosaic of the colours cyan, magenta, yellow, in this order; expected red, green, blue",
        ),
        ([*RGGB, tag("CFAPlaneColor", "byte", [0, 2, 1])], "a mosaic of the colours red, blue, green, in this order"),
        (cell(4, 4, 2 * [0, 1, 0, 1, 1, 2, 1, 2]), "a mosaic whose cell of 4 x 4 pixels is neither"),
        (
            [*RGGB, tag("CFAPlaneColor", "byte", [0, 1, 2, 6])],
            "a mosaic of the colours red, green, blue, white, in this order",
        ),
        ([*RGGB, tag("CFALayout", "short", [2])], r"a mosaic of staggered rows or columns \(CFALayout 2\)"),
    ],
)
def test_mosaics_of_other_colours_or_places(tmp_path: Path, tags: Any, found: str, sub_ifd: bool) -> None:
    path = write_tagged_dng(tmp_path / "a.dng", MOSAIC, [*tags, *LEVELS], sub_ifd=sub_ifd)
    with pytest.raises(FileError, match=rf"a\.dng: expected a DNG with a Bayer or X-Trans mosaic, .*; got {found}"):
        read_raw(path)


@pytest.mark.parametrize("bayer", CFA_PATTERNS)
def test_each_bayer_cell_is_read(tmp_path: Path, bayer: str) -> None:
    colors = np.array(["RGB".index(letter) for letter in bayer]).reshape(2, 2)
    codes = np.tile(512 + np.array([1000, 4000, 8000])[colors], (32, 48)).astype(np.uint16)
    raw = read_raw(write_tagged_dng(tmp_path / "a.dng", codes, [*cell(2, 2, colors.ravel().tolist()), *LEVELS]))
    np.testing.assert_allclose(raw[8:-8, 8:-8].mean((0, 1)), np.array([2000, 4000, 10000]) / 15871, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "keep", "message"), [("TileOffsets", 5, "it has 5 tiles, expected 2 x 2"), ("TileByteCounts", 3, "tile")]
)
def test_tiles_without_a_place_or_a_length_are_damage(tmp_path: Path, name: str, keep: int, message: str) -> None:
    path = write_lossy_dng(tmp_path / "a.dng", np.zeros((64, 96, 3), np.uint8), [], (32, 48))
    facts = read_dng_facts(path)
    assert facts is not None
    numbers = [*facts.tags.raw[name], 8][:keep]
    tags = replace(facts.tags, raw={**facts.tags.raw, name: tuple(numbers)})
    with pytest.raises(FileError, match=rf"a\.dng: the DNG is damaged: .*{message}"):
        decode_lossy_tiles(path, replace(facts, tags=tags))


def test_compressions_that_are_not_decoded(tmp_path: Path) -> None:
    path = write_lossy_dng(tmp_path / "a.dng", np.zeros((64, 96, 3), np.uint8), [], (64, 96))
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(52546)  # type: ignore[union-attr]
    with pytest.raises(
        FileError, match=r"a\.dng: expected .*; got JPEG XL compression, which LibRaw cannot decode; conv"
    ):
        read_raw(path)
    path = write_tagged_dng(tmp_path / "b.dng", MOSAIC, [*RGGB, *LEVELS])
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["Compression"].overwrite(34892)  # type: ignore[union-attr]
    with pytest.raises(FileError, match=r"b\.dng: expected .*; got a mosaic in lossy JPEG, which is not read"):
        read_raw(path)
