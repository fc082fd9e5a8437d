"""Detect damaged JPEG files: decoders continue after the damage and return grey areas or shifted colours."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL.JpegImagePlugin import JpegImageFile

from ispfit.errors import FileError
from ispfit.io.jpeg_scans import Frame, first_picture

__all__ = ["check_jpeg", "check_seams", "decode_strictly"]

_EXTRA_BYTES = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0xd9")
_COLORS = {1: "GRAY", 3: "RGB", 4: "CMYK"}  # that leave 1, 3 or 4 components as they are stored
_MAX_PIXELS = 250_000_000
_MIN_SHIFT_CODES = 4.0
_MIN_SEAM_SHARE = 0.5  # share of the columns that a seam must explain; undamaged photographs stay below 0.3
_MIN_BAND_SHARE = 0.7  # the same of a shift within a row of blocks; undamaged photographs stay below 0.6
_FEWEST_COLUMNS, _FEWEST_OF_BAND = 2, 6  # that must agree on either side of the start of a shift; shifted in a band
_MIN_CONTRAST_CODES, _MAX_CONTRAST_RATIO = 2, 8  # of blocks with texture, and of two blocks of one texture


def check_jpeg(data: bytes, source: Path) -> None:
    """Raise a `FileError` if pixels of a JPEG file are missing or wrong, as far as its entropy-coded data tell.

    They tell if they end too early or too late, hold invalid codes, or make colours that shift from one block to the
    end. Only the pixels count: metadata, padding, and further pictures in the file (MPF) may be broken.

    Parameters
    ----------
    data : the file's bytes.
    source : path of the file, for the message.
    """
    frame = first_picture(data)
    if frame is None or len(frame.sampling) not in _COLORS:
        return  # which Pillow refuses
    height, width = frame.size
    if height * width > _MAX_PIXELS:
        raise FileError(
            f"{source}: its header claims {width} x {height} pixels; more than {_MAX_PIXELS // 10**6} megapixels are "
            "not read."
        )
    if frame.bits != 8:
        raise FileError(f"{source}: expected a JPEG of 8 bits per sample, got {frame.bits}, which is not supported.")
    try:
        frame, _ = decode_strictly(frame)
    except ValueError as error:
        raise FileError(f"{source}: the JPEG is damaged: {str(error).rstrip('.')}.") from error
    if len(frame.sampling) < 4 and frame.coding == "sequential":  # others are coded such that a shift leaves no seam
        with JpegImageFile(io.BytesIO(frame.data)) as planes:
            row = -(-frame.size[1] // frame.block[1])
            check_seams(np.atleast_3d(np.asarray(planes)), frame.block, source, frame.restart_interval == row)


def decode_strictly(frame: Frame) -> tuple[Frame, npt.NDArray[np.uint8]]:
    """Decode a frame of 8 bits as far as a check of its codes needs.

    Returns
    -------
    The frame without padding, and its components, H x W x C: of a lossless frame all samples, of others an eighth of
    the size, the mean of each block of 8 x 8.

    Raises
    ------
    ValueError
        With what libjpeg reports of its codes.
    """
    # An eighth of the size is fastest, but libjpeg-turbo writes a lossless picture at full size in any case.
    smallest = (0, 0, 1) if frame.coding == "lossless" else (1, 1, 8)
    try:
        return frame, simplejpeg.decode_jpeg(frame.data, _COLORS[len(frame.sampling)], True, True, *smallest)
    except ValueError as error:
        if found := _EXTRA_BYTES.search(str(error)):
            shorter = frame.without_padding(int(found[1]))
            if len(shorter.data) < len(frame.data):
                return decode_strictly(shorter)  # libjpeg tells its first problem alone
        raise


def check_seams(
    planes: npt.NDArray[np.uint8], block: tuple[int, int], source: Path, rows_restart: bool = False
) -> None:
    """Raise a `FileError` if the colours of a JPEG are shifted from one of its blocks to its end, or to that of a row.

    A flipped bit often leaves a decodable file: the mean of each block is coded as a difference from the mean of the
    block before, so that everything after the flipped bit shifts in colour. Its texture stays, which tells such a shift
    from the edge of a caption.

    Parameters
    ----------
    planes : uint8 H x W x C, the components as the file stores them.
    block : height and width of the unit in which the file is coded, in pixels.
    source : path of the file, for the message.
    rows_restart : whether the codes restart with each row of blocks.
    """
    rows, columns = (side // length for side, length in zip(planes.shape, block, strict=False))
    if rows < 4 or columns < 6:
        return
    planes = planes[: rows * block[0], : columns * block[1]]
    alike = _alike_in_texture(planes.reshape(rows, block[0], columns, block[1], -1))
    for channel in range(planes.shape[2]):
        jumps = _jumps(planes[..., channel], block[0], smooth=channel > 0 and block[0] == 16)
        jumps = np.median(jumps.reshape(rows - 1, columns, block[1]), axis=2)
        if _largest_seam_share(jumps, alike) >= _MIN_SEAM_SHARE:
            raise FileError(f"{source}: the JPEG is damaged: its colours are shifted from one block to the end.")
        if rows_restart and _largest_band_share(jumps, alike) >= _MIN_BAND_SHARE:
            raise FileError(f"{source}: the JPEG is damaged: its colours are shifted in a part of a row of blocks.")


def _alike_in_texture(blocks: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return whether each block (rows, h, columns, w, C) and the one below it have texture, of similar contrast."""
    highest, lowest = blocks.max(1).max(2), blocks.min(1).min(2)  # rows first: they are contiguous
    contrast = (highest - lowest).max(-1).astype(int)
    weaker, stronger = np.minimum(contrast[:-1], contrast[1:]), np.maximum(contrast[:-1], contrast[1:])
    return np.asarray((weaker >= _MIN_CONTRAST_CODES) & (stronger <= _MAX_CONTRAST_RATIO * weaker))


