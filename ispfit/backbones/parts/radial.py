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
_N_AFFINE = 4  # coefficients of the affine map, for each channel
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
        system = _LeastSquares(sources, targets, importance, ridge)
        chosen = np.zeros(0, np.intp)
        max_centres = min(len(self.centres), len(sources) // 4)
        for number in range(1, _SELECTION_ROUNDS + 1):
            n_new = max_centres * number // _SELECTION_ROUNDS - len(chosen)
            loss = importance * (system.errors() ** 2).sum(1)
            new = _spaced_centres(sources, loss, chosen, n_new)
            system.add(sources[new])
            chosen = np.concatenate([chosen, new])
        self.set(sources[chosen], np.roll(system.coefficients(), -_N_AFFINE, axis=0))


class _LeastSquares:
    """The least squares of `RadialMap.fit`, which grow by centres: what is known of the earlier ones is kept.

    Its terms are 1, the three channels, and the distances to the centres.
    """

    def __init__(self, sources: Colors, targets: Colors, importance: npt.NDArray[np.float64], ridge: float) -> None:
        self.sources, self.targets, self.importance = sources, targets, importance
        self.penalty = ridge * importance.sum()
        self.terms = np.empty((0, len(sources)))
        self.normal, self.right_side = np.empty((0, 0)), np.empty((0, 3))
        self._append(np.concatenate([np.ones((1, len(sources))), sources.T]))

    def add(self, centres: Colors) -> None:
        """Add the distances to centres (k, 3)."""
        self._append(cdist(centres, self.sources))

    def coefficients(self) -> Colors:
        """Return the coefficients (4 + k, 3) of the terms."""
        penalty = self.penalty * np.eye(len(self.normal))
        return np.asarray(np.linalg.solve(self.normal + penalty, self.right_side))

    def errors(self) -> Colors:
        """Return what the terms leave of the targets, (n, 3)."""
        return np.asarray(self.targets - self.terms.T @ self.coefficients())

    def _append(self, terms: npt.NDArray[np.float64]) -> None:
        weighted = terms * self.importance
        across = weighted @ self.terms.T
        self.normal = np.block([[self.normal, across.T], [across, weighted @ terms.T]])
        self.right_side = np.concatenate([self.right_side, weighted @ self.targets])
        self.terms = np.concatenate([self.terms, terms])


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
