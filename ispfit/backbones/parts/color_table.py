"""Maps of colours as 3D tables: computed once at the nodes of a lattice, then interpolated at every pixel."""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor
from torch.compiler import is_exporting
from torch.nn.functional import grid_sample

__all__ = ["lattice", "look_up", "prefilter"]


def lattice(size: int, device: torch.device | None = None) -> Tensor:
    """Return the nodes of a table, float32 (size**3, 3) in [0, 1]: red varies fastest, then green, then blue."""
    nodes = torch.linspace(0, 1, size, device=device)
    blue, green, red = torch.meshgrid(nodes, nodes, nodes, indexing="ij")
    return torch.stack([red, green, blue], -1).reshape(-1, 3)


def look_up(table: Tensor, colors: Tensor) -> Tensor:
    """Interpolate tables trilinearly.

    torch interpolates pictures with vector instructions, and volumes without. So a table is seen as a picture, with the
    slabs of constant blue one below the other; each colour is looked up in the slab before it and in the one behind.
    That takes half the time of `grid_sample` with a volume; it is exact to 3e-4 of the difference of two nodes.

    Parameters
    ----------
    table : float32 (N, C, size, size, size), values at the nodes of `lattice`; the last axes are blue, green, red.
    colors : float32 (N, 3, h, w); a colour outside [0, 1] takes the nearest value.

    Returns
    -------
    float32 (N, C, h, w).
    """
    count, (height, width) = len(colors), colors.shape[2:]
    size, n_rows = table.shape[-1], table.shape[-1] ** 2
    # torch has one thread per image here; an exported graph, whose size is free, has no parts
    n_parts = gcd(height * width, torch.get_num_threads()) if count == 1 and not is_exporting() else 1
    red, green, blue = (colors.clamp(0, 1) * (size - 1)).unbind(1)
    slab = blue.floor()
    green = green.clamp(max=size - 1 - n_rows * torch.finfo(table.dtype).eps)  # rounding must not reach the next slab
    row = (slab * size + green) * (2 / (n_rows - 1)) - 1
    places = torch.stack([red * (2 / (size - 1)) - 1, row], -1).view(count * n_parts, 1, -1, 2)
    pictures = table.flatten(2, 3).expand(count * n_parts, -1, -1, -1)
    before = _look_up_pictures(pictures, places)
    behind = _look_up_pictures(pictures, places + places.new_tensor([0, 2 * size / (n_rows - 1)]))
    found = before.lerp(behind, (blue - slab).view(count * n_parts, 1, 1, -1))
    parts = found.view(count, n_parts, table.shape[1], -1).transpose(1, 2)
    return parts.reshape(count, table.shape[1], height, width)


def _look_up_pictures(pictures: Tensor, places: Tensor) -> Tensor:
    return grid_sample(pictures, places, mode="bilinear", padding_mode="border", align_corners=True)


def prefilter(table: Tensor) -> Tensor:
    """Change the values at the nodes so that interpolation errs as often above as below.

    Between the nodes of a curved map, linear interpolation errs to one side. The filter -1/12, 7/6, -1/12 along each
    axis takes the mean of this error away (Condat, Blu & Unser, "Beyond Interpolation: Optimal Reconstruction by
    Quasi-Interpolation", ICIP 2005). Affine maps stay as they are.

    Parameters
    ----------
    table : (N, C, size, size, size).

    Returns
    -------
    A new table of the same shape.
    """
    filtered = table.clone()
    for axis in (2, 3, 4):
        inner = table.shape[axis] - 2
        before, middle, after = (table.narrow(axis, start, inner) for start in range(3))
        filtered.narrow(axis, 1, inner).sub_((before - 2 * middle + after) / 12)
    return filtered