def _largest_seam_share(jumps: npt.NDArray[np.float32], alike: npt.NDArray[np.bool_]) -> float:
    """Return the share of block columns that agree with the most likely start of a colour shift.

    Columns left and right of the start are counted apart; the smaller of the two shares counts.

    Parameters
    ----------
    jumps : (edges, columns) jump from each block to the one below it.
    alike : bool (edges, columns), where a shift would be known from an edge in the picture; others do not count.
    """
    # A shift by s starts inside a row of blocks. Below, # is shifted and . is not:
    #     . . . . . . . . . .
    #     . . . . # # # # # #    left of the start:  no jump above the row, a jump of s below
    #     # # # # # # # # # #    right of the start: a jump of s above the row, no jump below
    # So above + below = s in every column of that row of blocks. No picture does this.
    above, below = jumps[:-1], jumps[1:]
    shift = np.median(above + below, axis=1, keepdims=True)
    tolerance = np.maximum(2, np.abs(shift) / 3)
    fits_left = (np.abs(above) < tolerance) & (np.abs(below - shift) < tolerance)
    fits_right = (np.abs(above - shift) < tolerance) & (np.abs(below) < tolerance)
    left, right = _running_share(fits_left, alike[1:]), _running_share(fits_right[:, ::-1], alike[:-1, ::-1])
    return _best_start(left, right, shift)


def _largest_band_share(jumps: npt.NDArray[np.float32], alike: npt.NDArray[np.bool_]) -> float:
    """Return the same as `_largest_seam_share` for a shift that ends with its row of blocks, as the codes restart."""
    #     . . . . . . . . . .
    #     . . . . # # # # # #    left of the start:  no jumps
    #     . . . . . . . . . .    right of the start: a jump of s above the row, one of -s below
    above, below = jumps[:-1], jumps[1:]
    shift = np.median((above - below)[:, -_FEWEST_OF_BAND:], axis=1, keepdims=True) / 2
    tolerance = np.maximum(2, np.abs(shift) / 3)
    counted = alike[:-1] & alike[1:]
    fits_left = (np.abs(above) < tolerance) & (np.abs(below) < tolerance)
    fits_right = (np.abs(above - shift) < tolerance) & (np.abs(below + shift) < tolerance)
    right = _running_share(fits_right[:, ::-1], counted[:, ::-1], _FEWEST_OF_BAND)
    return _best_start(_running_share(fits_left, counted), right, shift)


def _best_start(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], shift: npt.NDArray[np.float32]) -> float:
    """Return the largest share of all rows and starts; of the shares left and right of a start the smaller one counts.

    Parameters
    ----------
    left, right : (rows, columns), shares of the columns up to each, counted from the left and from the right.
    shift : (rows, 1), in codes.
    """
    start = np.arange(2, left.shape[1] - 1)
    share = np.minimum(left[:, start - 1], right[:, left.shape[1] - 1 - start])
    return float(np.where(np.abs(shift) < _MIN_SHIFT_CODES, 0, share).max())


def _running_share(
    fits: npt.NDArray[np.bool_], counted: npt.NDArray[np.bool_], fewest: int = _FEWEST_COLUMNS
) -> npt.NDArray[np.float64]:
    """Return the share of the counted columns that fit, among those up to each column; `fewest` count at least."""
    number = np.cumsum(counted, axis=1)
    return np.asarray(np.cumsum(fits & counted, axis=1) / np.maximum(number, fewest))


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
