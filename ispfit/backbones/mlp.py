"""A multi-layer perceptron from RGB to RGB: the baseline without scene and neighbourhood (Nam & Kim 2017, 5.1)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.initialisation import Initialisation, initialise_convolutions
from ispfit.backbones.parts.precision import Float32Conv2d
from ispfit.plugins import hookimpl
from ispfit.settings import Range

__all__ = ["MLP"]


class MLP(Backbone):
    """Multi-layer perceptron from RGB to RGB: each pixel on its own, without the scene.

    The paper's first baseline: two hidden layers of 64 nodes, written as 1 x 1 convolutions.

    Parameters
    ----------
    hidden : nodes of each hidden layer.
    layers : number of hidden layers.
    initialisation : scheme of the initial weights: "torch", "he" or "gaussian". The paper gives none; "gaussian" serves
        only to compare it with the others.

    References
    ----------
    Nam & Kim, "Modelling the Scene Dependent Imaging in Cameras with a Deep Neural Network", ICCV 2017, 5.1.
    """

    name = "mlp"

    def __init__(
        self,
        hidden: Annotated[int, Range(1, 4096)] = 64,
        layers: Annotated[int, Range(1, 64)] = 2,
        initialisation: Initialisation = "torch",
    ) -> None:
        self.hidden = hidden
        self.layers = layers
        self.initialisation = initialisation

    def build(self) -> Network:
        """Return a new network with random weights."""
        self.check_settings()
        network = MLPNetwork(self.hidden, self.layers)
        initialise_convolutions(network, self.initialisation)
        return network


class MLPNetwork(Network):
    """The network of `MLP`."""

    def __init__(self, hidden: int, layers: int) -> None:
        super().__init__()
        sizes = [3] + [hidden] * layers
        blocks = [(nn.Conv2d(a, b, 1), nn.ReLU(inplace=True)) for a, b in pairwise(sizes)]
        self.body = nn.Sequential(*(module for block in blocks for module in block), Float32Conv2d(sizes[-1], 3, 1))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Map each pixel on its own."""
        output: Tensor = self.body(pixels)
        return output


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `MLP`."""
    return [MLP]
