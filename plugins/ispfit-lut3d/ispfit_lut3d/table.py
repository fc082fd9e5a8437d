"""3D lookup tables, (N, 3, size, size, size); the last three axes are blue, green, red."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["identity", "look_up"]


def identity(size: int) -> Tensor:
    """Return the table (3, size, size, size) that maps each colour to itself."""
    nodes = torch.linspace(0, 1, size)
    blue, green, red = torch.meshgrid(nodes, nodes, nodes, indexing="ij")
    return torch.stack([red, green, blue])


def look_up(table: Tensor, pixels: Tensor) -> Tensor:
    """Map pixels (N, 3, h, w) by trilinear interpolation; pixels outside [0, 1] take the nearest value."""
    grid = (2 * pixels - 1).permute(0, 2, 3, 1)[:, None]
    return grid_sample(table, grid, padding_mode="border", align_corners=True)[:, :, 0]
