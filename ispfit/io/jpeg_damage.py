"""Detect damaged JPEG files: decoders continue after the damage and return grey areas or shifted colours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg

from ispfit.errors import FileError

__all__ = ["check_jpeg_data", "check_seams"]

# Some cameras pad the end of their files.
_HARMLESS_PADDING = re.compile(r"Corrupt JPEG data: [12] extraneous bytes before marker 0xd9")
_MIN_SHIFT_CODES = 4.0
_MIN_SEAM_SHARE = 0.5  # share of the columns that a seam must explain; undamaged photographs stay below 0.3


def check_jpeg_data(data: bytes, source: Path) -> None:
    """Raise a `FileError` if libjpeg reports any problem: data that end too early or too late, or invalid codes.

    Parameters
    ----------
    data : the file's bytes. All of the entropy-coded data are decoded, to an image an eighth of the size.
    source : path of the file, for the message.
    """
    try:
        *_, space, _ = simplejpeg.decode_jpeg_header(data)
        colors = "CMYK" if space.upper() in {"CMYK", "YCCK"} else "GRAY"
        simplejpeg.decode_jpeg(data, colors, True, True, 1, 1, 8)
    except ValueError as error:
        if not _HARMLESS_PADDING.search(str(error)):
            raise FileError(f"{source}: the JPEG is damaged: {str(error).rstrip('.')}.") from error


def check_seams(planes: npt.NDArray[np.uint8], block: tuple[int, int], source: Path) -> None:
    """Raise a `FileError` if the colours of a JPEG are shifted from one of its blocks to the end of the file.

    A flipped bit often leaves a decodable file: the mean of each block is coded as a difference from the mean of the
    block before, so that everything after the flipped bit shifts in colour.

    Parameters
    ----------
    planes : uint8 H x W x C, the decoded YCbCr.
    block : height and width, 8 or 16 pixels each, of the unit in which the file is coded.
    source : path of the file, for the message.
    """
    for channel in range(planes.shape[2]):
        share = _largest_seam_share(planes[..., channel], block, smooth=channel > 0 and block[0] == 16)
        if share >= _MIN_SEAM_SHARE:
            raise FileError(f"{source}: the JPEG is damaged: its colours are shifted from one block to the end.")


def _largest_seam_share(plane: npt.NDArray[np.uint8], block: tuple[int, int], smooth: bool) -> float:
    """Return the share of block columns that agree with the most likely start of a colour shift.

    Columns left and right of the start are counted apart; the smaller of the two shares counts.
    """
    # A shift by s starts inside a row of blocks. Below, # is shifted and . is not:
    #     . . . . . . . . . .
    #     . . . . # # # # # #    left of the start:  no jump above the row, a jump of s below
    #     # # # # # # # # # #    right of the start: a jump of s above the row, no jump below
    # So above + below = s in every column of that row of blocks. No picture does this.
    rows, columns = (side // length for side, length in zip(plane.shape, block, strict=True))
    if rows < 4 or columns < 6:
        return 0.0
    jumps = _jumps(plane[: rows * block[0], : columns * block[1]], block[0], smooth)
    jumps = np.median(jumps.reshape(rows - 1, columns, block[1]), axis=2)
    above, below = jumps[:-1], jumps[1:]
    shift = np.median(above + below, axis=1, keepdims=True)
    tolerance = np.maximum(2, np.abs(shift) / 3)
    fits_left = (np.abs(above) < tolerance) & (np.abs(below - shift) < tolerance)
    fits_right = (np.abs(above - shift) < tolerance) & (np.abs(below) < tolerance)
    start = np.arange(2, columns - 1)
    left = np.cumsum(fits_left, axis=1)[:, start - 1] / start
    right = np.cumsum(fits_right[:, ::-1], axis=1)[:, columns - 1 - start] / (columns - start)
    share = np.where(np.abs(shift) < _MIN_SHIFT_CODES, 0, np.minimum(left, right))
    return float(share.max())


def _jumps(plane: npt.NDArray[Any], height: int, smooth: bool) -> npt.NDArray[np.float32]:
    """Return the jump across each edge between rows of blocks, less what the slopes beside it predict.

    Parameters
    ----------
    plane : H x W.
    height : of a block, in pixels.
    smooth : True if the decoder enlarged this plane, which makes an edge three pixels wide.

    Returns
    -------
    float32 (H / height - 1) x W.
    """
    edge = np.arange(height, len(plane), height)
    gap = 1 if smooth else 0
    over, under = plane[edge - 1 - gap].astype(np.float32), plane[edge + gap].astype(np.float32)
    slopes = over - plane[edge - 2 - gap] + (plane[edge + 1 + gap] - under)
    return np.asarray(under - over - (gap + 0.5) * slopes, np.float32)
