"""Colour spaces that a file tells without an ICC profile, and their conversion to sRGB."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.errors import FileError, InputWarning
from ispfit.images import FloatImage

__all__ = [
    "ADOBE_RGB",
    "SRGB",
    "Chromaticities",
    "RgbSpace",
    "bt709_to_linear",
    "coded_space",
    "convert_to_srgb",
    "gamma_space",
    "to_xyz",
]

Chromaticities: TypeAlias = tuple[float, ...]
"""x and y of red, green, blue and white: eight numbers."""

_Matrix: TypeAlias = npt.NDArray[np.float64]

_D65 = (0.3127, 0.3290)
_BRADFORD: _Matrix = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_MAX_CONDITION = 1e3  # of a matrix of primaries: beyond, three of the four points lie on a line
_MAX_ROUNDING = 2 / 255  # by which a description of sRGB itself differs from it
_MAX_ROUNDING_XY = 0.002  # the same in chromaticities
_BLOCK_PIXELS = 1 << 20
_USUAL_GAMMA = 1 / 0.45455  # which PNG files write for sRGB


@dataclass(frozen=True)
class RgbSpace:
    """An RGB colour space.

    Parameters
    ----------
    name : for messages.
    chromaticities : of primaries and white (CIE 1931).
    to_linear : from encoded to linear values, both in [0, 1].
    """

    name: str
    chromaticities: Chromaticities
    to_linear: Callable[[FloatImage], FloatImage]


def _power(gamma: float, encoded: FloatImage) -> FloatImage:
    return np.asarray(encoded ** np.float32(gamma), np.float32)


def bt709_to_linear(encoded: FloatImage) -> FloatImage:
    """Undo the transfer function of ITU-R BT.709-6, section 1.2."""
    return np.where(encoded < 0.081, encoded / 4.5, ((encoded + 0.099) / 1.099) ** (1 / 0.45)).astype(np.float32)


_SRGB_PRIMARIES = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)

SRGB = RgbSpace("sRGB", (*_SRGB_PRIMARIES, *_D65), srgb_to_linear)

ADOBE_RGB = RgbSpace("Adobe RGB", (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *_D65), partial(_power, 563 / 256))
"""Adobe RGB (1998) Color Image Encoding, version 2005-05, section 4.3.1."""

# ITU-T H.273, table 2.
_CODED_PRIMARIES: Mapping[int, tuple[str, Chromaticities]] = {
    1: ("BT.709", SRGB.chromaticities),
    4: ("BT.470 M", (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316)),
    5: ("BT.470 B, G", (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65)),
    6: ("BT.601", (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65)),
    7: ("SMPTE 240M", (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65)),
    9: ("BT.2020", (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65)),
    11: ("DCI-P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351)),
    12: ("Display P3", (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65)),
    22: ("EBU Tech 3213", (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65)),
}
# ITU-T H.273, table 3.
_CODED_CURVES: Mapping[int, tuple[str, Callable[[FloatImage], FloatImage]]] = {
    **dict.fromkeys((1, 6, 14, 15), ("the curve of BT.709", bt709_to_linear)),
    4: ("gamma 2.2", partial(_power, 2.2)),
    5: ("gamma 2.8", partial(_power, 2.8)),
    8: ("linear", partial(_power, 1.0)),
    13: ("the curve of sRGB", srgb_to_linear),
}
_HDR_CURVES = {16: "PQ, high dynamic range", 18: "HLG, high dynamic range"}
_UNSPECIFIED = 2


def coded_space(primaries: int, transfer: int, source: Path) -> RgbSpace | None:
    """Return the colour space of two codes of ITU-T H.273, as in PNG's cICP; None if both are "unspecified".

    If one of the two is unspecified, it is taken as that of sRGB.

    Raises
    ------
    FileError
        If the codes mean high dynamic range, or are others than those that ispfit knows.
    """
    if primaries == transfer == _UNSPECIFIED:
        return None
    name, chromaticities = _CODED_PRIMARIES.get(1 if primaries == _UNSPECIFIED else primaries, ("", ()))
    curve_name, curve = _CODED_CURVES.get(13 if transfer == _UNSPECIFIED else transfer, ("", srgb_to_linear))
    if not name or not curve_name:
        hdr = _HDR_CURVES.get(transfer)
        what = (
            f"transfer function {transfer}{f' ({hdr})' if hdr else ''}" if not curve_name else f"primaries {primaries}"
        )
        raise FileError(
            f"{source}: its colours have the {what} of ITU-T H.273, which is not converted to sRGB; convert the "
            "picture by another program, or let the camera write JPEG."
        )
    known = {(1, 13): "sRGB", (12, 13): "Display P3"}.get((primaries, transfer))
    return RgbSpace(known or f"{name} primaries with {curve_name}", chromaticities, curve)


def gamma_space(name: str, gamma: float | None, chromaticities: Chromaticities | None) -> RgbSpace | None:
    """Return a colour space by its gamma and its chromaticities; where one is None, as in sRGB.

    The gamma 2.2 with the primaries of sRGB is sRGB itself, which PNG files describe so. None if the chromaticities
    are impossible.
    """
    corners = chromaticities or SRGB.chromaticities
    if not _is_possible(corners):
        return None
    if np.allclose(corners, SRGB.chromaticities, atol=_MAX_ROUNDING_XY):
        corners = SRGB.chromaticities
        gamma = None if gamma and abs(gamma / _USUAL_GAMMA - 1) < 0.01 else gamma
    return RgbSpace(name, corners, srgb_to_linear if gamma is None else partial(_power, gamma))


def convert_to_srgb(encoded: FloatImage, space: RgbSpace, source: Path) -> FloatImage:
    """Convert encoded pixels to sRGB, with an `InputWarning` unless their space is sRGB itself.

    Parameters
    ----------
    encoded : H x W x 3 in [0, 1].
    source : the file, for the warning.

    Returns
    -------
    Encoded sRGB, H x W x 3 in [0, 1]: relative colorimetric, colours outside of sRGB are clipped.
    """
    matrix = (np.linalg.inv(to_xyz(SRGB.chromaticities)) @ to_xyz(space.chromaticities)).astype(np.float32)
    levels = np.linspace(0, 1, 9, dtype=np.float32)
    probe = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    if np.abs(_converted(probe, space, matrix) - probe).max() <= _MAX_ROUNDING:
        return encoded
    warnings.warn(f"{source}: converted from {space.name} to sRGB.", InputWarning, stacklevel=2)
    converted = np.empty_like(encoded)
    rows = max(1, _BLOCK_PIXELS // encoded.shape[1])
    for start in range(0, len(encoded), rows):
        block = np.s_[start : start + rows]
        converted[block] = _converted(encoded[block], space, matrix)
    return converted


def _converted(encoded: FloatImage, space: RgbSpace, matrix: npt.NDArray[np.float32]) -> FloatImage:
    linear = space.to_linear(encoded) @ matrix.T
    return np.asarray(linear_to_srgb(np.clip(linear, 0, 1)), np.float32)


def to_xyz(corners: Chromaticities) -> _Matrix:
    """Return the matrix from linear RGB to XYZ, adapted from the space's white to D65 by Bradford's transform."""
    x, y = np.array(corners[:6], float).reshape(3, 2).T
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    white, d65 = _white_xyz(*corners[6:]), _white_xyz(*_D65)
    adapted = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ d65) / (_BRADFORD @ white)) @ _BRADFORD
    matrix: _Matrix = adapted @ (columns * np.linalg.solve(columns, white))
    return matrix


def _white_xyz(x: float, y: float) -> _Matrix:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _is_possible(corners: Chromaticities) -> bool:
    x, y = np.array(corners, float).reshape(4, 2).T
    if y.min() < 1e-3 or np.abs(corners).max() > 2:
        return False
    columns = np.stack([x[:3] / y[:3], np.ones(3), (1 - x[:3] - y[:3]) / y[:3]])
    return bool(np.linalg.cond(columns) < _MAX_CONDITION and (_BRADFORD @ _white_xyz(x[3], y[3])).min() > 0)
