"""Compute the white balance of a DNG that gives the colour of its light as a chromaticity (AsShotWhiteXY)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ispfit.io.dng_facts import DngFacts
from ispfit.io.dng_tags import Tags

__all__ = ["camera_neutral", "xyz_to_camera"]

_Matrix = npt.NDArray[np.float64]

_KELVIN = {
    1: 5500,  # daylight
    2: 4000,  # fluorescent
    3: 2850,  # tungsten
    4: 5500,  # flash
    9: 5500,  # fine weather
    10: 6500,  # cloudy
    11: 7500,  # shade
    12: 6400,  # fluorescent, daylight: the middle of its range, as for the next four
    13: 5050,  # fluorescent, day white
    14: 4150,  # fluorescent, cool white
    15: 3525,  # fluorescent, white
    16: 2925,  # fluorescent, warm white
    17: 2856,  # standard light A
    18: 4874,  # standard light B
    19: 6774,  # standard light C
    20: 5500,  # D55
    21: 6500,  # D65
    22: 7500,  # D75
    23: 5000,  # D50
    24: 3200,  # ISO studio tungsten
}
"""Colour temperature of the codes of EXIF's LightSource (Exif 2.32), which CalibrationIlluminant uses."""


def camera_neutral(facts: DngFacts) -> tuple[float, ...]:
    """Return the camera RGB of a neutral surface by AsShotNeutral, else by AsShotWhiteXY; empty if both are missing.

    The chromaticity is turned to camera RGB by ``AnalogBalance CameraCalibration ColorMatrix``, the matrices of two
    illuminants weighted by the inverse of the colour temperature: Adobe DNG Specification 1.7, chapter 6.
    """
    neutral = facts.tags.numbers("AsShotNeutral")
    if neutral and min(neutral) > 0:
        return neutral
    white = facts.tags.numbers("AsShotWhiteXY", 2)
    if not white or not (white[0] > 0 and white[1] > 0 and sum(white) < 1):
        return ()
    matrix = xyz_to_camera(facts.tags, _kelvin(*white))
    if matrix is None:
        return ()
    x, y = white
    rgb = matrix @ [x / y, 1, (1 - x - y) / y]
    return tuple((rgb / rgb.max()).tolist()) if rgb.min() > 0 else ()


def xyz_to_camera(tags: Tags, kelvin: float) -> _Matrix | None:
    """Return the matrix from CIE XYZ to camera RGB before white balance, in light of a colour temperature."""
    first, second = _matrix(tags, "ColorMatrix1"), _matrix(tags, "ColorMatrix2")
    if first is None:
        return None
    weight = _weight_of_second(tags, kelvin) if second is not None else 0.0
    color = first if second is None else (1 - weight) * first + weight * second
    calibrations = [_matrix(tags, name) for name in ("CameraCalibration1", "CameraCalibration2")]
    one, two = (np.eye(3) if found is None else found for found in calibrations)
    analog = np.diag(tags.numbers("AnalogBalance", 3) or (1.0, 1.0, 1.0))
    return np.asarray(analog @ ((1 - weight) * one + weight * two) @ color)


def _weight_of_second(tags: Tags, kelvin: float) -> float:
    names = ("CalibrationIlluminant1", "CalibrationIlluminant2")
    first, second = (_KELVIN.get(tags.integers(name, (0,))[0], 0) for name in names)
    if not first or not second or first == second:
        return 0.0
    return float(np.clip((1 / kelvin - 1 / first) / (1 / second - 1 / first), 0, 1))


def _kelvin(x: float, y: float) -> float:
    """Return the correlated colour temperature: C. McCamy, Color Research & Application 17(2), 1992."""
    slope = (x - 0.3320) / ((0.1858 - y) or 1e-9)
    return float(np.clip(((449 * slope + 3525) * slope + 6823.3) * slope + 5520.33, 1000, 100000))


def _matrix(tags: Tags, name: str) -> _Matrix | None:
    values = tags.numbers(name, 9)
    return np.array(values).reshape(3, 3) if values else None
