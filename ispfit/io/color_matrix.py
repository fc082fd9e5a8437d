"""Read the colour matrix of a camera from one of its RAW files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ispfit.errors import FileError
from ispfit.io.dng_facts import read_dng_facts
from ispfit.io.dng_white import xyz_to_camera
from ispfit.io.exif import read_exif
from ispfit.io.listing import check_file
from ispfit.io.raw import open_raw

__all__ = ["find_color_matrix", "read_color_matrix"]

_D65_KELVIN = 6504.0


def read_color_matrix(path: str | os.PathLike[str]) -> npt.NDArray[np.float64]:
    """Return the matrix from CIE XYZ (D65) to the camera RGB of a RAW file, before white balance.

    It is that of the tags of a DNG, else the one that LibRaw has for the camera, measured by Adobe.

    Parameters
    ----------
    path : any RAW file of the camera.

    Returns
    -------
    float64 (3, 3).

    Raises
    ------
    FileError
        If the file cannot be read, or LibRaw knows no matrix of its camera.
    """
    source = check_file(path)
    facts = read_dng_facts(source)
    found = None if facts is None else xyz_to_camera(facts.tags, _D65_KELVIN)
    if found is None:
        with open_raw(source) as raw:
            found = raw.rgb_xyz_matrix[:3]
    matrix = np.asarray(found, np.float64)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < 3:
        raise FileError(f"{source}: LibRaw knows no colour matrix of this camera; give another RAW file of it.")
    return matrix


def find_color_matrix(
    paths: Iterable[Path], camera: str | None = None
) -> tuple[npt.NDArray[np.float64], Path] | tuple[None, None]:
    """Return the matrix of the first RAW file that has one, and that file; None and None if no file has one.

    Parameters
    ----------
    paths : RAW files.
    camera : make and model; files of another camera are passed over. None takes any.
    """
    for path in paths:
        try:
            if camera is None or read_exif(path).camera == camera:
                return read_color_matrix(path), path
        except OSError:  # of which a `FileError` is one
            continue
    return None, None
