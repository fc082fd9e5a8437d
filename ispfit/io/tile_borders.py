"""Find tiles that may be damaged: wrong codes shift the samples that follow them in their tile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["torn_tiles"]

_LAST = 32  # rows or columns of a tile that are looked at; a shift lasts to its end
_MIN_RATIO = 1.5  # of the jump at a border to the mean of those beside it
_COMMON, _MAX_COMMON_ROWS = 0.5, 0.4  # share of a row's jumps that all of its samples make; share of such rows


def torn_tiles(samples: npt.NDArray[np.uint16], tile: tuple[int, int], cell: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return of each tile, row by row, whether samples jump at its borders.

    Many an edge of a picture lies on a border, too: this is a reason to look at the codes of a tile, and no proof. In a
    single tile, each row begins where the one above does, so that damage shifts rows against each other.

    Parameters
    ----------
    samples : H x W, or H x W x channels.
    tile : height and width of a tile, in pixels.
    cell : height and width of the cell of colour filters, 1 if each pixel has all colours.
    """
    down, across = (-(-side // length) for side, length in zip(samples.shape, tile, strict=False))
    if down * across == 1:
        return np.array([_rows_are_shifted(samples, cell[0])])
    torn = np.zeros((down, across), bool)
    for row, column in _jumps(samples, tile, cell[1]):
        torn[row, column : column + 2] = True
    for column, row in _jumps(samples.swapaxes(0, 1), tile[::-1], cell[0]):
        torn[row : row + 2, column] = True
    return torn.ravel()


def _rows_are_shifted(samples: npt.NDArray[np.uint16], cell: int) -> bool:
    last = samples[-2 * (_LAST + cell) :].astype(np.int32)
    jumps = 2 * last[cell:-cell] - last[: -2 * cell] - last[2 * cell :]  # a slope has none
    common = np.abs(jumps.mean(1)) > _COMMON * np.abs(jumps).mean(1)
    return bool(np.mean(common) > _MAX_COMMON_ROWS)


def _jumps(samples: npt.NDArray[Any], tile: tuple[int, int], cell: int) -> Iterator[tuple[int, int]]:
    """Yield row and column of each tile at whose right border samples of one colour jump."""
    height, width = samples.shape[:2]
    for row, top in enumerate(range(0, height, tile[0])):
        bottom = min(top + tile[0], height)
        rows = samples[max(top, bottom - _LAST) : bottom]
        for column, border in enumerate(range(tile[1], width, tile[1])):
            around = rows[:, max(0, border - 2 * cell) : border + 2 * cell].astype(np.int32)
            if around.shape[1] < 4 * cell:  # too narrow a tile to tell
                yield row, column
                continue
            before, at, after = np.abs(np.diff(around.reshape(len(rows), 4, -1), axis=1)).mean((0, 2))
            if at > _MIN_RATIO * (before + after) / 2 + 1:
                yield row, column
