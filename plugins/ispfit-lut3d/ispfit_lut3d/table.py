"""3D lookup tables: (N, 3, size, size, size), the axes after the channels being blue, green, red."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["identity", "invert", "look_up"]

_CANDIDATES = 9
_ITERATIONS = 12
_DAMPING = 1e-4


def identity(size: int) -> Tensor:
    """The table (3, size, size, size) that gives back what it is asked."""
    nodes = torch.linspace(0, 1, size)
    blue, green, red = torch.meshgrid(nodes, nodes, nodes, indexing="ij")
    return torch.stack([red, green, blue])


def look_up(table: Tensor, pixels: Tensor) -> Tensor:
    """Trilinear interpolation of (N, 3, h, w) in [0, 1]; what lies outside takes the nearest value."""
    grid = (2 * pixels - 1).permute(0, 2, 3, 1)[:, None]
    return grid_sample(table, grid, padding_mode="border", align_corners=True)[:, :, 0]


def invert(table: Tensor) -> Tensor:
    """The table of the same size that undoes one: for each of its nodes y the x with table(x) nearest to y.

    From the nearest of 9 x 9 x 9 colours by damped Gauss-Newton steps; each is kept only where it comes nearer.
    """
    size = table.shape[-1]
    goals = identity(size).to(table).flatten(1).T
    return torch.stack([_solve(one[None], goals).T.view(3, size, size, size) for one in table])


def _solve(table: Tensor, goals: Tensor) -> Tensor:
    start = identity(_CANDIDATES).to(table).flatten(1).T
    x = start[torch.cdist(goals, _at(table, start)).argmin(1)]
    error = (_at(table, x) - goals).square().sum(1)
    for _ in range(_ITERATIONS):
        step = _gauss_newton(table, x, goals)
        for scale in (1.0, 0.25):
            tried = (x - scale * step).clamp(0, 1)
            new = (_at(table, tried) - goals).square().sum(1)
            better = new < error
            x, error = torch.where(better[:, None], tried, x), torch.where(better, new, error)
    return x


def _gauss_newton(table: Tensor, x: Tensor, goals: Tensor) -> Tensor:
    reach = 0.5 / (table.shape[-1] - 1)
    columns = [
        (_at(table, (x + shift).clamp(0, 1)) - _at(table, (x - shift).clamp(0, 1))) / (2 * reach)
        for shift in reach * torch.eye(3, device=x.device)
    ]
    jacobian = torch.stack(columns, 2)
    normal = jacobian.mT @ jacobian + _DAMPING * torch.eye(3, device=x.device)
    slope = jacobian.mT @ (_at(table, x) - goals)[:, :, None]
    return torch.linalg.solve(normal, slope)[:, :, 0]


def _at(table: Tensor, colours: Tensor) -> Tensor:
    """Look up a list of colours (M, 3)."""
    return look_up(table, colours.T[None, :, None])[0, :, 0].T
