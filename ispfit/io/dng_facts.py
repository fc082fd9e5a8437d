"""What the tags of a DNG say of its raw image; defaults are those of the Adobe DNG Specification 1.7."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ispfit.errors import decoding
from ispfit.io.dng_tags import LINEAR_RAW, Tags, read_dng_tags

__all__ = ["Area", "DngFacts", "read_dng_facts", "stretch_to_square"]

Area = tuple[int, int, int, int]
"""Top, left, bottom and right in pixels; bottom and right are outside."""

_MAX_CELL = 64  # pixels on a side of the cell of colour filters or of black levels
_MAX_STRETCH = 4.0  # of a sensor's pixels; the most that is known is 2
_FLOATING = 3  # of the tag SampleFormat
_SQUARE_PIXELS = 0.005  # relative difference of the sides, as in LibRaw


@dataclass(frozen=True)
class DngFacts:
    """The raw image of a DNG by its tags.

    Parameters
    ----------
    height, width : of the stored samples, in pixels.
    n_samples : samples of a pixel: 1 in a mosaic, 3 in a linear DNG.
    linear : True if each pixel has all of its colours (PhotometricInterpretation is LinearRaw).
    compression : the tag Compression.
    floating : True if the samples are floating-point numbers.
    cfa : colour codes of the repeating cell, rows x columns, 0 = red, 1 = green, 2 = blue; None if `linear`.
    plane_colors : CFAPlaneColor, the colour code of each plane.
    cfa_layout : CFALayout, 1 for a rectangular grid.
    active_area : the part of the stored samples that receives light.
    black_cell : BlackLevel, float64 rows x columns x samples, repeated from the corner of the active area.
    black_rows, black_columns : BlackLevelDeltaV and BlackLevelDeltaH, added to the black of each row and column of
        the active area; empty if the file has none.
    masked : True if MaskedAreas are given.
    white_levels : one for each sample; empty if the file has none.
    crop : the part of the stored samples that is the picture: DefaultCrop, and DefaultUserCrop inside of it.
    stretch : factors of height and width that make the pixels square, one of them 1 (DefaultScale).
    opcodes : the bytes of OpcodeList1, 2 and 3; empty if the file has none.
    tags : all tags, for what is needed more rarely.
    """

    height: int
    width: int
    n_samples: int
    linear: bool
    compression: int
    floating: bool
    cfa: npt.NDArray[np.uint8] | None
    plane_colors: tuple[int, ...]
    cfa_layout: int
    active_area: Area
    black_cell: npt.NDArray[np.float64]
    black_rows: tuple[float, ...]
    black_columns: tuple[float, ...]
    masked: bool
    white_levels: tuple[float, ...]
    crop: Area
    stretch: tuple[float, float]
    opcodes: tuple[bytes, bytes, bytes]
    tags: Tags = field(repr=False, compare=False)

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width of the tiles of the stored samples, or of the strips."""
        rows = min(self.tags.layout("RowsPerStrip", self.height), self.height)
        return max(1, self.tags.layout("TileLength", rows)), max(1, self.tags.layout("TileWidth", self.width))


def read_dng_facts(source: Path) -> DngFacts | None:
    """Return the facts of a DNG's raw image; None if the file is not a DNG.

    Raises
    ------
    FileError
        If the file has the suffix of a DNG, but its directories cannot be read, contradict themselves, or none
        describes a raw image.
    """
    tags = read_dng_tags(source)
    if tags is None:
        return None
    with decoding(source, "the DNG is damaged"):
        return _collect(tags)


def stretch_to_square(across: float, down: float) -> tuple[float, float]:
    """Return the factors of height and width that make pixels square; as in LibRaw, one of them is 1, none is less.

    Parameters
    ----------
    across, down : width and height of a pixel, relative to each other.
    """
    if across <= 0 or down <= 0 or abs(across / down - 1) < _SQUARE_PIXELS:
        return 1.0, 1.0
    return max(down / across, 1.0), max(across / down, 1.0)


