"""Smooth maps of colours: radial basis functions ``phi(r) = r`` plus an affine map."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from ispfit.backbones.parts.color_samples import Colors

__all__ = ["DEFAULT_RIDGE", "RadialMap"]

DEFAULT_RIDGE = 1e-9
"""Just enough to keep coefficients small that the colours do not determine."""

_SELECTION_ROUNDS = 8
_DISTANCES_PER_CHUNK = 1 << 18  # 2 MiB, which stay in the cache


class RadialMap(nn.Module):
    """``c -> affine [1, c] + sum_k weights_k |c - centres_k|``: Kim et al., PAMI 2012, section 4.3 (gamut mapping).

    A new map is the identity.

    Parameters
    ----------
    count : maximum number of centres.
    """

    centres: Tensor
    weights: Tensor
    affine: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.zeros(count, 3))
        self.register_buffer("weights", torch.zeros(count, 3))
        self.register_buffer("affine", torch.cat([torch.zeros(1, 3), torch.eye(3)]))

    def forward(self, colors: Tensor) -> Tensor:
        """Map colours (n, 3)."""
        # In float64: coefficients in the hundreds cancel, and float32 would lose digits that depend on the machine.
        affine, centres, weights = self.affine.double(), self.centres.double(), self.weights.double()
        chunk_size = max(1, _DISTANCES_PER_CHUNK // max(1, len(centres)))
        parts = [colors[:0]]
        for part in torch.split(colors.double(), chunk_size):
            mapped = affine[0] + part @ affine[1:]
            if self.weights.any():
                # Distances from differences: from products (matmul), those of close colours lose half of their digits.
                mapped += torch.cdist(part, centres, compute_mode="donot_use_mm_for_euclid_dist") @ weights
            parts.append(mapped.to(colors.dtype))
        return torch.cat(parts)

    def set(self, centres: npt.ArrayLike, coefficients: npt.ArrayLike) -> None:
        """Set k <= `count` centres (k, 3) and their coefficients (k + 4, 3): k weights, then the affine map."""
        middle, values = np.asarray(centres), np.asarray(coefficients)
        count = len(middle)
        with torch.no_grad():
            for buffer in (self.centres, self.weights):
                buffer.zero_()
            self.centres[:count] = torch.from_numpy(middle).float()
            self.weights[:count] = torch.from_numpy(values[:count]).float()
            self.affine.copy_(torch.from_numpy(values[count:]).float())

    def fit(
        self, sources: Colors, targets: Colors, importance: npt.NDArray[np.float64], ridge: float = DEFAULT_RIDGE
    ) -> None:
        """Fit to colours by least squares, with greedily selected centres.

        Each round adds the sources with the largest errors to the centres, and fits again.

        Parameters
        ----------
        sources, targets : (n, 3).
        importance : (n,) weights of the squared errors.
        ridge : penalty of the squared coefficients, relative to the total importance; the larger, the smoother the map.
        """
        chosen = np.zeros(0, np.intp)
        coefficients = _solve(sources[chosen], sources, targets, importance, ridge)
        max_centres = min(len(self.centres), len(sources) // 4)
        for number in range(1, _SELECTION_ROUNDS + 1):
            n_new = max_centres * number // _SELECTION_ROUNDS - len(chosen)
            error = targets - _design(sources[chosen], sources) @ coefficients
            loss = importance * (error**2).sum(1)
            chosen = np.concatenate([chosen, _spaced_centres(sources, loss, chosen, n_new)])
            coefficients = _solve(sources[chosen], sources, targets, importance, ridge)
        self.set(sources[chosen], coefficients)


def _design(centres: Colors, colors: Colors) -> Colors:
    """Return the design matrix (n, k + 4): distances to the centres, 1, and the colours themselves."""
    return np.concatenate([cdist(colors, centres), np.ones((len(colors), 1)), colors], 1)


def _solve(
    centres: Colors, sources: Colors, targets: Colors, importance: npt.NDArray[np.float64], ridge: float
) -> Colors:
    design = _design(centres, sources)
    weighted = design.T * importance
    normal = weighted @ design
    penalty = ridge * importance.sum() * np.eye(len(normal))
    return np.asarray(np.linalg.solve(normal + penalty, weighted @ targets))


def _spaced_centres(
    sources: Colors, loss: npt.NDArray[Any], chosen: npt.NDArray[np.intp], count: int
) -> npt.NDArray[np.intp]:
    """Return up to `count` indices of sources of large loss that lie neither close together nor close to `chosen`."""
    order = np.argsort(-loss)
    picked: list[int] = []
    taken = sources[chosen]
    min_distance = 0.25 * np.sqrt(sources.var(0).sum()) / max(1, len(sources)) ** (1 / 3)
    for index in order.tolist():
        if len(picked) == count:
            break
        if not len(taken) or np.abs(taken - sources[index]).max(1).min() > min_distance:
            picked.append(index)
            taken = np.concatenate([taken, sources[index : index + 1]])
    return np.array(picked, np.intp)
