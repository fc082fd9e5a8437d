"""3 x 3 average pooling, and the weight of each pixel in the mean of cascaded poolings."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import avg_pool1d, avg_pool2d

__all__ = ["average_3x3", "pooling_weights"]


def average_3x3(maps: Tensor, stride: int) -> Tensor:
    """Average each 3 x 3 neighbourhood, without padding.

    On a CPU it adds rows, then columns: an order of magnitude faster than torch's pooling, forward and backward.

    Parameters
    ----------
    maps : (N, C, H, W).
    stride : distance in pixels between two neighbourhoods.

    Returns
    -------
    (N, C, (H - 3) // stride + 1, (W - 3) // stride + 1).
    """
    if maps.device.type != "cpu" or torch.compiler.is_compiling():
        return avg_pool2d(maps, 3, stride)
    average: Tensor = _Average.apply(maps, stride)  # type: ignore[no-untyped-call]
    return average


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, stride: int) -> Tensor:
        ctx.shape, ctx.stride = maps.shape, stride
        summed = maps
        for axis in (2, 3):
            first, second, third = _taps(summed, axis, stride)
            summed = (first + second).add_(third)
        return summed.mul_(1 / 9)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        gradient: Tensor = gradients[0] / 9
        for axis in (3, 2):
            shape = list(gradient.shape)
            shape[axis] = ctx.shape[axis]
            upsampled = gradient.new_zeros(shape)
            for tap in _taps(upsampled, axis, ctx.stride):
                tap.add_(gradient)
            gradient = upsampled
        return gradient, None


def _taps(maps: Tensor, axis: int, stride: int) -> list[Tensor]:
    """Return views of the first, the second and the third pixel of each neighbourhood along an axis."""
    last = (maps.shape[axis] - 3) // stride * stride
    return [maps[(slice(None),) * axis + (slice(tap, tap + last + 1, stride),)] for tap in range(3)]


@lru_cache(maxsize=64)
def pooling_weights(length: int, strides: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the weight of each sample of a row or column in the mean of its cascaded 3-tap average poolings.

    Averages at the ends count only samples that exist. Pooling in two dimensions is separable, so that the weight of a
    pixel is the product of the weights of its row and its column. Only `HistPyramid` without grids uses these weights.

    Parameters
    ----------
    length : number of samples.
    strides : the stride of each pooling.
    device : device of the result.

    Returns
    -------
    float32 (length,) with sum 1.

    Examples
    --------
    >>> pooling_weights(6, (1,), torch.device("cpu")).sum().item()
    1.0
    """
    with torch.inference_mode(False), torch.enable_grad():
        line = torch.zeros(1, 1, length, dtype=torch.float64, requires_grad=True)
        pooled = line
        for stride in strides:
            pooled = avg_pool1d(pooled, 3, stride, padding=1, count_include_pad=False)
        (weights,) = torch.autograd.grad(pooled.mean(), line)
        return weights[0, 0].to(device, torch.float32)
