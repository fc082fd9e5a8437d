"""Layers that are computed in float32 even under autocast."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Float32Conv2d"]


class Float32Conv2d(nn.Conv2d):
    """A convolution in float32 even under autocast, for the output of a network: bfloat16's 8 bits are too few."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Convolve."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())
