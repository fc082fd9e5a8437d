"""The table from which training starts: smooth, and fitted to colours of all pairs by least squares."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.sparse.linalg import cg
from torch import Tensor

from ispfit.images import Image
from ispfit_lut3d.table import identity

__all__ = ["fit_start"]

_Array = npt.NDArray[np.float64]

_MAX_SHOTS, _COLORS_PER_SHOT = 100, 1000
_LEAST, _LARGEST = 0.002, 0.98  # values between them tell the power that leads from input to output
_MIN_USABLE = 100
_SMOOTHNESS = 1.0  # weight of the second differences of the table, a node's share of the colours being 1
_TIE = 1e-9  # weight of the identity, for nodes that nothing else determines
_DARKEST_WEIGHT = 0.05  # the error of darker values weighs as much as theirs


def fit_start(pairs: Iterable[tuple[Image, Image]], size: int) -> tuple[Tensor, float, float]:
    """Fit a table and the powers around it to pairs.

    Returns
    -------
    table : float32 (3, size, size, size).
    input_power, output_power : at most 1, at least 1; one of them is 1.
    """
    inputs, outputs = _sample(pairs)
    power = _power(inputs, outputs)
    input_power, output_power = min(1.0, power), max(1.0, power)
    places, values = inputs.clip(0) ** input_power, outputs.clip(0) ** (1 / output_power)
    slopes = output_power * values.mean(1).clip(_DARKEST_WEIGHT) ** (output_power - 1)
    table = _fit_table(places, values, slopes**2, size).T.reshape(3, size, size, size)
    return torch.from_numpy(table).float(), input_power, output_power


def _sample(pairs: Iterable[tuple[Image, Image]]) -> tuple[_Array, _Array]:
    """Return colours (n, 3) of both sides at the same pixels; the same pairs always give the same colours."""
    pairs, rng = list(pairs), np.random.default_rng(0)
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(len(pairs), _MAX_SHOTS)).astype(int))
    colors: list[list[_Array]] = [[], []]
    for number in chosen:
        sides = [np.asarray(image, np.float64).reshape(-1, 3) for image in pairs[int(number)]]
        index = rng.integers(len(sides[0]), size=_COLORS_PER_SHOT)
        for samples, side in zip(colors, sides, strict=True):
            samples.append(side[index])
    return np.concatenate(colors[0]), np.concatenate(colors[1])


def _power(inputs: _Array, outputs: _Array) -> float:
    """Return the ratio of the spreads of logarithms: output is about input to this power."""
    usable = (np.minimum(inputs, outputs) > _LEAST) & (np.maximum(inputs, outputs) < _LARGEST)
    if usable.sum() < _MIN_USABLE:
        return 1.0
    spreads = [np.log(values[usable]).std() for values in (inputs, outputs)]
    return float(np.clip(spreads[1] / max(spreads[0], 1e-6), 0.2, 5))


def _fit_table(places: _Array, values: _Array, weights: _Array, size: int) -> _Array:
    """Return the nodes (size**3, 3) of the smooth table of least weighted squared error."""
    interpolation, differences = _interpolation(places, size), _second_differences(size)
    data = interpolation.T @ sparse.diags_array(weights)
    total = weights.sum()
    normal = data @ interpolation + _SMOOTHNESS * total / size**3 * (differences.T @ differences)
    normal = normal + _TIE * total * sparse.eye_array(size**3)
    start = identity(size).flatten(1).double().numpy().T
    sides = data @ values + _TIE * total * start
    return np.stack([cg(normal, sides[:, c], x0=start[:, c], rtol=1e-5, maxiter=400)[0] for c in range(3)], 1)


def _interpolation(places: _Array, size: int) -> sparse.csr_array:
    """Return the matrix (n, size**3) that interpolates a table trilinearly at places (n, 3)."""
    position = places.clip(0, 1) * (size - 1)
    low = np.minimum(position.astype(np.intp), size - 2)
    part = position - low
    rows, columns, factors = [], [], []
    for corner in np.ndindex(2, 2, 2):
        red, green, blue = (low + corner).T
        rows.append(np.arange(len(places)))
        columns.append((blue * size + green) * size + red)
        factors.append(np.where(corner, part, 1 - part).prod(1))
    entries = (np.concatenate(factors), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_array(entries, shape=(len(places), size**3))


def _second_differences(size: int) -> sparse.csr_array:
    """Return the matrix of the second differences of a table along its three axes."""
    one = sparse.diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(size - 2, size))
    same = sparse.eye_array(size)
    axes = [(same, same, one), (same, one, same), (one, same, same)]
    return sparse.vstack([sparse.kron(sparse.kron(a, b), c) for a, b, c in axes]).tocsr()
