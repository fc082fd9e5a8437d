"""Camera models that others have measured and published."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from ispfit.backbones.parametric import Parametric, ParametricNetwork
from ispfit.errors import FileError
from ispfit.estimator import ISPModel
from ispfit.training import TrainingRecord

__all__ = ["read_nus_model"]

_Table: TypeAlias = npt.NDArray[np.float64]


def read_nus_model(folder: str | PathLike[str]) -> ISPModel:
    """Read a camera that Kim et al. measured, as a fitted `ISPModel` with the backbone `parametric`.

    The format is that of https://www.comp.nus.edu.sg/~brown/radiometric_calibration: text files with the colour
    matrix, the control points and coefficients of the gamut mapping (``phi(r) = r`` plus ``[1, r, g, b]``) and the
    response, for either direction. The white balance that is in there too is left out: a raw is white-balanced by its
    own file.

    Parameters
    ----------
    folder : with ``raw2jpg_transform.txt``, ``raw2jpg_respFcns.txt``, and of both directions (``raw2jpg``, ``jpg2raw``)
        ``_ctrlPoints.txt`` and ``_coefs.txt``.

    Raises
    ------
    FileError
        If one of these files is missing, or not as it should be.

    References
    ----------
    Kim, Lin, Lu, Süsstrunk, Lin & Brown, "A New In-Camera Imaging Model for Color Computer Vision and its
    Application", PAMI 2012.
    """
    source = Path(folder)
    forward, inverse = (_read_gamut(source, direction) for direction in ("raw2jpg", "jpg2raw"))
    backbone = Parametric(control_points=max(len(forward[0]), len(inverse[0])))
    network = ParametricNetwork(backbone.control_points)
    network.gamut.set(*forward)
    network.inverse_gamut.set(*inverse)
    network.response.set(_read(source / "raw2jpg_respFcns.txt", 256, first=1))
    with torch.no_grad():
        network.matrix.copy_(torch.from_numpy(_read(source / "raw2jpg_transform.txt", 3, first=1)))
    model = ISPModel(backbone)
    model.backbone_, model.camera_ = backbone, source.name
    model.networks_ = {"forward": network.eval(), "inverse": network.inverse().eval()}
    model.records_ = {"forward": TrainingRecord(0, 0)}
    return model


def _read_gamut(folder: Path, direction: str) -> tuple[_Table, _Table]:
    """Control points (k, 3) and coefficients (k + 4, 3)."""
    points, coefficients = (_read(folder / f"{direction}_{name}.txt", first=1) for name in ("ctrlPoints", "coefs"))
    if len(coefficients) != len(points) + 4:
        raise FileError(
            f"{folder / f'{direction}_coefs.txt'}: expected {len(points) + 4} coefficients for {len(points)} control "
            f"points, got {len(coefficients)}."
        )
    return points, coefficients


def _read(path: Path, rows: int | None = None, *, first: int) -> _Table:
    """Rows of three numbers from line `first` on."""
    try:
        table = np.loadtxt(path, skiprows=first, max_rows=rows, ndmin=2)
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be read as a table of numbers: {error}.") from error
    if table.shape[1:] != (3,) or (rows is not None and len(table) != rows) or not np.isfinite(table).all():
        raise FileError(f"{path}: expected {rows or 'some'} rows of three numbers, got a table of {table.shape}.")
    return np.asarray(table)
