"""The networks of `LUT3D`: forward, and its inverse by table."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

import ispfit
from ispfit_lut3d.table import identity, invert, look_up

__all__ = ["InverseLUT3DNetwork", "LUT3DNetwork"]

_THUMBNAIL = 32
_SAMPLES = 128
_ROUNDS = 3


class LUT3DNetwork(ispfit.Network):
    """The sum of basis tables that the scene asks for, looked up at the square root of raw.

    The square root spreads the dark tones over the table's nodes, which would else share one cell.
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
        """The table of the image."""
        weights = self.encoder(adaptive_avg_pool2d(image, _THUMBNAIL))
        return ispfit.Scene(table=torch.einsum("nt,tcbgr->ncbgr", weights.float(), self.basis))

    def render(self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window) -> Tensor:
        """Look each pixel up."""
        return look_up(scene["table"], pixels.clamp(min=1e-8).sqrt())

    def inverse(self) -> ispfit.Network:
        """The network from srgb to raw, which shares these weights."""
        return InverseLUT3DNetwork(self)


class InverseLUT3DNetwork(ispfit.Network):
    """Looks pixels up in the inverted table.

    The table is predicted from raw, which is what is sought: it is found in a few rounds, each of which derenders a
    sample of the pixels with the table of the round before.
    """

    def __init__(self, network: LUT3DNetwork) -> None:
        super().__init__()
        self.network = network

    def describe(self, image: Tensor) -> ispfit.Scene:
        """The inverted table of the image."""
        rows, columns = (max(1, side // _SAMPLES) for side in image.shape[2:])
        sample = image[:, :, ::rows, ::columns]
        raw = sample.square()
        for _ in range(_ROUNDS):
            table = invert(self.network.describe(raw)["table"])
            raw = _derender(table, sample)
        return ispfit.Scene(table=table)

    def render(self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window) -> Tensor:
        """Look each pixel up."""
        return _derender(scene["table"], pixels)


def _derender(table: Tensor, pixels: Tensor) -> Tensor:
    return look_up(table, pixels).square()
