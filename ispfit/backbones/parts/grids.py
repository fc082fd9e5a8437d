"""Interpolate maps of a few cells, which span the whole image, at the pixels of a window."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ispfit.backbone import Window

__all__ = ["sample_grids"]


def sample_grids(grids: Sequence[Tensor], window: Window, ring: int = 0) -> Tensor:
    """Interpolate grids bilinearly at the pixels of each window, and add them.

    Parameters
    ----------
    grids : one or more (N, C, rows, columns), which divide the image into cells and hold the value at the centre of
        each cell; values are constant beyond the outermost centres.
    window : the positions of the N windows.
    ring : number of pixels around the window at which values are also needed.

    Returns
    -------
    (N, C, height + 2 * ring, width + 2 * ring), in memory format channels_last.
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
    """Return the weight of each cell at each pixel of a row or column, (N, length + 2 * ring, cells)."""
    pixels = start[:, None] + torch.arange(-ring, length + ring, device=start.device)
    position = (pixels + 0.5) / extent[:, None] * cells - 0.5
    position = position.clamp(0, cells - 1)
    return torch.relu(1 - (position[:, :, None] - torch.arange(cells, device=start.device)).abs())
