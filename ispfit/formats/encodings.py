"""The encodings of colour in which LUTs take their input and give their output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.errors import InputError
from ispfit.images import FloatImage
from ispfit.io.color_spaces import ADOBE_RGB, SRGB, Chromaticities, bt709_to_linear, to_xyz
from ispfit.io.linear_dng import balanced_matrix

__all__ = ["ENCODINGS", "Encoding", "camera_to_srgb", "get_encoding"]

_Curve = Callable[[FloatImage], FloatImage]
_Matrix = npt.NDArray[np.float64]

_ROMM_TOE = 16 ** (1.8 / (1 - 1.8))  # 1/512: linear below


@dataclass(frozen=True)
class Encoding:
    """An encoding of colours in [0, 1].

    Parameters
    ----------
    name : as on the command line.
    title : for people.
    primaries : chromaticities of R, G, B and white; None for those of the camera.
    to_linear, from_linear : the transfer curve and its inverse, on arrays of values from 0 to 1.
    linear : whether encoded values are linear light.
    """

    name: str
    title: str
    primaries: Chromaticities | None
    to_linear: _Curve
    from_linear: _Curve
    linear: bool = False

    def to_srgb_light(self, encoded: FloatImage, camera: _Matrix | None = None) -> FloatImage:
        """Return linear sRGB, not clipped, of encoded colours (..., 3).

        Parameters
        ----------
        camera : from white-balanced camera RGB to linear sRGB, see `camera_to_srgb`; for the camera's encoding.
        """
        return _turn(self.to_linear(np.asarray(np.clip(encoded, 0, 1), np.float32)), self._matrix(camera))

    def from_srgb_light(self, light: FloatImage, camera: _Matrix | None = None) -> FloatImage:
        """Return encoded colours, clipped to [0, 1], of linear sRGB (..., 3); the inverse of `to_srgb_light`."""
        own = np.clip(_turn(light, np.asarray(np.linalg.inv(self._matrix(camera)))), 0, 1)
        return np.asarray(self.from_linear(own), np.float32)

    def with_srgb_curve(self) -> Encoding:
        """Return the encoding of the same primaries whose curve is that of sRGB, as RawTherapee's HaldCLUTs have it."""
        return replace(self, to_linear=srgb_to_linear, from_linear=linear_to_srgb, linear=False)

    def _matrix(self, camera: _Matrix | None) -> _Matrix:
        if self.primaries is not None:
            return np.asarray(np.linalg.solve(to_xyz(SRGB.chromaticities), to_xyz(self.primaries)))
        if camera is None:
            raise InputError(f"encoding {self.name!r}: needs the matrix of the camera.")
        return camera


def camera_to_srgb(color_matrix: npt.ArrayLike | None) -> _Matrix:
    """Return the matrix from white-balanced camera RGB to linear sRGB, by which RAW converters develop.

    Parameters
    ----------
    color_matrix : from CIE XYZ (D65) to camera RGB, see `ispfit.io.read_color_matrix`.
    """
    return np.asarray(balanced_matrix() @ np.linalg.inv(balanced_matrix(color_matrix)))


def get_encoding(name: str) -> Encoding:
    """Return an encoding by its name.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    if name not in ENCODINGS:
        raise InputError(f"encoding: expected one of {', '.join(ENCODINGS)}, got {name!r}.")
    return ENCODINGS[name]


def _turn(colors: npt.NDArray[Any], matrix: _Matrix) -> FloatImage:
    return np.asarray(colors @ matrix.T.astype(np.float32), np.float32)


def _same(values: FloatImage) -> FloatImage:
    return values


def _root(gamma: float, linear: FloatImage) -> FloatImage:
    return np.asarray(linear ** np.float32(1 / gamma), np.float32)


def _to_bt709(linear: FloatImage) -> FloatImage:
    """Apply the transfer function of ITU-R BT.709-6, section 1.2."""
    return np.where(linear < 0.018, 4.5 * linear, 1.099 * linear**0.45 - 0.099).astype(np.float32)


def _from_romm(encoded: FloatImage) -> FloatImage:
    return np.where(encoded < 16 * _ROMM_TOE, encoded / 16, encoded**1.8).astype(np.float32)


def _to_romm(linear: FloatImage) -> FloatImage:
    return np.where(linear < _ROMM_TOE, linear * 16, linear ** (1 / 1.8)).astype(np.float32)


_BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290)  # ITU-R BT.2020-2
_PROPHOTO = (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585)  # ISO 22028-2 (ROMM RGB), white D50

ENCODINGS = {
    encoding.name: encoding
    for encoding in (
        Encoding("camera", "white-balanced camera RGB, linear", None, _same, _same, linear=True),
        Encoding("srgb", "sRGB", SRGB.chromaticities, srgb_to_linear, linear_to_srgb),
        Encoding("rec709", "Rec.709", SRGB.chromaticities, bt709_to_linear, _to_bt709),
        Encoding("linear-srgb", "sRGB or Rec.709 primaries, linear", SRGB.chromaticities, _same, _same, linear=True),
        Encoding("linear-rec2020", "Rec.2020 primaries, linear", _BT2020, _same, _same, linear=True),
        Encoding("rec2020", "Rec.2020 primaries, sRGB's curve", _BT2020, srgb_to_linear, linear_to_srgb),
        Encoding(
            "adobe-rgb",
            "Adobe RGB (1998)",
            ADOBE_RGB.chromaticities,
            ADOBE_RGB.to_linear,
            partial(_root, 563 / 256),
        ),
        Encoding("prophoto", "ProPhoto RGB (ROMM)", _PROPHOTO, _from_romm, _to_romm),
    )
}
"""Encodings by name: those that the LUT modules of darktable and RawTherapee offer, and the camera's own."""
