"""What training starts from: one transform a slice, fitted to colours, and layers scaled to the images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ispfit.backbones.parts.color_samples import evenly_spaced, sample_colors
from ispfit.images import Image
from ispfit_hdrnet.grid import raise_to_power
from ispfit_hdrnet.network import HDRNetNetwork

__all__ = ["calibrate", "fit_start", "thumbnails"]

_GAMMA = 2.2
_POWERS = (1 / _GAMMA, 1.0, _GAMMA)  # raw to sRGB, neither, sRGB to raw
_TIE = 1e-4  # ties a slice to the transform of all colours, relative to a coefficient's mean share of the data
_LEAST_RIDGE = 1e-6
_MAX_IMAGES = 300
_LEAST_DEVIATION = 1e-3  # of features, below which they say nothing of an image and are not scaled up


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


def thumbnails(pairs: Sequence[tuple[Image, Image]], size: int) -> Tensor:
    """Return thumbnails (n, 3, size, size) of the inputs of at most 300 pairs, evenly spaced."""
    images = (np.array(pairs[index][0], np.float32) for index in evenly_spaced(len(pairs), _MAX_IMAGES))
    return torch.cat([adaptive_avg_pool2d(torch.from_numpy(image).permute(2, 0, 1)[None], size) for image in images])


def calibrate(network: HDRNetNetwork, images: Tensor) -> None:
    """Scale and shift the hidden layers so that their outputs have mean 0 and variance 1 over images (N, 3, H, W).

    Mishkin & Matas, "All you need is a good init", ICLR 2016, do so one layer after the other; here each layer is
    changed while the images pass through it. Outputs that hardly vary are shifted but not scaled.
    """
    hooks = [layer.register_forward_hook(_standardise) for layer in network.predict.hidden_layers()]
    with torch.no_grad():
        network.describe(images)
    for hook in hooks:
        hook.remove()


def _standardise(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    """Change a layer so that `output` has mean 0 and variance 1; return what the changed layer gives."""
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    assert layer.bias is not None
    features = output.transpose(0, 1).flatten(1)
    mean, deviation = features.mean(1), features.std(1, correction=0)
    deviation = torch.where(deviation > _LEAST_DEVIATION, deviation, 1)
    layer.weight.div_(deviation.view(-1, *[1] * (layer.weight.ndim - 1)))
    layer.bias.sub_(mean).div_(deviation)
    shape = (1, -1, *[1] * (output.ndim - 2))
    return (output - mean.view(shape)) / deviation.view(shape)
