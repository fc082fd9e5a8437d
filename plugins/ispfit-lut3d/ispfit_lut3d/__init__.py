"""A backbone for ispfit: image-adaptive 3D lookup tables (Zeng et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import ispfit
from ispfit.images import Image
from ispfit_lut3d.network import LUT3DNetwork
from ispfit_lut3d.start import fit_start

__all__ = ["LUT3D"]


class LUT3D(ispfit.Backbone):
    """Weighted sum of learned 3D lookup tables with weights predicted from the image; one network a direction.

    Parameters
    ----------
    tables : number of basis tables (Zeng et al.: 3).
    size : nodes per side of each table (Zeng et al.: 33).
    channels : features of the small convolutional network that predicts the weights.

    References
    ----------
    Zeng, Cai, Li, Cao & Zhang, "Learning Image-adaptive 3D Lookup Tables for High Performance Photo Enhancement in
    Real-time", TPAMI 2020.
    """

    name = "lut3d"

    def __init__(
        self,
        tables: Annotated[int, ispfit.Range(1, 64)] = 3,
        size: Annotated[int, ispfit.Range(3, 129)] = 17,
        channels: Annotated[int, ispfit.Range(1, 512)] = 16,
    ) -> None:
        self.tables = tables
        self.size = size
        self.channels = channels

    def build(self) -> ispfit.Network:
        """Return a new network; its first table is the identity, the others are zero."""
        self.check_settings()
        return LUT3DNetwork(self.tables, self.size, self.channels)

    def initialise(self, network: ispfit.Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit the first table, and the powers of its input and output, to colours of the pairs by least squares."""
        assert isinstance(network, LUT3DNetwork)
        network.start_from(*fit_start(pairs, self.size))


@ispfit.hookimpl
def ispfit_backbones() -> list[type[ispfit.Backbone]]:
    return [LUT3D]
