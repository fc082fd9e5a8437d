"""What is checked, and the images and windows that it is checked with."""

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
"""Largest difference of two outputs, for values about 1, that may be called rounding."""

Result = TypeVar("Result")


class Subject:
    """A backbone under examination.

    Attributes
    ----------
    unit : side of a small window in pixels, a multiple of the network's stride.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self._network: Network | None = None

    def seeded(self, function: Callable[[], Result]) -> Result:
        """Call a function with torch's global generator seeded."""
        with seeded(0):
            return function()

    def network(self) -> Network:
        """A copy of one network in evaluation mode, its weights moved a little away from where they start.

        A last layer that starts at zero would hide everything before it. A network that fits itself is fitted.
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
        stride = self.network().stride
        return stride * -(-8 // stride)

    def image(self, seed: int = 0, height: int | None = None, width: int | None = None) -> Tensor:
        """A noisy image (H, W, 3), by default of 4 x 5 units less a few pixels."""
        height, width = height or 4 * self.unit - 1, width or 5 * self.unit - 3
        rng = np.random.default_rng([seed, height, width])
        light = rng.random((1, 1, 3)) + np.linspace(0, 1, width)[None, :, None]
        return torch.from_numpy(np.float32(0.3 * light + 0.4 * rng.random((height, width, 3))))

    def pairs(self) -> list[tuple[Image, Image]]:
        """Pairs of a camera that takes the square root."""
        sides = [(24, 32), (33, 21), (24, 32)]
        images = [self.image(seed, *size).numpy() for seed, size in enumerate(sides)]
        return [(Image(image), Image(np.sqrt(image))) for image in images]


def cut(
    network: Network, image: Tensor, top: int = 0, left: int = 0, size: tuple[int, int] | None = None
) -> tuple[Tensor, Window]:
    """One window of an image with its halo, by default all of the image in whole strides."""
    stride = network.stride
    height, width = size or (-(-side // stride) * stride for side in image.shape[:2])
    corner = torch.tensor([top]), torch.tensor([left])
    extent = torch.tensor([image.shape[0]]), torch.tensor([image.shape[1]])
    pixels = cut_windows(image, *corner, height, width, network.halo)
    return pixels, Window(*corner, height, width, *extent)


def describe(network: Network, image: Tensor) -> Scene:
    """Φ of one image (H, W, 3)."""
    return network.describe(image.permute(2, 0, 1)[None])


def render(
    network: Network, image: Tensor, scene: Scene | None = None, *, top: int = 0, left: int = 0, size: int | None = None
) -> Tensor:
    """One window of an image, (3, h, w), not clipped; without gradients."""
    with torch.no_grad():
        pixels, window = cut(network, image, top, left, (size, size) if size else None)
        return network.render(pixels, describe(network, image) if scene is None else scene, window)[0]


def difference(first: Tensor, second: Tensor) -> Tensor:
    """Absolute differences, as a share of the larger value where that exceeds 1; infinite where one is NaN."""
    scale = torch.maximum(first.abs(), second.abs()).clamp(min=1)
    return ((first - second).abs() / scale).nan_to_num(nan=torch.inf)
