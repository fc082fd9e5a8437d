"""Telling a damaged JPEG: decoders go on after damage as if nothing had been, grey or shifted in colour."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg

from ispfit.errors import FileError

__all__ = ["check_jpeg", "check_seams"]

_HARMLESS = re.compile(
    r"Corrupt JPEG data: [12] extraneous bytes before marker 0xd9"
)  # padding that some cameras leave
_LEAST_SHIFT = 4.0  # codes
_SEAM = 0.5  # share of a seam's columns; undamaged photographs stay below 0.3


def check_jpeg(data: bytes, source: Path) -> None:
    """Raise a `FileError` if libjpeg has any doubt of a JPEG: data that end early or too late, impossible codes.

    Parameters
    ----------
    data : the file's bytes. Its entropy-coded data are decoded once more, to an image of an eighth of the size.
    source : named in the message.
    """
    try:
        *_, space, _ = simplejpeg.decode_jpeg_header(data)
        colors = "CMYK" if space.upper() in {"CMYK", "YCCK"} else "GRAY"
        simplejpeg.decode_jpeg(data, colors, True, True, 1, 1, 8)
    except ValueError as error:
        if not _HARMLESS.search(str(error)):
            raise FileError(f"{source}: the JPEG is damaged: {str(error).rstrip('.')}.") from error


def check_seams(planes: npt.NDArray[np.uint8], block: tuple[int, int], source: Path) -> None:
    """Raise a `FileError` if from some block of a JPEG on, in the order of the file, all the rest is shifted in colour.

    So a flipped bit shows that leaves all codes possible: the mean of each block is coded as a difference to the
    last. The shift begins in the middle of a row of blocks; hence the edge above it and the edge below it, block by
    block, share one jump of the same size in all columns, which no picture has.

    Parameters
    ----------
    planes : uint8 H x W x C, the decoded YCbCr.
    block : height and width of the unit in which the file is coded, 8 or 16 each.
    """
    for channel in range(planes.shape[2]):
        if _worst_seam(planes[..., channel], block, smooth=channel > 0 and block[0] == 16) >= _SEAM:
            raise FileError(f"{source}: the JPEG is damaged: from some place on its colours are shifted.")


def _worst_seam(plane: npt.NDArray[np.uint8], block: tuple[int, int], smooth: bool) -> float:
    """Largest share of the columns of blocks, to the left of a seam's start or to its right, that it explains."""
    rows, columns = (side // length for side, length in zip(plane.shape, block, strict=True))
    if rows < 4 or columns < 6:
        return 0.0
    jumps = _jumps(plane[: rows * block[0], : columns * block[1]], block[0], smooth)
    jumps = np.median(jumps.reshape(rows - 1, columns, block[1]), axis=2)
    above, below = jumps[:-1], jumps[1:]  # of one row of blocks
    shift = np.median(above + below, axis=1, keepdims=True)
    near = np.maximum(2, np.abs(shift) / 3)
    before = (np.abs(above) < near) & (np.abs(below - shift) < near)
    after = (np.abs(above - shift) < near) & (np.abs(below) < near)
    start = np.arange(2, columns - 1)  # of the shift, in this row of blocks; both sides of it must bear it out
    left = np.cumsum(before, axis=1)[:, start - 1] / start
    right = np.cumsum(after[:, ::-1], axis=1)[:, columns - 1 - start] / (columns - start)
    explained = np.where(np.abs(shift) < _LEAST_SHIFT, 0, np.minimum(left, right))
    return float(explained.max())


def _jumps(plane: npt.NDArray[Any], height: int, smooth: bool) -> npt.NDArray[np.float32]:
    """Jump at each edge between rows of blocks, beyond what the slopes beside it explain; R - 1 x W.

    Where chroma was enlarged (`smooth`), the edge is three pixels wide.
    """
    edge = np.arange(height, len(plane), height)
    gap = 1 if smooth else 0
    over, under = plane[edge - 1 - gap].astype(np.float32), plane[edge + gap].astype(np.float32)
    slopes = over - plane[edge - 2 - gap] + (plane[edge + 1 + gap] - under)
    return np.asarray(under - over - (gap + 0.5) * slopes, np.float32)