def _collect(tags: Tags) -> DngFacts:
    height, width, n_samples = tags.layout("ImageLength", 0), tags.layout("ImageWidth", 0), _n_samples(tags)
    if height < 1 or width < 1:
        raise ValueError(f"its raw image has {width} x {height} pixels")
    linear = tags.layout("PhotometricInterpretation", 0) == LINEAR_RAW
    area = _clip(tags.integers("ActiveArea", (0, 0, height, width)), (0, 0, height, width))
    stretch = stretch_to_square(*tags.numbers("DefaultScale", 2) or (1.0, 1.0))
    if max(stretch) > _MAX_STRETCH:
        raise ValueError(f"its pixels are {max(stretch):g} times as long as wide")
    whites = tags.numbers("WhiteLevel", 1) * n_samples or tags.numbers("WhiteLevel", n_samples)
    return DngFacts(
        height=height,
        width=width,
        n_samples=n_samples,
        linear=linear,
        compression=tags.layout("Compression", 1),
        floating=tags.layout("SampleFormat", 1) == _FLOATING,
        cfa=None if linear else _cfa(tags),
        plane_colors=tuple(tags.data("CFAPlaneColor")) or (0, 1, 2),
        cfa_layout=tags.integers("CFALayout", (1,))[0],
        active_area=area,
        black_cell=_black_cell(tags, n_samples),
        black_rows=tags.numbers("BlackLevelDeltaV", area[2] - area[0]),
        black_columns=tags.numbers("BlackLevelDeltaH", area[3] - area[1]),
        masked=bool(tags.numbers("MaskedAreas")),
        white_levels=whites,
        crop=_crop(tags, area),
        stretch=stretch,
        opcodes=(tags.data("OpcodeList1"), tags.data("OpcodeList2"), tags.data("OpcodeList3")),
        tags=tags,
    )


def _n_samples(tags: Tags) -> int:
    n_samples = tags.layout("SamplesPerPixel", 1)
    if not 1 <= n_samples <= _MAX_CELL:
        raise ValueError(f"its raw image has {n_samples} samples per pixel")
    return n_samples


def _cfa(tags: Tags) -> npt.NDArray[np.uint8]:
    rows, columns = tags.integers("CFARepeatPatternDim", (2, 2))
    pattern = np.frombuffer(tags.data("CFAPattern"), np.uint8)
    if not (0 < rows <= _MAX_CELL and 0 < columns <= _MAX_CELL) or pattern.size != rows * columns:
        raise ValueError(f"CFAPattern has {pattern.size} colours for {rows} x {columns} pixels")
    return pattern.reshape(rows, columns)


def _black_cell(tags: Tags, n_samples: int) -> npt.NDArray[np.float64]:
    rows, columns = tags.integers("BlackLevelRepeatDim", (1, 1))
    levels = np.array(tags.numbers("BlackLevel") or (0.0,))
    if levels.size == 1:
        return np.full((1, 1, n_samples), levels.item())
    if not (0 < rows <= _MAX_CELL and 0 < columns <= _MAX_CELL) or levels.size != rows * columns * n_samples:
        raise ValueError(f"BlackLevel has {levels.size} values for {rows} x {columns} pixels of {n_samples} samples")
    return levels.reshape(rows, columns, n_samples)


def _crop(tags: Tags, area: Area) -> Area:
    """Return DefaultCrop, which counts from the active area, and the part of it that DefaultUserCrop leaves."""
    height, width = area[2] - area[0], area[3] - area[1]
    left, top = tags.numbers("DefaultCropOrigin", 2) or (0.0, 0.0)
    across, down = tags.numbers("DefaultCropSize", 2) or (width - left, height - top)
    y0, x0, y1, x1 = tags.numbers("DefaultUserCrop", 4) or (0.0, 0.0, 1.0, 1.0)
    ends = (top + y0 * down, left + x0 * across, top + y1 * down, left + x1 * across)
    first_row, first_column, last_row, last_column = (math.floor(end + 0.5) for end in ends)
    return _clip((area[0] + first_row, area[1] + first_column, area[0] + last_row, area[1] + last_column), area)


def _clip(box: tuple[int, ...], limits: Area) -> Area:
    """Return the part of a box inside `limits`, or `limits` if there is none."""
    top, left = max(box[0], limits[0]), max(box[1], limits[1])
    bottom, right = min(box[2], limits[2]), min(box[3], limits[3])
    return (top, left, bottom, right) if bottom > top and right > left else limits
