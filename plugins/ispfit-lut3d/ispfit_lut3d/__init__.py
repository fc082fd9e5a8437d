"""A backbone for ispfit: image-adaptive 3D lookup tables (Zeng et al. 2020)."""

from __future__ import annotations

import ispfit
from ispfit_lut3d.network import LUT3DNetwork

__all__ = ["LUT3D"]


class LUT3D(ispfit.Backbone):
    """Weighted sum of learned 3D lookup tables with weights predicted from the image; the sum is inverted numerically.

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
    invertible = True

    def __init__(self, tables: int = 3, size: int = 17, channels: int = 16) -> None:
        self.tables = tables
        self.size = size
        self.channels = channels

    def build(self) -> ispfit.Network:
        """Return a new network; its first table is the identity on square roots of raw, the others are zero."""
        if self.tables < 1 or self.size < 2:
            raise ispfit.errors.InputError(
                f"LUT3D: expected tables >= 1 and size >= 2, got tables={self.tables} and size={self.size}."
            )
        return LUT3DNetwork(self.tables, self.size, self.channels)


@ispfit.hookimpl
def ispfit_backbones() -> list[type[ispfit.Backbone]]:
    return [LUT3D]
