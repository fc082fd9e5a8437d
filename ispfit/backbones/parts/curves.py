"""Monotone curves, one a channel: response curves and tone curves."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sklearn.isotonic import IsotonicRegression
from torch import Tensor, nn

__all__ = ["MonotoneCurves", "fit_monotone"]

_Array: TypeAlias = npt.NDArray[np.float64]

_LEAST_SLOPE = 1e-4  # so that a curve can be inverted


class MonotoneCurves(nn.Module):
    """Three strictly increasing curves on [0, 1], piecewise linear between nodes at equal distances.

    It starts as the identity.

    Parameters
    ----------
    count : nodes of each curve.
    """

    nodes: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("nodes", torch.linspace(0, 1, count).repeat(3, 1))

    def forward(self, colors: Tensor) -> Tensor:
        """Apply to colours (n, 3); what lies outside [0, 1] is clipped."""
        last = self.nodes.shape[1] - 1
        place = colors.clamp(0, 1).T * last
        lower = place.floor().clamp(max=last - 1).long()
        start, stop = self.nodes.gather(1, lower), self.nodes.gather(1, lower + 1)
        return (start + (stop - start) * (place - lower)).T

    def inverted(self, values: Tensor) -> Tensor:
        """Where the curves take `values` (n, 3): in [0, 1]."""
        last = self.nodes.shape[1] - 1
        wanted = values.T.contiguous()
        upper = torch.searchsorted(self.nodes, wanted).clamp(1, last)
        start, stop = self.nodes.gather(1, upper - 1), self.nodes.gather(1, upper)
        return ((upper - 1 + (wanted - start) / (stop - start)) / last).clamp(0, 1).T

    def set(self, nodes: npt.ArrayLike) -> None:
        """Take nodes (count, 3); where they do not rise they are made to, a little."""
        values = np.asarray(nodes, np.float64)
        slope = np.maximum(np.diff(values, axis=0), _LEAST_SLOPE / len(values))
        rising = values[0] + np.concatenate([np.zeros((1, 3)), np.cumsum(slope, axis=0)])
        with torch.no_grad():
            self.nodes.copy_(torch.from_numpy(rising.T).float())


def fit_monotone(x: _Array, y: _Array, count: int, weights: Any = None) -> _Array:
    """Nodes (count,) at equal distances on [0, 1] of the increasing curve nearest to the points (least squares).

    Isotonic regression (M. Ayer et al., "An Empirical Distribution Function for Sampling with Incomplete Information",
    1955) of the means around each node; its flat steps are bridged by straight lines between their middles, and it
    goes on as a straight line where there are no points, through black where there is one only.
    """
    last = count - 1
    place = np.clip(x, 0, 1) * last
    lower = np.minimum(place.astype(np.intp), last - 1)
    share = place - lower
    weights = np.ones_like(x) if weights is None else weights
    near = np.concatenate([lower, lower + 1])
    nearness = np.concatenate([(1 - share) * weights, share * weights])
    total = np.bincount(near, nearness, count)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.bincount(near, nearness * np.tile(x, 2), count) / total
        mean = np.bincount(near, nearness * np.tile(y, 2), count) / total
    known = total > 1e-9 * total.sum()
    monotone = mean[known]
    if known.any():
        monotone = IsotonicRegression().fit_transform(middle[known], monotone, sample_weight=total[known])
    levels, steps = np.unique(monotone, return_inverse=True)
    size = np.bincount(steps, total[known])
    if len(levels) < 2:  # one point: the line to it from black, or the identity
        x0, y0 = float(middle[known].mean()) if known.any() else 0.0, float(levels.sum())
        return np.linspace(0, 1, count) * (y0 / x0 if min(x0, y0) > _LEAST_SLOPE else 1.0)
    centre = np.bincount(steps, total[known] * middle[known]) / size
    return _extended(centre, levels, np.linspace(0, 1, count))


def _extended(x: _Array, y: _Array, at: _Array) -> _Array:
    """Linear interpolation, going on outside as a line through the outermost fifth."""
    result = np.interp(at, x, y)
    if len(x) > 1:
        for inner, outer, outside in ((x[0] + 0.2, 0, at < x[0]), (x[-1] - 0.2, -1, at > x[-1])):
            slope = (np.interp(inner, x, y) - y[outer]) / (np.clip(inner, x[0], x[-1]) - x[outer])
            result[outside] = y[outer] + slope * (at[outside] - x[outer])
    return np.asarray(result)
