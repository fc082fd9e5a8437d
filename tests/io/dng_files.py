"""Write DNG files of any tags by tifffile, for the tests of what ispfit makes of them."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as PILImage

Tag = tuple[Any, ...]

NEUTRAL, GAINS = (0.5, 1.0, 0.8), np.array((2.0, 1.0, 1.25), np.float32)
BLACK, WHITE = 512, 16383

_TYPES = {"byte": 1, "short": 3, "long": 4, "rational": 5, "undefined": 7, "srational": 10}


def tag(name: str, kind: str, values: Any) -> Tag:
    """A tag for tifffile by its name in the DNG specification; rationals are given as floats."""
    code = tifffile.TIFF.TAGS[name]
    if kind == "ascii":
        return code, "s", 0, values, True
    if kind in ("byte", "undefined"):
        return code, _TYPES[kind], len(values), bytes(values), True
    if kind.endswith("rational"):
        ratios = [Fraction(float(value)).limit_denominator(10**6) for value in values]
        return code, _TYPES[kind], len(ratios), tuple(n for ratio in ratios for n in ratio.as_integer_ratio()), True
    return code, _TYPES[kind], len(values), tuple(values) if len(values) > 1 else values[0], True


FIRST = {
    "DNGVersion": tag("DNGVersion", "byte", [1, 4, 0, 0]),
    "DNGBackwardVersion": tag("DNGBackwardVersion", "byte", [1, 1, 0, 0]),
    "UniqueCameraModel": tag("UniqueCameraModel", "ascii", "Maker Model"),
    "Make": tag("Make", "ascii", "Maker"),
    "Model": tag("Model", "ascii", "Model"),
    "ColorMatrix1": tag("ColorMatrix1", "srational", np.diag([0.8, 1, 0.6]).ravel()),
    "CalibrationIlluminant1": tag("CalibrationIlluminant1", "short", [21]),
}
AS_SHOT = tag("AsShotNeutral", "rational", NEUTRAL)
RGGB = [tag("CFARepeatPatternDim", "short", [2, 2]), tag("CFAPattern", "byte", [0, 1, 1, 2])]
LEVELS = [tag("BlackLevel", "long", [BLACK]), tag("WhiteLevel", "long", [WHITE])]


def write_tagged_dng(
    path: Path,
    samples: Any,
    tags: Sequence[Tag],
    *,
    sub_ifd: bool = False,
    white: bool = True,
    first: Mapping[str, Tag] = FIRST,
    byteorder: Any = "<",
    **options: Any,
) -> Path:
    """Write samples H x W (a mosaic) or H x W x 3 (a linear DNG) with these tags beside those of `FIRST`.

    Parameters
    ----------
    sub_ifd : True to put the raw image into a SubIFD and a thumbnail into the first directory, as most cameras do.
    white : False leaves out `AS_SHOT`.
    first : replace those of `FIRST`.
    options : for `tifffile.TiffWriter.write`.
    """
    shape = options.get("shape") or samples.shape
    common: dict[str, Any] = {"metadata": None, "software": False}
    head = [*(FIRST | dict(first)).values(), *([AS_SHOT] if white else [])]
    with tifffile.TiffWriter(path, byteorder=byteorder) as file:
        if sub_ifd:
            thumbnail = np.zeros((32, 48, 3), np.uint8)
            file.write(thumbnail, photometric="rgb", subfiletype=1, subifds=1, extratags=head, **common)
        kind: Any = "cfa" if len(shape) == 2 else 34892
        every = [*([] if sub_ifd else head), *tags]
        file.write(samples, photometric=kind, subfiletype=0, extratags=every, **common, **options)
    return path


def encode(light: Any, black: Any = BLACK, white: Any = WHITE) -> Any:
    """Return the codes of linear light."""
    return np.round(black + light * (np.asarray(white, float) - black)).astype(np.uint16)


def write_lossy_dng(path: Path, codes: npt.NDArray[np.uint8], tags: Sequence[Tag], tile: tuple[int, int]) -> Path:
    """Write 8-bit codes H x W x 3 as a linear DNG in tiles of lossy JPEG."""
    whole = np.pad(codes, ((0, tile[0]), (0, tile[1]), (0, 0)), mode="edge")
    tiles = []
    for top in range(0, codes.shape[0], tile[0]):
        for left in range(0, codes.shape[1], tile[1]):
            data = io.BytesIO()
            picture = PILImage.fromarray(whole[top : top + tile[0], left : left + tile[1]])
            picture.save(data, "JPEG", quality=100, subsampling=0)
            tiles.append(data.getvalue())
    options: dict[str, Any] = {"shape": codes.shape, "dtype": np.uint8, "tile": tile, "compression": 34892}
    return write_tagged_dng(path, iter(tiles), tags, **options)


def opcode_list(*opcodes: tuple[int, bytes]) -> bytes:
    """Return the bytes of an opcode list; an opcode is its number and its parameters."""
    parts = [struct.pack(">4L", number, 0x01030000, 0, len(data)) + data for number, data in opcodes]
    return struct.pack(">L", len(opcodes)) + b"".join(parts)


def area(box: tuple[int, int, int, int], first: int = 0, n_planes: int = 1, step: tuple[int, int] = (1, 1)) -> bytes:
    """Return the area of an opcode: top, left, bottom, right; its planes; its steps down and across."""
    return struct.pack(">8L", *box, first, n_planes, *step)


def gain_map(where: bytes, gains: npt.ArrayLike, spacing: tuple[float, float], origin: tuple[float, float]) -> bytes:
    """Return the parameters of the opcode GainMap; `gains` are rows x columns x planes."""
    grid = np.asarray(gains, ">f4")
    return where + struct.pack(">2L4dL", *grid.shape[:2], *spacing, *origin, grid.shape[2]) + grid.tobytes()
