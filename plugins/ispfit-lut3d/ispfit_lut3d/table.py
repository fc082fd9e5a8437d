"""3D lookup tables, (N, 3, size, size, size); the last three axes are blue, green, red."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["identity", "invert", "look_up"]

_CANDIDATES_PER_AXIS = 9
_ITERATIONS = 12
_DAMPING = 1e-4
_STEP_SCALES = (1.0, 0.25)


def identity(size: int) -> Tensor:
    """Return the table (3, size, size, size) that maps each colour to itself."""
    nodes = torch.linspace(0, 1, size)
    blue, green, red = torch.meshgrid(nodes, nodes, nodes, indexing="ij")
    return torch.stack([red, green, blue])


def look_up(table: Tensor, pixels: Tensor) -> Tensor:
    """Map pixels (N, 3, h, w) by trilinear interpolation; pixels outside [0, 1] take the nearest value."""
    grid = (2 * pixels - 1).permute(0, 2, 3, 1)[:, None]
    return grid_sample(table, grid, padding_mode="border", align_corners=True)[:, :, 0]


def invert(table: Tensor) -> Tensor:
    """Return tables of the same size that undo `table`: at each node y, the x for which table(x) is closest to y.

    Damped Gauss-Newton steps start from the closest of 9 x 9 x 9 colours; a step that increases the error is dropped.
    """
    size = table.shape[-1]
    targets = identity(size).to(table).flatten(1).T
    return torch.stack([_solve(single[None], targets).T.view(3, size, size, size) for single in table])


def _solve(table: Tensor, targets: Tensor) -> Tensor:
    """Return the colours (M, 3) that one table maps closest to `targets` (M, 3)."""
    candidates = identity(_CANDIDATES_PER_AXIS).to(table).flatten(1).T
    x = candidates[torch.cdist(targets, _map_colours(table, candidates)).argmin(1)]
    error = (_map_colours(table, x) - targets).square().sum(1)
    for _ in range(_ITERATIONS):
        step = _gauss_newton_step(table, x, targets)
        for scale in _STEP_SCALES:
            trial = (x - scale * step).clamp(0, 1)
            trial_error = (_map_colours(table, trial) - targets).square().sum(1)
            better = trial_error < error
            x, error = torch.where(better[:, None], trial, x), torch.where(better, trial_error, error)
    return x


def _gauss_newton_step(table: Tensor, x: Tensor, targets: Tensor) -> Tensor:
    half_node = 0.5 / (table.shape[-1] - 1)
    columns = [
        (_map_colours(table, (x + shift).clamp(0, 1)) - _map_colours(table, (x - shift).clamp(0, 1))) / (2 * half_node)
        for shift in half_node * torch.eye(3, device=x.device)
    ]
    jacobian = torch.stack(columns, 2)
    normal = jacobian.mT @ jacobian + _DAMPING * torch.eye(3, device=x.device)
    gradient = jacobian.mT @ (_map_colours(table, x) - targets)[:, :, None]
    return torch.linalg.solve(normal, gradient)[:, :, 0]


def _map_colours(table: Tensor, colours: Tensor) -> Tensor:
    """Look up a list of colours (M, 3) in one table."""
    return look_up(table, colours.T[None, :, None])[0, :, 0].T
