"""A backbone for ispfit: a bilateral grid of affine colour transforms (HDRNet, Gharbi et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import ispfit
from ispfit.backbones.parts.calibration import calibrate, thumbnails
from ispfit.images import Image
from ispfit_hdrnet.network import HDRNetNetwork
from ispfit_hdrnet.start import fit_start

__all__ = ["HDRNet"]


class HDRNet(ispfit.Backbone):
    """Affine colour transforms in a bilateral grid, predicted from a thumbnail and looked up by place and guide.

    Parameters
    ----------
    depth : slices of the grid along the guide, from dark to bright (Gharbi et al.: 8).
    cells : cells of the grid along either side of the image (Gharbi et al.: 16). The thumbnail has 4 * cells pixels a
        side.
    channels : features of the first convolution; later layers have two or four times as many.
    knots : number of kinks of the guide's curves per colour channel (Gharbi et al.: 16).

    References
    ----------
    Gharbi, Chen, Barron, Hasinoff & Durand, "Deep Bilateral Learning for Real-Time Image Enhancement", SIGGRAPH 2017.
    """

    name = "hdrnet"

    def __init__(
        self,
        depth: Annotated[int, ispfit.Range(1, 64)] = 8,
        cells: Annotated[int, ispfit.Range(1, 64)] = 16,
        channels: Annotated[int, ispfit.Range(1, 512)] = 16,
        knots: Annotated[int, ispfit.Range(1, 256)] = 8,
    ) -> None:
        self.depth = depth
        self.cells = cells
        self.channels = channels
        self.knots = knots

    def build(self) -> ispfit.Network:
        """Return a new network, which gives back its input until it is initialised or trained."""
        self.check_settings()
        return HDRNetNetwork(self.depth, self.cells, self.channels, self.knots)

    def initialise(self, network: ispfit.Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit the power and one transform a slice to colours of the pairs, and scale the layers to their images."""
        assert isinstance(network, HDRNetNetwork)
        pairs = pairs if isinstance(pairs, Sequence) else list(pairs)
        network.start_from(*fit_start(pairs, self.depth))
        images = thumbnails(pairs, network.thumbnail_size)
        calibrate(network.predict.hidden_layers(), lambda: network.describe(images))


@ispfit.hookimpl
def ispfit_backbones() -> list[type[ispfit.Backbone]]:
    return [HDRNet]
