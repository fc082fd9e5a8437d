"""Smooth maps of colours by radial basis functions, ``phi(r) = r`` plus an affine map."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import cdist
from torch import Tensor, nn

__all__ = ["RadialMap"]

Colors: TypeAlias = npt.NDArray[np.float64]

_ROUNDS = 8
_RIDGE = 1e-9  # of the importance of all colours: what they do not determine stays small
_CHUNK = 1 << 18  # distances held at once, 2 MiB: they stay in a cache


class RadialMap(nn.Module):
    """``c -> affine [1, c] + sum_k weights_k |c - centres_k|``: Kim et al., PAMI 2012, section 4.3 (gamut mapping).

    It starts as the identity.

    Parameters
    ----------
    count : how many centres it has room for.
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
        # In float64: coefficients in the hundreds cancel, and what float32 loses there depends on the machine.
        affine, centres, weights = self.affine.double(), self.centres.double(), self.weights.double()
        step = max(1, _CHUNK // max(1, len(centres)))
        parts = [colors[:0]]
        for part in torch.split(colors.double(), step):
            mapped = affine[0] + part @ affine[1:]
            if self.weights.any():
                # Distances from differences: by products, as matmul would, near colours lose half their digits.
                mapped += torch.cdist(part, centres, compute_mode="donot_use_mm_for_euclid_dist") @ weights
            parts.append(mapped.to(colors.dtype))
        return torch.cat(parts)

    def set(self, centres: npt.ArrayLike, coefficients: npt.ArrayLike) -> None:
        """Take centres (k, 3) and coefficients (k + 4, 3), weights first; room that is left stays unused."""
        middle, values = np.asarray(centres), np.asarray(coefficients)
        count = len(middle)
        with torch.no_grad():
            for buffer in (self.centres, self.weights):
                buffer.zero_()
            self.centres[:count] = torch.from_numpy(middle).float()
            self.weights[:count] = torch.from_numpy(values[:count]).float()
            self.affine.copy_(torch.from_numpy(values[count:]).float())

    def fit(self, sources: Colors, targets: Colors, importance: npt.NDArray[np.float64]) -> None:
        """Least squares on colours (n, 3), with centres where they are needed most.

        The centres are chosen greedily: round after round the sources of the largest errors join.

        Parameters
        ----------
        importance : (n,) weights of the squared errors.
        """
        chosen = np.zeros(0, np.intp)
        coefficients = _solve(sources[chosen], sources, targets, importance)
        room = min(len(self.centres), len(sources) // 4)
        for round_ in range(_ROUNDS):
            wanted = room * (round_ + 1) // _ROUNDS - len(chosen)
            error = targets - _design(sources[chosen], sources) @ coefficients
            loss = importance * (error**2).sum(1)
            chosen = np.concatenate([chosen, _spread(sources, loss, chosen, wanted)])
            coefficients = _solve(sources[chosen], sources, targets, importance)
        self.set(sources[chosen], coefficients)


def _design(centres: Colors, colors: Colors) -> Colors:
    return np.concatenate([cdist(colors, centres), np.ones((len(colors), 1)), colors], 1)


def _solve(centres: Colors, sources: Colors, targets: Colors, importance: npt.NDArray[np.float64]) -> Colors:
    design = _design(centres, sources)
    weighted = design.T * importance
    normal = weighted @ design
    ridge = _RIDGE * importance.sum() * np.eye(len(normal))
    return np.asarray(np.linalg.solve(normal + ridge, weighted @ targets))


def _spread(sources: Colors, loss: npt.NDArray[Any], chosen: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    """The `count` sources of largest loss of which none lies close to another, or to one chosen before."""
    order = np.argsort(-loss)
    picked: list[int] = []
    taken = sources[chosen]
    near = 0.25 * np.sqrt(sources.var(0).sum()) / max(1, len(sources)) ** (1 / 3)
    for index in order.tolist():
        if len(picked) == count:
            break
        if not len(taken) or np.abs(taken - sources[index]).max(1).min() > near:
            picked.append(index)
            taken = np.concatenate([taken, sources[index : index + 1]])
    return np.array(picked, np.intp)
