"""What training starts from: one transform a slice, fitted to colours."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ispfit.backbones.parts.color_samples import sample_colors
from ispfit.images import Image
from ispfit_hdrnet.grid import raise_to_power

__all__ = ["fit_start"]

_GAMMA = 2.2
_POWERS = (1 / _GAMMA, 1.0, _GAMMA)  # raw to sRGB, neither, sRGB to raw
_TIE = 1e-4  # ties a slice to the transform of all colours, relative to a coefficient's mean share of the data
_LEAST_RIDGE = 1e-6


def fit_start(pairs: Sequence[tuple[Image, Image]], depth: int) -> tuple[float, Tensor]:
    """Fit transforms of a power of colours to pairs by least squares, and choose the power of least error.

    Returns
    -------
    power : 1 / 2.2, 1 or 2.2.
    transforms : float32 (12, depth), the coefficients of each slice.
    """
    inputs, targets = (torch.from_numpy(colors) for colors in sample_colors(pairs))
    fits = [(*_fit_slices(inputs, targets, power, depth), power) for power in _POWERS]
    _, transforms, power = min(fits, key=lambda fit: fit[0])
    return power, transforms.float()


def _fit_slices(inputs: Tensor, targets: Tensor, power: float, depth: int) -> tuple[float, Tensor]:
    """Return the mean squared error and the coefficients (12, depth) for colours (n, 3)."""
    colors = torch.cat([raise_to_power(inputs, power), torch.ones_like(inputs[:, :1])], 1)
    place = raise_to_power(inputs, min(power, 1.0)).clamp(max=1).mean(1) * (depth - 1)
    share = torch.relu(1 - (place[:, None] - torch.arange(depth)).abs())
    by_slice = (share[:, :, None] * colors[:, None]).flatten(1)
    common = _ridge(colors, targets, _LEAST_RIDGE)
    normal_share = by_slice.square().sum() / by_slice.shape[1]
    differences = _ridge(by_slice, targets - colors @ common, _TIE * float(normal_share))
    matrices = differences.view(depth, 4, 3) + common
    error = (by_slice @ matrices.flatten(0, 1) - targets).square().mean()
    return float(error), matrices.permute(2, 1, 0).flatten(0, 1)


def _ridge(design: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """Return x that minimises |design x - targets|^2 + ridge |x|^2."""
    normal = design.T @ design + ridge * torch.eye(design.shape[1], dtype=design.dtype)
    solution: Tensor = torch.linalg.solve(normal, design.T @ targets)
    return solution
