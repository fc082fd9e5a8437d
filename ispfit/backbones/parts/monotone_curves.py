"""Monotone curves, one per channel, such as response and tone curves."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sklearn.isotonic import isotonic_regression
from torch import Tensor, nn

__all__ = ["MonotoneCurves", "fit_monotone"]

_Array: TypeAlias = npt.NDArray[np.float64]

_MIN_SLOPE = 1e-4  # of a curve, so that it can be inverted
_X_DIGITS = 9  # points closer than this are one


class MonotoneCurves(nn.Module):
    """Three strictly increasing curves on [0, 1], piecewise linear between evenly spaced nodes; initially the identity.

    Parameters
    ----------
    count : number of nodes of each curve.
    """

    nodes: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("nodes", torch.linspace(0, 1, count).repeat(3, 1))

    def forward(self, colors: Tensor) -> Tensor:
        """Map colours (n, 3), clipped to [0, 1]."""
        last = self.nodes.shape[1] - 1
        position = colors.clamp(0, 1).T * last
        lower = position.floor().clamp(max=last - 1).long()
        start, stop = self.nodes.gather(1, lower), self.nodes.gather(1, lower + 1)
        return (start + (stop - start) * (position - lower)).T

    def inverted(self, values: Tensor) -> Tensor:
        """Return the colours (n, 3) in [0, 1] that the curves map to `values` (n, 3)."""
        last = self.nodes.shape[1] - 1
        targets = values.T.contiguous()
        upper = torch.searchsorted(self.nodes, targets).clamp(1, last)
        start, stop = self.nodes.gather(1, upper - 1), self.nodes.gather(1, upper)
        return ((upper - 1 + (targets - start) / (stop - start)) / last).clamp(0, 1).T

    def set(self, nodes: npt.ArrayLike) -> None:
        """Set the nodes (count, 3); steps that do not rise are raised to a minimal slope."""
        values = np.asarray(nodes, np.float64)
        slope = np.maximum(np.diff(values, axis=0), _MIN_SLOPE / len(values))
        rising = values[0] + np.concatenate([np.zeros((1, 3)), np.cumsum(slope, axis=0)])
        with torch.no_grad():
            self.nodes.copy_(torch.from_numpy(rising.T).float())


def fit_monotone(x: _Array, y: _Array, count: int, weights: Any = None) -> _Array:
    """Fit an increasing curve to points by least squares.

    Isotonic regression (M. Ayer et al., "An Empirical Distribution Function for Sampling with Incomplete Information",
    1955) of the means of the points around each node. Straight lines join the centres of its flat steps and extend the
    curve to the ends of [0, 1]. A single point gives the straight line from black through it.

    Parameters
    ----------
    x, y : (n,) coordinates of the points; x is clipped to [0, 1].
    count : number of nodes.
    weights : (n,) weights of the points; all are 1 if None.

    Returns
    -------
    The curve at `count` equally spaced nodes on [0, 1].
    """
    last = count - 1
    position = np.clip(x, 0, 1) * last
    lower = np.minimum(position.astype(np.intp), last - 1)
    share = position - lower
    weights = np.ones_like(x) if weights is None else weights
    node = np.concatenate([lower, lower + 1])
    node_weights = np.concatenate([(1 - share) * weights, share * weights])
    total: _Array = np.asarray(np.bincount(node, node_weights, count), np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.bincount(node, node_weights * np.tile(x, 2), count) / total
        mean = np.bincount(node, node_weights * np.tile(y, 2), count) / total
    known = total > 1e-9 * total.sum()
    middle, mean, total = _merged(middle[known], mean[known], total[known])
    monotone = mean
    if len(middle):
        monotone = isotonic_regression(mean, sample_weight=total)
    levels, steps = np.unique(monotone, return_inverse=True)
    size = np.bincount(steps, total)
    if len(levels) < 2:  # one point: the line from black through it, or the identity
        x0, y0 = float(middle.mean()) if len(middle) else 0.0, float(levels.sum())
        return np.linspace(0, 1, count) * (y0 / x0 if min(x0, y0) > _MIN_SLOPE else 1.0)
    centre = np.bincount(steps, total * middle) / size
    return _extrapolated(centre, levels, np.linspace(0, 1, count))


def _merged(x: _Array, y: _Array, weights: _Array) -> tuple[_Array, _Array, _Array]:
    """Merge points of equal x: a single colour between two nodes is the middle of both."""
    middle, which = np.unique(x.round(_X_DIGITS), return_inverse=True)
    total, sums = (np.asarray(np.bincount(which, each), np.float64) for each in (weights, weights * y))
    return np.asarray(middle), sums / total, total


def _extrapolated(x: _Array, y: _Array, queries: _Array) -> _Array:
    """Interpolate linearly, and extrapolate with the mean slope of the outermost 0.2 of [0, 1]."""
    result = np.interp(queries, x, y)
    if len(x) > 1:
        for inner, outer, outside in ((x[0] + 0.2, 0, queries < x[0]), (x[-1] - 0.2, -1, queries > x[-1])):
            slope = (np.interp(inner, x, y) - y[outer]) / (np.clip(inner, x[0], x[-1]) - x[outer])
            result[outside] = y[outer] + slope * (queries[outside] - x[outer])
    return np.asarray(result)
