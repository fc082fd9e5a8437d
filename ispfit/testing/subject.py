"""The backbone under examination, and the images and windows with which it is examined."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.images import Image
from ispfit.rendering import cut_windows
from ispfit.runtime import seeded

__all__ = ["TOLERANCE", "Subject", "difference"]

TOLERANCE = 1e-5
"""Largest difference of two outputs, for values about 1, that counts as rounding."""

Result = TypeVar("Result")


class Subject:
    """A backbone under examination.

    Parameters
    ----------
    backbone : the backbone with the hyper-parameters to check.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self._network: Network | None = None

    def seeded(self, function: Callable[[], Result]) -> Result:
        """Return the result of a function, called with torch's global generator seeded."""
        with seeded(0):
            return function()

    def network(self) -> Network:
        """Return a copy of one network in evaluation mode, fitted if it has a closed form.

        Other networks have noise on their weights: a last layer of zeros would hide all layers before it.
        """
        if self._network is None:
            network = self.backbone.build()
            if network.has_closed_form:
                network.fit_pairs(self.pairs())
            else:
                with torch.no_grad():
                    for parameter in network.parameters():
                        if parameter.is_floating_point():
                            inputs = parameter.numel() / max(1, len(parameter)) if parameter.ndim else 1
                            parameter.add_(min(0.05, 0.3 / inputs**0.5) * torch.randn_like(parameter))
            self._network = network.eval()
        return deepcopy(self._network)

    @property
    def unit(self) -> int:
        """Side of a small window in pixels, a multiple of the network's stride."""
        stride = self.network().stride
        return stride * -(-8 // stride)

    def image(self, seed: int = 0, height: int | None = None, width: int | None = None) -> Tensor:
        """Return a noisy image (H, W, 3), by default a few pixels smaller than 4 x 5 units."""
        height, width = height or 4 * self.unit - 1, width or 5 * self.unit - 3
        rng = np.random.default_rng([seed, height, width])
        light = rng.random((1, 1, 3)) + np.linspace(0, 1, width)[None, :, None]
        return torch.from_numpy(np.float32(0.3 * light + 0.4 * rng.random((height, width, 3))))

    def pairs(self) -> list[tuple[Image, Image]]:
        """Return pairs of a camera whose rendering is the square root."""
        sides = [(24, 32), (33, 21), (24, 32)]
        images = [self.image(seed, *size).numpy() for seed, size in enumerate(sides)]
        return [(Image(image), Image(np.sqrt(image))) for image in images]


def cut(
    network: Network, image: Tensor, top: int = 0, left: int = 0, size: tuple[int, int] | None = None
) -> tuple[Tensor, Window]:
    """Return one window of an image with its halo, by default the whole image, completed to whole strides."""
    stride = network.stride
    height, width = size or (-(-side // stride) * stride for side in image.shape[:2])
    corner = torch.tensor([top]), torch.tensor([left])
    extent = torch.tensor([image.shape[0]]), torch.tensor([image.shape[1]])
    pixels = cut_windows(image, *corner, height, width, network.halo)
    return pixels, Window(*corner, height, width, *extent)


def describe(network: Network, image: Tensor) -> Scene:
    """Return Φ of one image (H, W, 3)."""
    return network.describe(image.permute(2, 0, 1)[None])


def render(
    network: Network, image: Tensor, scene: Scene | None = None, *, top: int = 0, left: int = 0, size: int | None = None
) -> Tensor:
    """Render one window of an image without gradients, (3, h, w), not clipped."""
    with torch.no_grad():
        pixels, window = cut(network, image, top, left, (size, size) if size else None)
        return network.render(pixels, describe(network, image) if scene is None else scene, window)[0]


def difference(first: Tensor, second: Tensor) -> Tensor:
    """Return absolute differences, relative to the larger value if that exceeds 1; infinite for NaN."""
    scale = torch.maximum(first.abs(), second.abs()).clamp(min=1)
    return ((first - second).abs() / scale).nan_to_num(nan=torch.inf)
