"""A convolutional network without pooling: the baseline with neighbourhood, without scene (Nam & Kim 2017, 5.1)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.initialisation import Initialisation, initialise_convolutions
from ispfit.backbones.parts.precision import Float32Conv2d
from ispfit.plugins import hookimpl
from ispfit.settings import Range

__all__ = ["SRCNN"]


class SRCNN(Backbone):
    """Five 3 x 3 convolutions without pooling: each pixel and its neighbourhood, without the scene.

    The paper's second baseline, after Dong et al. The paper gives neither channels nor initialisation.

    Parameters
    ----------
    channels : features of each hidden layer; 64 is the number in the first layer of Dong et al.
    layers : number of convolutions (paper: 5); each adds one pixel to the halo.
    initialisation : scheme of the initial weights: "he", "torch" or "gaussian" (Dong et al.: standard deviation 0.001).

    References
    ----------
    Nam & Kim, "Modelling the Scene Dependent Imaging in Cameras with a Deep Neural Network", ICCV 2017, 5.1.
    Dong, Loy, He & Tang, "Learning a Deep Convolutional Network for Image Super-Resolution", ECCV 2014.
    """

    name = "srcnn"

    def __init__(
        self,
        channels: Annotated[int, Range(1, 4096)] = 64,
        layers: Annotated[int, Range(1, 64)] = 5,
        initialisation: Initialisation = "he",
    ) -> None:
        self.channels = channels
        self.layers = layers
        self.initialisation = initialisation

    def build(self) -> Network:
        """Return a new network with random weights."""
        self.check_settings()
        network = SRCNNNetwork(self.channels, self.layers)
        initialise_convolutions(network, self.initialisation)
        return network


class SRCNNNetwork(Network):
    """The network of `SRCNN`."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.halo = layers
        sizes = [3] + [channels] * (layers - 1) + [3]
        layered = [module for a, b in pairwise(sizes[:-1]) for module in (nn.Conv2d(a, b, 3), nn.ReLU(inplace=True))]
        self.body = nn.Sequential(*layered, Float32Conv2d(sizes[-2], 3, 3))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Convolve; each layer consumes one pixel of the halo."""
        output: Tensor = self.body(pixels)
        return output


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `SRCNN`."""
    return [SRCNN]
