"""The networks of `LUT3D`: raw to srgb, and srgb to raw by the inverted table."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

import ispfit
from ispfit_lut3d.table import identity, invert, look_up

__all__ = ["InverseLUT3DNetwork", "LUT3DNetwork"]

_THUMBNAIL_PX = 32
_SAMPLE_SIDE_PX = 128  # approximate size of the sample of pixels from which the inverse table is found
_FIXED_POINT_ROUNDS = 3


class LUT3DNetwork(ispfit.Network):
    """A sum of basis tables, weighted by the scene and looked up at the square root of raw.

    The square root spreads the dark tones over several nodes of the table.
    """

    def __init__(self, tables: int, size: int, channels: int) -> None:
        super().__init__()
        basis = torch.zeros(tables, 3, size, size, size)
        basis[0] = identity(size)
        self.basis = nn.Parameter(basis)
        layers = [nn.Conv2d(3, channels, 3, 2), nn.ReLU(), nn.Conv2d(channels, channels, 3, 2), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, tables))
        nn.init.ones_(self.encoder[-1].bias)

    def describe(self, image: Tensor) -> ispfit.Scene:
        """Compute the table of the image."""
        weights = self.encoder(adaptive_avg_pool2d(image, _THUMBNAIL_PX))
        return ispfit.Scene(table=torch.einsum("nt,tcbgr->ncbgr", weights.float(), self.basis))

    def render(self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window) -> Tensor:
        """Look up each pixel in the table."""
        return look_up(scene["table"], pixels.clamp(min=1e-8).sqrt())

    def inverse(self) -> ispfit.Network:
        """Return the network from srgb to raw, which shares these weights."""
        return InverseLUT3DNetwork(self)


class InverseLUT3DNetwork(ispfit.Network):
    """The network from srgb to raw, which looks pixels up in the inverted table.

    The table is predicted from raw, which is unknown. It is found by fixed-point iteration: each round predicts the
    table from a sample of pixels that were derendered with the table of the round before.
    """

    def __init__(self, network: LUT3DNetwork) -> None:
        super().__init__()
        self.network = network

    def describe(self, image: Tensor) -> ispfit.Scene:
        """Compute the inverted table of the image."""
        rows, columns = (max(1, side // _SAMPLE_SIDE_PX) for side in image.shape[2:])
        sample = image[:, :, ::rows, ::columns]
        raw = sample.square()
        for _ in range(_FIXED_POINT_ROUNDS):
            table = invert(self.network.describe(raw)["table"])
            raw = _derender(table, sample)
        return ispfit.Scene(table=table)

    def render(self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window) -> Tensor:
        """Look up each pixel in the table."""
        return _derender(scene["table"], pixels)


def _derender(table: Tensor, pixels: Tensor) -> Tensor:
    return look_up(table, pixels).square()
