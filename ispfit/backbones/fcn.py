"""A fully convolutional network on VGG-16: the baseline of semantic segmentation (Nam & Kim 2017, 5.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.vgg import VGG, VGGBackbone
from ispfit.plugins import hookimpl

__all__ = ["FCN"]


class FCN(VGGBackbone):
    """FCN-8s on VGG-16 reduced to conv1_1..conv4_3, from image to image.

    As in the original, each of three resolutions predicts the output by a 1 x 1 convolution; the coarsest prediction is
    enlarged twofold, added to the next, and so on. Enlarging is learned and starts bilinear, the finer predictions
    start at zero. In place of pool4, pool3 and conv7 the reduced network has pool1, pool2 and conv4_3, at
    strides of 2, 4 and 8.

    Parameters
    ----------
    weights : of the trunk to begin with: None (random), "imagenet" (as in the paper; downloaded), or a file's path.
    width : factor of the trunk's channels; weights other than None need 1.

    References
    ----------
    Nam & Kim, "Modelling the Scene Dependent Imaging in Cameras with a Deep Neural Network", ICCV 2017, 5.1.
    Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015.
    """

    name = "fcn"

    def __init__(self, weights: str | None = None, width: float = 1.0) -> None:
        self.weights = weights
        self.width = width

    def build(self) -> Network:
        """A new network with random weights."""
        self.check_width()
        return FCNNetwork(self.width)


class FCNNetwork(Network):
    """The network of `FCN`."""

    halo = 56  # conv4_3 then covers the window and a cell of 8 pixels on each side
    stride = 8

    def __init__(self, width: float) -> None:
        super().__init__()
        self.trunk = VGG(4, width)
        first, second, _, last = self.trunk.channels
        self.score = nn.ModuleList(nn.Conv2d(channels, 3, 1) for channels in (last, second, first))
        for finer in list(self.score)[1:]:
            for parameter in finer.parameters():
                nn.init.zeros_(parameter)
        self.enlarge = nn.ModuleList(_bilinear() for _ in range(3))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Predict at strides 8, 4 and 2, and enlarge to 1."""
        maps = self.trunk(pixels)
        pooled = [_pooled(maps[1], 25), _pooled(maps[0], 54)]
        size = (window.height // 8, window.width // 8)
        output: Tensor = self.score[0](maps[3])  # on the window's cells and one more on each side
        for score, enlarge, finer in zip(list(self.score)[1:], list(self.enlarge)[:2], pooled, strict=True):
            size = (2 * size[0], 2 * size[1])
            output = _inner(enlarge(output), size) + score(_inner(finer, size))
        with torch.autocast(pixels.device.type, enabled=False):  # 8 bits of an output are not enough
            last: Tensor = self.enlarge[2](output.float())
        return last[:, :, 2:-2, 2:-2]


def _bilinear() -> nn.ConvTranspose2d:
    """Enlarges twofold, channel by channel to begin with."""
    layer = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1, bias=False)
    slope = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3)[:, :, None, None] * (slope[:, None] * slope))
    return layer


def _pooled(features: Tensor, ring: int) -> Tensor:
    """Features cut so that they start on an even cell, pooled; they start `ring` cells before the window."""
    odd = ring % 2
    cut = features[:, :, odd : features.shape[2] - odd, odd : features.shape[3] - odd]
    return nn.functional.max_pool2d(cut, 2)


def _inner(features: Tensor, size: tuple[int, int]) -> Tensor:
    """The middle of `features`: `size` and one cell more on each side."""
    rows, columns = ((have - want - 2) // 2 for have, want in zip(features.shape[2:], size, strict=True))
    return features[:, :, rows : rows + size[0] + 2, columns : columns + size[1] + 2]


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `FCN`."""
    return [FCN]
