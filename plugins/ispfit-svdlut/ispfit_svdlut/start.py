"""What training starts from: smooth tables and powers that fit the colours of the pairs best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from ispfit.backbones.parts.color_samples import sample_colors
from ispfit.images import Image
from ispfit_svdlut.tables import CHANNEL_PAIRS, raise_to_power

__all__ = ["fit_start", "fit_tables"]

_GAMMA = 2.2
_SMOOTH = 1e-3  # weight of squared second differences, relative to the number of colours per row of a table
_RIDGE = 1e-6  # the sum of the tables does not determine each of them
_DARKEST = 0.05  # targets below it count no more in a fit of encoded targets

_Array = npt.NDArray[np.float64]


def fit_start(pairs: Sequence[tuple[Image, Image]], size: int) -> tuple[Tensor, float, float]:
    """Fit tables to pairs by least squares, and choose the powers of least error.

    Returns
    -------
    tables : float32 (3, 3, size, size).
    input_power : 1 / 2.2 or 1.
    output_power : 1, or 2.2 if the input is better left as it is: then the target is linear.
    """
    inputs, targets = sample_colors(pairs)
    fits = [(*fit_tables(_raised(inputs, power), targets, size), power) for power in (1 / _GAMMA, 1.0)]
    tables, _, input_power = min(fits, key=lambda fit: fit[1])
    output_power = 1.0
    if input_power == 1:
        output_power = _GAMMA
        slope = np.maximum(targets.mean(1), _DARKEST) ** (1 - 1 / _GAMMA)  # of the output by the encoded one
        tables, _ = fit_tables(inputs, targets ** (1 / _GAMMA), size, slope**2)
    return torch.from_numpy(tables).float(), input_power, output_power


def fit_tables(inputs: _Array, targets: _Array, size: int, weights: _Array | None = None) -> tuple[_Array, float]:
    """Fit smooth tables to colours (n, 3) by weighted least squares.

    Returns
    -------
    tables : (3, 3, size, size).
    error : mean squared error of the colours.
    """
    design, roughness = _design(inputs, size), _roughness(size)
    share = len(inputs) / size
    importance = np.ones(len(inputs)) if weights is None else weights / weights.mean()
    weighted = design.T @ sparse.diags_array(importance)
    normal = weighted @ design + _SMOOTH * share * (roughness.T @ roughness)
    normal = normal.toarray() + _RIDGE * share * np.eye(normal.shape[0])
    values = np.linalg.solve(normal, weighted @ targets)
    error = float(((design @ values - targets) ** 2).mean())
    return values.T.reshape(3, 3, size, size).swapaxes(0, 1), error


def _raised(colors: _Array, power: float) -> _Array:
    return np.asarray(raise_to_power(torch.from_numpy(colors), power).numpy())


def _design(colors: _Array, size: int) -> sparse.csr_array:
    """Return the weights (n, 3 * size**2) of the nodes of the three tables."""
    places = colors.clip(0, 1) * (size - 1)
    lower = places.astype(int).clip(max=size - 2)
    above = places - lower
    columns, weights = [], []
    for table, (row, column) in enumerate(CHANNEL_PAIRS):
        for down in (0, 1):
            for right in (0, 1):
                columns.append((table * size + lower[:, row] + down) * size + lower[:, column] + right)
                weights.append(np.abs(1 - down - above[:, row]) * np.abs(1 - right - above[:, column]))
    rows = np.tile(np.arange(len(colors)), len(columns))
    entries = np.concatenate(weights), (rows, np.concatenate(columns))
    return sparse.csr_array(entries, shape=(len(colors), 3 * size**2))


def _roughness(size: int) -> sparse.csr_array:
    """Return the second differences of the tables along both channels."""
    differences = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(max(size - 2, 0), size))
    each = sparse.eye_array(size)
    one = sparse.vstack([sparse.kron(differences, each), sparse.kron(each, differences)])
    return sparse.csr_array(sparse.kron(sparse.eye_array(3), one))
