"""Minima of windows and of patches, with their places."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["patch_minima", "window_minima"]


def window_minima(plane: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the minimum of the window around each pixel, and where it is.

    Separable: rows first, then columns. Along an axis, minima of 1, 2, 4, ... pixels are combined, so that the time
    grows with the logarithm of `size`.

    Parameters
    ----------
    plane : (H, W).
    size : side of the windows in pixels, odd; windows end at the border of the plane.

    Returns
    -------
    minima : (H, W).
    places : int64 (H, W), indices into the flattened plane. Of several minima the one in the first column, and in the
        first row of it.
    """
    places = torch.arange(plane.numel(), device=plane.device).view(plane.shape)
    minima, places = _running_minimum(plane, places, size)
    minima, places = _running_minimum(minima.mT, places.mT, size)
    return minima.mT, places.mT


def _running_minimum(values: Tensor, places: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the minima along rows of windows around each pixel, and the `places` of these minima."""
    margin = size // 2
    values = pad(values, (margin, margin), value=torch.inf)
    places = pad(places, (margin, margin))
    reach = 1
    while reach < size:
        step = min(reach, size - reach)
        left, right = values[:, :-step], values[:, step:]
        places = torch.where(right < left, places[:, step:], places[:, :-step])
        values = torch.minimum(left, right)
        reach += step
    return values, places


def patch_minima(plane: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Return the minimum of each patch, and where it is.

    Parameters
    ----------
    plane : (H, W).
    side : of the square patches, which do not overlap, in pixels; the last ones end at the border of the plane.

    Returns
    -------
    minima : (rows, columns) of patches.
    places : int64 (rows, columns), indices into the flattened plane.
    """
    height, width = plane.shape
    padded = pad(plane, (0, -width % side, 0, -height % side), value=torch.inf)
    rows, columns = padded.shape[0] // side, padded.shape[1] // side
    patches = padded.view(rows, side, columns, side).transpose(1, 2).reshape(rows, columns, side * side)
    minima, inner = patches.min(-1)
    down = torch.arange(rows, device=plane.device)[:, None] * side + inner // side
    across = torch.arange(columns, device=plane.device) * side + inner % side
    return minima, down * width + across
