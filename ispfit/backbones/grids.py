"""Maps of a few cells over the whole image, interpolated at the pixels of a window."""

from __future__ import annotations

import torch
from torch import Tensor

from ispfit.backbone import Window

__all__ = ["sample_grid"]


def sample_grid(grid: Tensor, window: Window, ring: int = 0) -> Tensor:
    """Interpolate a grid that spans the image bilinearly at the pixels of each window.

    Parameters
    ----------
    grid : (N, C, rows, columns), the value at the centre of each cell; beyond the outer centres it is constant.
    window : where the N windows lie.
    ring : pixels around the window to interpolate at as well.

    Returns
    -------
    (N, C, height + 2 * ring, width + 2 * ring).
    """
    down = _weights(window.top, window.height, window.image_height, grid.shape[2], ring).to(grid.dtype)
    across = _weights(window.left, window.width, window.image_width, grid.shape[3], ring).to(grid.dtype)
    return down[:, None] @ grid @ across[:, None].transpose(2, 3)


def _weights(start: Tensor, length: int, extent: Tensor, cells: int, ring: int) -> Tensor:
    """The share of each cell in each pixel of a line, (N, length + 2 * ring, cells)."""
    pixels = start[:, None] + torch.arange(-ring, length + ring, device=start.device)
    place = (pixels + 0.5) / extent[:, None] * cells - 0.5
    place = place.clamp(0, cells - 1)
    return torch.relu(1 - (place[:, :, None] - torch.arange(cells, device=start.device)).abs())
