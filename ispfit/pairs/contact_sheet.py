"""The contact sheet of a folder of pairs: checkerboards of raw and srgb, before and after registration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageDraw

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.errors import FileError, decoding
from ispfit.files import atomic_path
from ispfit.images import FloatImage

__all__ = ["checkerboards", "read_tiles", "tiles_of", "write_sheet", "write_tiles"]

_TILE_PX, _SQUARE_PX = 144, 24
_GAP_PX, _CAPTION_PX = 6, 16
_PAIRS_PER_LINE = 2

_Codes = npt.NDArray[np.uint8]


def checkerboards(pair: tuple[FloatImage, FloatImage]) -> list[_Codes]:
    """Return two parts of a pair, a corner and the middle, with squares of the raw and of the srgb in turn.

    If the pair is registered, lines continue from square to square.

    Parameters
    ----------
    pair : raw and srgb, float32 H x W x 3 of one shape. The raw is shown in the srgb's mean colour.
    """
    raw, srgb = np.asarray(pair[0]), np.asarray(pair[1])
    gains = srgb_to_linear(srgb).mean((0, 1)) / np.maximum(raw.mean((0, 1)), 1e-6)
    shown = linear_to_srgb(np.clip(raw * gains, 0, 1))
    rows, columns = (np.arange(side) // _SQUARE_PX for side in srgb.shape[:2])
    mixed = np.where((rows[:, None, None] + columns[:, None]) % 2 == 0, srgb, shown)
    codes = np.rint(np.clip(mixed, 0, 1) * 255).astype(np.uint8)
    corner = [side // 20 for side in codes.shape[:2]]
    middle = [max(0, (side - _TILE_PX) // 2) for side in codes.shape[:2]]
    return [_framed(codes[top : top + _TILE_PX, left : left + _TILE_PX]) for top, left in (corner, middle)]


def tiles_of(pairs: Sequence[tuple[FloatImage, FloatImage]]) -> list[_Codes]:
    """Return the checkerboards of several versions of a pair, one after the other."""
    return [tile for pair in pairs for tile in checkerboards(pair)]


def write_tiles(path: Path, tiles: Sequence[_Codes]) -> None:
    """Write tiles side by side as one PNG."""
    with atomic_path(path) as temporary:
        PILImage.fromarray(np.concatenate(tiles, axis=1)).save(temporary, format="PNG")


def read_tiles(path: Path) -> list[_Codes]:
    """Read what `write_tiles` wrote. If the file is gone or damaged, return no tiles: nothing depends on them."""
    try:
        with decoding(path), PILImage.open(path, formats=["PNG"]) as picture:
            codes = np.asarray(picture.convert("RGB"))
    except FileError:
        return []
    return np.split(codes, codes.shape[1] // _TILE_PX, axis=1) if codes.shape[1] % _TILE_PX == 0 else []


def write_sheet(path: Path, rows: Sequence[tuple[str, Sequence[_Codes]]]) -> None:
    """Write the tiles of each pair under its caption, two pairs side by side, as one PNG."""
    width = max(4, *(len(tiles) for _, tiles in rows)) * (_TILE_PX + _GAP_PX) + 2 * _GAP_PX
    height = _TILE_PX + _CAPTION_PX + _GAP_PX
    lines = -(-len(rows) // _PAIRS_PER_LINE)
    sheet = PILImage.new("RGB", (width * min(_PAIRS_PER_LINE, len(rows)), lines * height + _GAP_PX), (32, 32, 32))
    draw = ImageDraw.Draw(sheet)
    for index, (caption, tiles) in enumerate(rows):
        left, top = index % _PAIRS_PER_LINE * width + _GAP_PX, index // _PAIRS_PER_LINE * height + _GAP_PX
        draw.text((left, top), caption.encode("ascii", "replace").decode(), fill=(230, 230, 230))
        for position, tile in enumerate(tiles):
            sheet.paste(PILImage.fromarray(tile), (left + position * (_TILE_PX + _GAP_PX), top + _CAPTION_PX))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG")


def _framed(part: _Codes) -> _Codes:
    """Return the part on a tile of full size."""
    tile = np.zeros((_TILE_PX, _TILE_PX, 3), np.uint8)
    tile[: part.shape[0], : part.shape[1]] = part
    return tile
