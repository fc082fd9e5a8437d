"""Maps of colours as 3D tables: computed once at the nodes of a lattice, then interpolated at every pixel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["lattice", "look_up"]


def lattice(size: int, device: torch.device | None = None) -> Tensor:
    """Return the nodes of a table, float32 (size**3, 3) in [0, 1]: red varies fastest, then green, then blue."""
    nodes = torch.linspace(0, 1, size, device=device)
    blue, green, red = torch.meshgrid(nodes, nodes, nodes, indexing="ij")
    return torch.stack([red, green, blue], -1).reshape(-1, 3)


def look_up(table: Tensor, colors: Tensor) -> Tensor:
    """Interpolate tables trilinearly.

    Parameters
    ----------
    table : float32 (N, C, size, size, size), values at the nodes of `lattice`; the last axes are blue, green, red.
    colors : float32 (N, 3, h, w); a colour outside [0, 1] takes the nearest value.

    Returns
    -------
    float32 (N, C, h, w).
    """
    grid = (2 * colors - 1).permute(0, 2, 3, 1)[:, None]
    return grid_sample(table, grid, mode="bilinear", padding_mode="border", align_corners=True)[:, :, 0]
