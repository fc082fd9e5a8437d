"""Read the camera models that Kim et al. measured and published."""

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
    """Read a published camera as a fitted `ISPModel` with the backbone `parametric`.

    The text files of https://www.comp.nus.edu.sg/~brown/radiometric_calibration hold a colour matrix, a response
    curve, and for each direction the control points and coefficients of the gamut mapping (``phi(r) = r`` plus
    ``[1, r, g, b]``). Their white balance is ignored: a raw is balanced with the gains of its own file.

    Parameters
    ----------
    folder : folder with ``raw2jpg_transform.txt``, ``raw2jpg_respFcns.txt``, and for each of ``raw2jpg`` and
        ``jpg2raw`` the files ``*_ctrlPoints.txt`` and ``*_coefs.txt``.

    Raises
    ------
    FileError
        If one of these files is missing or malformed.

    References
    ----------
    Kim, Lin, Lu, Süsstrunk, Lin & Brown, "A New In-Camera Imaging Model for Color Computer Vision and its
    Application", PAMI 2012.
    """
    source = Path(folder)
    forward, inverse = _read_gamut(source, "raw2jpg"), _read_gamut(source, "jpg2raw")
    backbone = Parametric(control_points=max(len(forward[0]), len(inverse[0])))
    network = ParametricNetwork(backbone.control_points)
    network.gamut.set(*forward)
    network.inverse_gamut.set(*inverse)
    network.response.set(_read_table(source / "raw2jpg_respFcns.txt", n_rows=256))
    with torch.no_grad():
        network.matrix.copy_(torch.from_numpy(_read_table(source / "raw2jpg_transform.txt", n_rows=3)))
    records = {"forward": TrainingRecord(n_train=0, n_validation=0)}
    return ISPModel(backbone).set_fitted(backbone, {"forward": network}, records, camera=source.name)


def _read_gamut(folder: Path, direction: str) -> tuple[_Table, _Table]:
    """Return control points (k, 3) and coefficients (k + 4, 3)."""
    points = _read_table(folder / f"{direction}_ctrlPoints.txt")
    coefficients = _read_table(folder / f"{direction}_coefs.txt")
    if len(coefficients) != len(points) + 4:
        raise FileError(
            f"{folder / f'{direction}_coefs.txt'}: expected {len(points) + 4} coefficients for {len(points)} control "
            f"points, got {len(coefficients)}."
        )
    return points, coefficients


def _read_table(path: Path, n_rows: int | None = None) -> _Table:
    """Return the rows (n, 3) below the header line: the first `n_rows` of them, or all."""
    try:
        table = np.loadtxt(path, skiprows=1, max_rows=n_rows, ndmin=2)
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be read as a table of numbers: {error}.") from error
    if table.shape[1:] != (3,) or (n_rows is not None and len(table) != n_rows) or not np.isfinite(table).all():
        expected = "rows" if n_rows is None else f"{n_rows} rows"
        raise FileError(f"{path}: expected {expected} of three finite numbers, got a table of shape {table.shape}.")
    return np.asarray(table)
