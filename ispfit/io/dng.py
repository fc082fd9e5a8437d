"""Write mosaics and linear RGB as DNG files like those of a camera."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError
from ispfit.files import atomic_path
from ispfit.images import Shot
from ispfit.io.dng_digest import new_raw_image_digest
from ispfit.io.dng_layout import dng_head
from ispfit.io.exif_writer import exposure_tags
from ispfit.io.ifd_writer import (
    Value,
    ascii_text,
    bytes_of,
    longs,
    rationals,
    shorts,
    srationals,
    undefined,
)

__all__ = ["CFA_PATTERNS", "XTRANS", "Box", "make_mosaic", "write_dng"]

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""

CFA_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")

XTRANS = "GBGGRGRGRBGBGBGGRGGRGGBGBGBRGRGRGGBG"
"""The 6 x 6 cell of Fujifilm's X-Trans sensors, row by row."""

_Tags: TypeAlias = dict[int, Value]
_D65_ILLUMINANT = 21  # Exif 2.32, tag LightSource


def make_mosaic(rgb: npt.NDArray[np.float32], cfa: str) -> npt.NDArray[np.float32]:
    """Sample an image H x W x 3 like a sensor with a colour filter on each pixel; returns H x W.

    Parameters
    ----------
    rgb : linear camera RGB.
    cfa : colours of the top left cell, row by row: one of `CFA_PATTERNS`, or `XTRANS`.
    """
    mosaic = np.empty(rgb.shape[:2], rgb.dtype)
    side = math.isqrt(len(cfa))
    for position, color in enumerate(cfa):
        cell = np.s_[position // side :: side, position % side :: side]
        mosaic[cell] = rgb[cell][..., "RGB".index(color)]
    return mosaic


def write_dng(
    path: str | os.PathLike[str],
    mosaic: npt.NDArray[np.uint16],
    *,
    cfa: str = "RGGB",
    black_level: int | Sequence[int] = 512,
    white_level: int | Sequence[int] = 16383,
    bits: int = 16,
    linearization: Sequence[int] | None = None,
    as_shot_neutral: Sequence[float] | None = (1.0, 1.0, 1.0),
    color_matrix: npt.ArrayLike | None = None,
    make: str = "ispfit",
    model: str = "Virtual",
    iso: float = 100,
    exposure_time: float = 0.01,
    orientation: int = 1,
    active_area: Box | None = None,
    crop: Box | None = None,
    preview_jpeg: bytes | None = None,
) -> None:
    """Write a mosaic, or linear RGB, as an uncompressed DNG file (Adobe DNG Specification 1.4) for any RAW decoder.

    Parameters
    ----------
    path : the file; replaced if it exists, and never left half-written.
    mosaic : uint16 array H x W, the sensor's codes, black level included; H x W x 3 makes a linear DNG, in which each
        pixel has all three colours.
    cfa : colours of the top left cell of the active area, row by row: one of `CFA_PATTERNS`, or `XTRANS`.
    black_level : one code, or four codes for the 2 x 2 cell row by row, or three codes for the channels of a linear
        DNG.
    white_level : code at which the sensor saturates, or three codes for the channels of a linear DNG.
    bits : bits per stored code, 8 to 16; codes are packed without gaps. At 10, 12 and 14 bits, darktable reads only
        widths of which width * bits is a multiple of 8.
    linearization : table from stored codes to linear codes, if the stored codes were compressed by a curve.
    as_shot_neutral : camera RGB of a neutral surface before white balance; None omits the tag.
    color_matrix : 3 x 3, XYZ (D65) to camera RGB; the identity if None.
    make, model : camera, for EXIF.
    iso : ISO speed, for EXIF.
    exposure_time : seconds, for EXIF.
    orientation : 1 to 8 (Exif 2.32), the turn that makes the stored picture upright; `mosaic` is stored unturned.
    active_area : the part of the sensor that receives light; None for the whole sensor.
    crop : the part of the active area, counted from its corner, that is the camera's picture; None for all of it.
    preview_jpeg : the camera's rendering as bytes of a JPEG, stored as the preview.

    Raises
    ------
    InputError
        If a parameter is invalid.
    FileError
        If the file cannot be written.
    """
    _check_parameters(mosaic, cfa, active_area or (0, 0, *mosaic.shape[1::-1]), crop, orientation, bits)
    left, top, width, height = active_area or (0, 0, *mosaic.shape[1::-1])
    matrix = np.eye(3) if color_matrix is None else np.asarray(color_matrix, float).reshape(3, 3)
    samples = _pack(mosaic, bits)
    tags = _sample_tags(mosaic.shape, bits, len(samples), cfa) | _level_tags(mosaic, cfa, black_level, white_level)
    tags |= {
        271: ascii_text(make),
        272: ascii_text(model),
        274: shorts(orientation),
        50706: bytes_of((1, 4, 0, 0)),  # DNGVersion
        50707: bytes_of((1, 1, 0, 0)),  # DNGBackwardVersion
        50708: ascii_text(f"{make} {model}"),  # UniqueCameraModel
        50721: srationals(matrix.ravel().tolist()),  # ColorMatrix1
        50778: shorts(_D65_ILLUMINANT),  # CalibrationIlluminant1
        50829: longs(top, left, top + height, left + width),  # ActiveArea
    }
    if linearization is None:
        tags[51111] = bytes_of(new_raw_image_digest(mosaic))  # NewRawImageDigest
    else:
        tags[50712] = shorts(*(int(code) for code in linearization))
    if as_shot_neutral is not None:
        tags[50728] = rationals(as_shot_neutral)
    if crop is not None:
        tags |= {50719: longs(*crop[:2]), 50720: longs(*crop[2:])}  # DefaultCropOrigin, DefaultCropSize
    exif = exposure_tags(Shot(iso=iso, exposure_time=exposure_time)) | {36864: undefined(b"0230")}  # ExifVersion
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(dng_head(tags, exif, preview_jpeg))
        file.write(samples)


def _sample_tags(shape: tuple[int, ...], bits: int, size: int, cfa: str) -> _Tags:
    n_samples = shape[2] if len(shape) == 3 else 1
    tags: _Tags = {
        254: longs(0),  # NewSubfileType: the picture itself
        256: longs(shape[1]),
        257: longs(shape[0]),
        258: shorts(*([bits] * n_samples)),  # BitsPerSample
        259: shorts(1),  # Compression: none
        262: shorts(32803 if n_samples == 1 else 34892),  # PhotometricInterpretation: CFA or LinearRaw
        277: shorts(n_samples),  # SamplesPerPixel
        278: longs(shape[0]),  # RowsPerStrip
        279: longs(size),  # StripByteCounts
        284: shorts(1),  # PlanarConfiguration
    }
    if n_samples == 1:
        side = math.isqrt(len(cfa))
        tags[33421] = shorts(side, side)  # CFARepeatPatternDim
        tags[33422] = bytes_of("RGB".index(color) for color in cfa)  # CFAPattern
    return tags


def _level_tags(
    mosaic: npt.NDArray[np.uint16], cfa: str, black: int | Sequence[int], white: int | Sequence[int]
) -> _Tags:
    n_samples = mosaic.shape[2] if mosaic.ndim == 3 else 1
    side = 2 if n_samples == 1 and len(cfa) == 4 else 1
    return {
        50713: shorts(side, side),  # BlackLevelRepeatDim
        50714: longs(*(int(level) for level in np.broadcast_to(black, side * side * n_samples))),
        50717: longs(*(int(level) for level in np.broadcast_to(white, n_samples))),
    }


def _pack(mosaic: npt.NDArray[np.uint16], bits: int) -> bytes:
    """Pack codes as TIFF does: 16 bits in the file's byte order, fewer bits with the highest first, each row padded."""
    if bits == 16:
        return mosaic.astype("<u2").tobytes()
    rows = mosaic.reshape(len(mosaic), -1)
    single_bits = rows[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint16) & 1
    return np.packbits(single_bits.astype(np.uint8).reshape(len(rows), -1), axis=1).tobytes()


def _check_parameters(
    mosaic: npt.NDArray[Any], cfa: str, area: Box, crop: Box | None, orientation: int, bits: int
) -> None:
    one_or_three = mosaic.ndim == 2 or (mosaic.ndim == 3 and mosaic.shape[2] == 3)
    if not one_or_three or mosaic.dtype != np.uint16 or mosaic.size == 0:
        found = f"{mosaic.dtype} {mosaic.shape}"
        raise InputError(f"mosaic: expected a uint16 array of shape (H, W) or (H, W, 3), got {found}.")
    if cfa not in (*CFA_PATTERNS, XTRANS):
        raise InputError(f"cfa: expected one of {', '.join(CFA_PATTERNS)}, got {cfa!r}.")
    if orientation not in range(1, 9):
        raise InputError(f"orientation: expected an integer from 1 to 8, got {orientation!r}.")
    if bits not in range(8, 17) or mosaic.max() >> bits:
        raise InputError(f"bits: expected 8 to 16 and enough for every code, got {bits!r} for codes to {mosaic.max()}.")
    boxes = {"active_area": (area, mosaic.shape[1::-1]), "crop": (crop or (0, 0, *area[2:]), area[2:])}
    for name, ((left, top, width, height), limits) in boxes.items():
        if min(left, top) < 0 or min(width, height) < 1 or left + width > limits[0] or top + height > limits[1]:
            raise InputError(
                f"{name}: expected (left, top, width, height) inside {limits[0]} x {limits[1]} pixels, "
                f"got {(left, top, width, height)}."
            )
