"""A backbone for ispfit: low-rank 2-D tables and a low-rank bilateral grid (SVDLUT, Kim et al. 2025)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ispfit
from ispfit.backbones.parts.calibration import calibrate, thumbnails
from ispfit.images import Image
from ispfit_svdlut.network import SVDLUTNetwork
from ispfit_svdlut.start import fit_start

__all__ = ["SVDLUT"]


class SVDLUT(ispfit.Backbone):
    """Three 2-D tables over pairs of channels, and a shift of each colour by its place, both of low rank.

    Parameters
    ----------
    size : nodes of the tables along each of their two channels, at least 2.
    rank : singular values of each table that are kept, at most `size`.
    cells : cells of the grid along either side of the image. The thumbnail has 4 * cells pixels a side.
    depth : nodes of the grid along a colour's intensity, at least 2.
    grid_rank : rank of each face of the grid.
    channels : features of the first convolution; later layers have twice as many.

    References
    ----------
    W. Kim, K. Lee, N. I. Cho, "Lightweight and Fast Real-time Image Enhancement via Decomposition of the Spatial-aware
    Lookup Tables", ICCV 2025: 3-D tables and bilateral grids are replaced by sums of 2-D ones, and these by products of
    low rank, from singular value decompositions.
    """

    name = "svdlut"

    def __init__(
        self, size: int = 17, rank: int = 8, cells: int = 16, depth: int = 8, grid_rank: int = 3, channels: int = 16
    ) -> None:
        self.size = size
        self.rank = rank
        self.cells = cells
        self.depth = depth
        self.grid_rank = grid_rank
        self.channels = channels

    def build(self) -> ispfit.Network:
        """Return a new network, which gives back its input until it is initialised or trained.

        Raises
        ------
        ispfit.errors.InputError
            If a parameter is too small, or the rank larger than the size.
        """
        least = {"size": 2, "rank": 1, "cells": 1, "depth": 2, "grid_rank": 1, "channels": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ispfit.errors.InputError(
                    f"SVDLUT: expected {name} of at least {value}, got {getattr(self, name)}."
                )
        if self.rank > self.size:
            raise ispfit.errors.InputError(f"SVDLUT: expected rank <= size = {self.size}, got rank={self.rank}.")
        return SVDLUTNetwork(self.size, self.rank, self.cells, self.depth, self.grid_rank, self.channels)

    def initialise(self, network: ispfit.Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit the tables and the powers of colours to the pairs, and scale the layers to their images."""
        assert isinstance(network, SVDLUTNetwork)
        pairs = pairs if isinstance(pairs, Sequence) else list(pairs)
        network.start_from(*fit_start(pairs, network.size))
        images = thumbnails(pairs, network.thumbnail_size)
        calibrate(network.predict.hidden_layers(), lambda: network.describe(images))


@ispfit.hookimpl
def ispfit_backbones() -> list[type[ispfit.Backbone]]:
    return [SVDLUT]
