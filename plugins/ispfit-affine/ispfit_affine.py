"""A backbone for ispfit: one colour transform per image, predicted from the scene."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

import ispfit


class Affine(ispfit.Backbone):
    """A power and an affine transform of colour for each image, predicted from its thumbnail.

    Parameters
    ----------
    hidden : nodes of the layer between thumbnail and transform.
    thumbnail : side of the thumbnail in pixels.
    """

    name = "affine"

    def __init__(
        self,
        hidden: Annotated[int, ispfit.Range(1, 4096)] = 32,
        thumbnail: Annotated[int, ispfit.Range(1, 64)] = 8,
    ) -> None:
        self.hidden = hidden
        self.thumbnail = thumbnail

    def build(self) -> ispfit.Network:
        """Return a new network with random weights; before training, all transforms are close to the identity."""
        self.check_settings()
        return AffineNetwork(self.hidden, self.thumbnail)


class AffineNetwork(ispfit.Network):
    """y = A x^exp(p) + b with A (3 x 3), p and b (3 each) from the scene."""

    def __init__(self, hidden: int, thumbnail: int) -> None:
        super().__init__()
        self.thumbnail = thumbnail
        self.predict = nn.Sequential(nn.Linear(3 * thumbnail**2, hidden), nn.ReLU(), nn.Linear(hidden, 15))
        with torch.no_grad():
            self.predict[2].weight.mul_(0.1)
            self.predict[2].bias.copy_(torch.cat([torch.eye(3).flatten(), torch.zeros(6)]))

    def describe(self, image: Tensor) -> ispfit.Scene:
        """Predict the 15 numbers of the transform."""
        return ispfit.Scene(transform=self.predict(adaptive_avg_pool2d(image, self.thumbnail).flatten(1)))

    def render(self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window) -> Tensor:
        """Apply the transform to each pixel."""
        matrix, power, offset = scene["transform"].split([9, 3, 3], 1)
        curved = pixels.clamp(min=1e-4) ** power.exp()[:, :, None, None]
        return torch.einsum("nij,njhw->nihw", matrix.view(-1, 3, 3), curved) + offset[:, :, None, None]


@ispfit.hookimpl
def ispfit_backbones() -> list[type[ispfit.Backbone]]:
    return [Affine]
