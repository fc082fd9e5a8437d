"""The network of `LUT3D`, for either direction."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

import ispfit
from ispfit_lut3d.table import identity, look_up

__all__ = ["LUT3DNetwork"]

_THUMBNAIL_PX = 32
_DARK = 1e-3  # added to brightness before the logarithm
_MIDDLE_GREY, _BRIGHTEST = 0.18, 3.0  # of a thumbnail at a standard exposure
_LEAST_INPUT, _LEAST_OUTPUT = 1e-6, 1e-4  # below them, the slopes of powers are not finite or vanish


class LUT3DNetwork(ispfit.Network):
    """A sum of basis tables, weighted by the scene.

    Tables are looked up at a power of the input, at most 1, and hold values whose power, at least 1, is the output.
    Both powers spread dark tones over several nodes of the tables: that of the input if it is raw, that of the output
    if it is.
    """

    input_power: Tensor
    output_power: Tensor

    def __init__(self, tables: int, size: int, channels: int) -> None:
        super().__init__()
        basis = torch.zeros(tables, 3, size, size, size)
        basis[0] = identity(size)
        self.basis = nn.Parameter(basis)
        self.register_buffer("input_power", torch.ones(()))
        self.register_buffer("output_power", torch.ones(()))
        layers = [nn.Conv2d(6, channels, 3, 2), nn.ReLU(), nn.Conv2d(channels, channels, 3, 2), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, tables))
        with torch.no_grad():  # at first the weights are near 1, 0, 0, ...
            self.encoder[-1].bias.copy_(torch.eye(tables)[0])

    def start_from(self, table: Tensor, input_power: float, output_power: float) -> None:
        """Set the first table (3, size, size, size) and the powers."""
        with torch.no_grad():
            self.basis[0] = table
        self.input_power.fill_(input_power)
        self.output_power.fill_(output_power)

    def describe(self, image: Tensor) -> ispfit.Scene:
        """Compute the table of the image from a thumbnail, as it is and at a standard exposure."""
        small = adaptive_avg_pool2d(image, _THUMBNAIL_PX).clamp(min=0)
        brightness = (small.mean(1) + _DARK).log().mean((1, 2)).exp()
        exposed = small * (_MIDDLE_GREY / brightness)[:, None, None, None]
        both = torch.cat([small**self.input_power, (exposed**self.input_power).clamp(max=_BRIGHTEST)], 1)
        weights = self.encoder(both - 0.5)
        return ispfit.Scene(table=torch.einsum("nt,tcbgr->ncbgr", weights.float(), self.basis))

    def render(self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window) -> Tensor:
        """Look up each pixel in the table."""
        values = look_up(scene["table"], pixels.clamp(min=_LEAST_INPUT) ** self.input_power)
        if not torch.compiler.is_exporting():
            return values.clamp(min=_LEAST_OUTPUT) ** self.output_power if self.output_power > 1 else values
        raised = values.clamp(min=_LEAST_OUTPUT) ** self.output_power
        return torch.where(self.output_power > 1, raised, values)  # an exported graph has no branches
