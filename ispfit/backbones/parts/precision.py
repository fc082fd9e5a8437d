"""Layers that keep their precision where others are computed in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Float32Conv2d"]


class Float32Conv2d(nn.Conv2d):
    """A convolution in float32, also under autocast: for a network's last, since 8 bits of an output are not enough."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Convolve."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())
