"""Bytes behind the last part that the tags of a TIFF or DNG know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from ispfit.errors import InputWarning
from ispfit.io import read_raw, read_srgb
from tests.io.dng_files import BLACK, LEVELS, RGGB, WHITE, write_tagged_dng

NOISE = np.random.default_rng(0).bytes(1 << 17)
CODES = np.frombuffer(NOISE[: 96 * 64 * 3], np.uint8).reshape(64, 96, 3)
MOSAIC = np.random.default_rng(0).integers(BLACK, WHITE, (64, 96)).astype(np.uint16)


def insert(path: Path, added: bytes, place: int) -> str:
    data = path.read_bytes()
    path.write_bytes(data[:place] + added + data[place:])
    return (
        f"{path}: {len(added)} bytes follow the last part that its tags know. If no program added them, bytes were "
        "inserted in the file, and its picture is shifted from there on: compare it with the original."
    )


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"rowsperstrip": 7}, {"tile": (16, 16)}])
def test_inserted_bytes_in_a_tiff(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    how = {key: value for key, value in options.items() if key != "bigtiff"}
    tifffile.imwrite(path, CODES, photometric="rgb", bigtiff="bigtiff" in options, **how)
    read_srgb(path)
    message = insert(path, NOISE[:64], path.stat().st_size - 5000)
    with pytest.warns(InputWarning, match=f"^{re.escape(message)}$"):
        read_srgb(path)


@pytest.mark.parametrize("sub_ifd", [False, True])
def test_inserted_bytes_in_a_dng(tmp_path: Path, sub_ifd: bool) -> None:
    path = write_tagged_dng(tmp_path / "a.dng", MOSAIC, [*RGGB, *LEVELS], sub_ifd=sub_ifd)
    read_raw(path)
    message = insert(path, NOISE[:64], path.stat().st_size - 5000)
    with pytest.warns(InputWarning, match=f"^{re.escape(message)}$"):
        read_raw(path)


@pytest.mark.parametrize("tail", [NOISE[:32], bytes(4096), b"\xff" * 512, NOISE[: (1 << 16) + 1]])
def test_padding_and_appended_files_are_no_damage(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, CODES, photometric="rgb")
    insert(path, tail, path.stat().st_size)
    assert np.array_equal(np.round(read_srgb(path) * 255), CODES)


@pytest.mark.parametrize("block", [128, 512, 4096])
def test_odd_bytes_up_to_the_end_of_a_block_are_padding(tmp_path: Path, block: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, CODES, photometric="rgb")
    size = path.stat().st_size
    insert(path, NOISE[: -size % block], size)
    read_srgb(path)
    insert(path, b"x", size)
    with pytest.warns(InputWarning, match=f": {-size % block + 1} bytes follow the last part"):
        read_srgb(path)


def test_a_directory_behind_the_samples_is_the_last_part(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(CODES, photometric="rgb", metadata=None)
        file.write(CODES[:8, :8], photometric="rgb", subfiletype=1, metadata=None)
    read_srgb(path)
    insert(path, NOISE[:64], path.stat().st_size)
    with pytest.warns(InputWarning, match=": 64 bytes follow the last part"):
        read_srgb(path)
