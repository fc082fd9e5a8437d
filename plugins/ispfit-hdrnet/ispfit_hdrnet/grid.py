"""Bilateral grids of affine colour transforms, (N, 12, depth, rows, columns), and powers of colours.

The 12 coefficients are the rows of a 3 x 4 matrix; its fourth column is added.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["apply_transforms", "identity", "raise_to_power", "slice_grid"]

_DARK = 1e-4  # added to colours before a power, so that its slope is finite at black


def identity(depth: int) -> Tensor:
    """Return the coefficients (12, depth) that leave colours as they are in every slice."""
    return torch.eye(3, 4).flatten()[:, None].repeat(1, depth)


def raise_to_power(colors: Tensor, power: Tensor | float) -> Tensor:
    """Return a power of colours: 0 at black and below, and of finite slope."""
    return (colors.clamp(min=0) + _DARK) ** power - _DARK**power


def slice_grid(grid: Tensor, places: Tensor, guide: Tensor) -> Tensor:
    """Interpolate grids trilinearly at pixels.

    Parameters
    ----------
    grid : (N, 12, depth, rows, columns). Rows and columns divide the image into cells and hold the value at the centre
        of each; slices lie at guides of 0, 1 / (depth - 1), ..., 1. Values are constant beyond the outermost centres.
    places : (N, 2, h, w), y, then x, from 0 to 1 across the image.
    guide : (N, h, w) in [0, 1].

    Returns
    -------
    Coefficients (N, 12, h, w).
    """
    depth = grid.shape[2]
    y, x = (2 * places - 1).unbind(1)
    z = (2 * guide - 1) * (depth - 1) / depth
    points = torch.stack([x, y, z], -1)[:, None]
    return grid_sample(grid, points, padding_mode="border", align_corners=False)[:, :, 0]


def apply_transforms(coefficients: Tensor, colors: Tensor) -> Tensor:
    """Transform each colour (N, 3, h, w) by its own coefficients (N, 12, h, w)."""
    matrix = coefficients.view(len(coefficients), 3, 4, *coefficients.shape[2:])
    return (matrix[:, :, :3] * colors[:, None]).sum(2) + matrix[:, :, 3]
