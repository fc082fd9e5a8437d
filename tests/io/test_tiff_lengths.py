"""Damaged LZW codes of a TIFF, which decode to a wrong length."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from ispfit.errors import FileError
from ispfit.io import read_raw, read_srgb

CODES = np.random.default_rng(0).integers(0, 9, (64, 96, 3)).cumsum(1).astype(np.uint8)
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"predictor": True, "rowsperstrip": 5},
    {"tile": (48, 64), "byteorder": ">"},
]


def write(path: Path, **options: Any) -> tifffile.TiffPage:
    tifffile.imwrite(path, CODES, photometric="rgb", compression="lzw", **options)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        return page


def replace_codes(path: Path, page: tifffile.TiffPage, index: int, codes: bytes) -> None:
    """Replace the codes of a strip or tile; what is left of the old ones follows the end of the new ones."""
    data = bytearray(path.read_bytes())
    assert len(codes) <= page.databytecounts[index]
    data[page.dataoffsets[index] : page.dataoffsets[index] + len(codes)] = codes
    path.write_bytes(data)


@pytest.mark.parametrize("options", LAYOUTS)
def test_a_strip_that_holds_more_than_its_pixels_is_damaged(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    page = write(path, **options)
    assert np.array_equal(np.round(read_srgb(path) * 255), CODES)
    rows, columns = options.get("tile", (options.get("rowsperstrip", 64), 96))
    replace_codes(path, page, 1 % len(page.dataoffsets), imagecodecs.lzw_encode(bytes(rows * columns * 3 + 1)))
    number = 1 + 1 % len(page.dataoffsets)
    message = f"{path}: the file is damaged: strip or tile {number} holds more than its pixels."
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        read_srgb(path)


@pytest.mark.parametrize(("surplus", "damaged"), [(1, True), (287, True), (288, False), (300, False)])
def test_whole_rows_below_the_picture_are_no_damage(tmp_path: Path, surplus: int, damaged: bool) -> None:
    path = tmp_path / "a.tif"
    page = write(path, rowsperstrip=12)
    replace_codes(path, page, 5, imagecodecs.lzw_encode(bytes(4 * 96 * 3 + surplus)))
    if damaged:
        with pytest.raises(FileError, match="strip or tile 6 holds more than its pixels"):
            read_srgb(path)
    else:
        assert np.array_equal(np.round(read_srgb(path) * 255)[:60], CODES[:60])


def test_linear_tiffs_and_flipped_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, CODES.astype(np.uint16) << 8, photometric="rgb", compression="lzw")
    whole, found = path.read_bytes(), set()
    for place in range(len(whole) // 4, len(whole) // 2, 97):
        data = bytearray(whole)
        data[place] ^= 16
        path.write_bytes(data)
        try:
            read_raw(path)
        except FileError as error:
            found.add(str(error))
    assert f"{path}: the file is damaged: strip or tile 1 holds more than its pixels." in found
