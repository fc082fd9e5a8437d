"""Kernel ridge regressions of several kernels and noises, and what they predict if a group of shots is left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["LENGTHS", "KernelRidges", "kernel_ridges", "leave_groups_out"]

_Array = npt.NDArray[np.float64]

LENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Lengths of the radial kernels, in standard deviations per statistic."""

_LINEAR_WEIGHTS = (0.0, 0.1, 1.0)  # of a linear kernel beside a radial one
_NOISES = tuple(10.0**power for power in np.linspace(-2.5, 1.5, 9))
_RIDGES = tuple(10.0**power for power in np.linspace(-2.5, 2.5, 11))  # of a linear kernel alone


class KernelRidges:
    """Kernel ridge regressions with one kernel and several noises, by one eigenvalue decomposition.

    Parameters
    ----------
    matrix : (N, N), ``radial(length) + linear_weight * linear`` of the shots.
    length : index into `LENGTHS`; None for no radial kernel.
    noises : C of them.
    """

    def __init__(self, matrix: _Array, length: int | None, linear_weight: float, noises: Sequence[float]) -> None:
        self.length, self.linear_weight, self.noises = length, linear_weight, noises
        values, self.vectors = np.linalg.eigh(matrix)
        self.inverses = 1 / (values.clip(0) + np.array(noises)[:, None])
        self.shrinkages = values.clip(0) * self.inverses

    def smoothers(self) -> _Array:
        """Return the matrices (C, N, N) that make predictions of targets."""
        return np.asarray(self.vectors * self.shrinkages[:, None] @ self.vectors.T)

    def coefficients(self, targets: _Array, weights: _Array) -> _Array:
        """Return the coefficients (N, K) of the kernel functions, summed over the noises with weights (C, K)."""
        return np.asarray(self.vectors @ (self.inverses.T @ weights * (self.vectors.T @ targets)))


def kernel_ridges(positions: _Array) -> list[KernelRidges]:
    """Return the regressions of the shots at positions (N, D), by kernel."""
    linear = positions @ positions.T / positions.shape[1]
    squared = ((positions[:, None] - positions) ** 2).mean(2)
    return [
        *(
            KernelRidges(np.exp(-squared / (2 * length**2)) + weight * linear, index, weight, _NOISES)
            for index, length in enumerate(LENGTHS)
            for weight in _LINEAR_WEIGHTS
        ),
        KernelRidges(linear, None, 1.0, _RIDGES),
    ]


def leave_groups_out(smoothers: _Array, targets: _Array, members: Sequence[npt.NDArray[np.intp]]) -> _Array:
    """Return what linear smoothers predict for each group if they are fitted to the others, (..., N, K).

    For kernel ridge regression this needs no second fit: with the residuals r of the whole fit and the block S_gg of
    the smoother, the residuals of the group that is left out are ``(I - S_gg)^-1 r_g``.

    Parameters
    ----------
    smoothers : (..., N, N), predictions = smoother @ targets.
    targets : (N, K).
    members : indices of each group.
    """
    residuals = targets - smoothers @ targets
    predicted = np.empty_like(residuals)
    for group in members:
        blocks = np.eye(len(group)) - smoothers[..., group[:, None], group]
        predicted[..., group, :] = targets[group] - np.linalg.solve(blocks, residuals[..., group, :])
    return predicted
