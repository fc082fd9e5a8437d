"""A backbone for ispfit: low-rank 2-D tables and a low-rank bilateral grid (SVDLUT, Kim et al. 2025)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

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
        self,
        size: Annotated[int, ispfit.Range(2, 129)] = 17,
        rank: Annotated[int, ispfit.Range(1, 129)] = 8,
        cells: Annotated[int, ispfit.Range(1, 64)] = 16,
        depth: Annotated[int, ispfit.Range(2, 64)] = 8,
        grid_rank: Annotated[int, ispfit.Range(1, 64)] = 3,
        channels: Annotated[int, ispfit.Range(1, 512)] = 16,
    ) -> None:
        self.size = size
        self.rank = rank
        self.cells = cells
        self.depth = depth
        self.grid_rank = grid_rank
        self.channels = channels

    def build(self) -> ispfit.Network:
        """Return a new network, which gives back its input until it is initialised or trained."""
        self.check_settings()
        return SVDLUTNetwork(self.size, self.rank, self.cells, self.depth, self.grid_rank, self.channels)

    def check_settings(self) -> None:
        """Raise an `ispfit.errors.InputError` if a hyper-parameter is invalid, or the rank larger than the size."""
        super().check_settings()
        if self.rank > self.size:
            raise ispfit.errors.InputError(f"SVDLUT: expected rank <= size = {self.size}, got rank={self.rank}.")

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
