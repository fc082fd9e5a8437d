"""Maps of a few cells over the whole image, interpolated at the pixels of a window."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ispfit.backbone import Window

__all__ = ["sample_grids"]


def sample_grids(grids: Sequence[Tensor], window: Window, ring: int = 0) -> Tensor:
    """The sum of grids that span the image, interpolated bilinearly at the pixels of each window.

    Parameters
    ----------
    grids : one or more (N, C, rows, columns), the value at the centre of each cell; beyond the outer centres it is
        constant.
    window : where the N windows lie.
    ring : pixels around the window to interpolate at as well.

    Returns
    -------
    (N, C, height + 2 * ring, width + 2 * ring), the memory laid out with channels last.
    """
    lines, across = [], []
    for grid in grids:
        rows, columns = grid.shape[2:]
        down = _weights(window.top, window.height, window.image_height, rows, ring).to(grid.dtype)
        line = down @ grid.permute(0, 2, 3, 1).flatten(2)
        lines.append(line.view(*line.shape[:2], columns, grid.shape[1]))
        across.append(_weights(window.left, window.width, window.image_width, columns, ring).to(grid.dtype))
    return (torch.cat(across, 2)[:, None] @ torch.cat(lines, 2)).permute(0, 3, 1, 2)


def _weights(start: Tensor, length: int, extent: Tensor, cells: int, ring: int) -> Tensor:
    """The share of each cell in each pixel of a line, (N, length + 2 * ring, cells)."""
    pixels = start[:, None] + torch.arange(-ring, length + ring, device=start.device)
    place = (pixels + 0.5) / extent[:, None] * cells - 0.5
    place = place.clamp(0, cells - 1)
    return torch.relu(1 - (place[:, :, None] - torch.arange(cells, device=start.device)).abs())
