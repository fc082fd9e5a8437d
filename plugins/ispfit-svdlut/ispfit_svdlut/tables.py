"""2-D tables over pairs of channels, (..., 3 pairs, 3 outputs, size, size), and powers of colours."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

__all__ = ["CHANNEL_PAIRS", "factors", "identity", "look_up", "look_up_rows", "raise_to_power"]

CHANNEL_PAIRS = ((0, 1), (0, 2), (1, 2))
"""The channels along the rows and along the columns of each table."""

_DARK = 1e-4  # added to colours before a power, so that its slope is finite at black


def raise_to_power(colors: Tensor, power: Tensor | float) -> Tensor:
    """Return a power of colours: 0 at black and below, and of finite slope."""
    return (colors.clamp(min=0) + _DARK) ** power - _DARK**power


def identity(size: int) -> Tensor:
    """Return the tables (3, 3, size, size) whose sum leaves colours as they are: each channel is in two of them."""
    nodes = torch.linspace(0, 1, size)
    tables = torch.zeros(3, 3, size, size)
    for table, (row, column) in zip(tables, CHANNEL_PAIRS, strict=True):
        table[row] += nodes[:, None] / 2
        table[column] += nodes / 2
    return tables


def factors(tables: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return left and right (..., size, rank), whose product ``left @ right.mT`` is closest to the tables."""
    left, values, right = torch.linalg.svd(tables)
    roots = values[..., None, :rank].sqrt()
    return left[..., :rank] * roots, right.mT[..., :rank] * roots


def look_up(tables: Tensor, colors: Tensor) -> Tensor:
    """Add up what the tables (N, 3, 3, size, size) of images hold at colours (N, 3, h, w) in [0, 1]: (N, 3, h, w)."""
    places = 2 * colors - 1
    found = [
        grid_sample(
            tables[:, index],
            torch.stack([places[:, column], places[:, row]], -1),
            padding_mode="border",
            align_corners=True,
        )
        for index, (row, column) in enumerate(CHANNEL_PAIRS)
    ]
    return torch.stack(found).sum(0)


def look_up_rows(faces: Tensor, places: Tensor, intensities: Tensor) -> Tensor:
    """Look up each channel in a face of its own.

    Parameters
    ----------
    faces : (N, 3, cells, depth). Cells divide a side of the image and hold the value at their centre; the nodes of
        depth lie at intensities of 0, 1 / (depth - 1), ..., 1. Values are constant beyond the outermost ones.
    places : (N, h, w), from 0 to 1 along the side.
    intensities : (N, 3, h, w).

    Returns
    -------
    (N, 3, h, w).
    """
    depth = faces.shape[3]
    across = (2 * intensities - 1) * (depth - 1) / depth
    along = (2 * places - 1)[:, None].expand_as(across)
    points = torch.stack([across, along], -1).flatten(0, 1)
    found = grid_sample(faces.flatten(0, 1)[:, None], points, padding_mode="border", align_corners=False)
    return found.view_as(intensities)
