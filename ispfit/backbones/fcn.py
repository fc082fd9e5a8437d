"""A fully convolutional network on VGG-16: the baseline from semantic segmentation (Nam & Kim 2017, 5.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.vgg import VGG, VGGBackbone, Width
from ispfit.plugins import hookimpl

__all__ = ["FCN"]


class FCN(VGGBackbone):
    """FCN-8s on VGG-16 reduced to conv1_1..conv4_3, from image to image.

    As in the original, each of three resolutions predicts the output by a 1 x 1 convolution. The coarsest prediction is
    enlarged twofold and added to the next finer one, and so on. The enlarging layers are learned and start as bilinear
    interpolation; the finer predictions start at zero. pool1, pool2 and conv4_3, at strides of 2, 4 and 8, take the
    place of pool3, pool4 and conv7 of the original.

    Parameters
    ----------
    weights : initial weights of the trunk: None (random), "imagenet" (downloaded; the paper's choice), or the path of a
        file.
    width : factor by which the trunk's channels are multiplied; must be 1 unless `weights` is None.

    References
    ----------
    Nam & Kim, "Modelling the Scene Dependent Imaging in Cameras with a Deep Neural Network", ICCV 2017, 5.1.
    Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015.
    """

    name = "fcn"

    def __init__(self, weights: str | None = None, width: Width = 1.0) -> None:
        self.weights = weights
        self.width = width

    def build(self) -> Network:
        """Return a new network with random weights."""
        self.check_settings()
        return FCNNetwork(self.width)


class FCNNetwork(Network):
    """The network of `FCN`."""

    halo = 56  # so that conv4_3 covers the window and one cell of 8 pixels on each side
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
        """Predict at strides 8, 4 and 2, and enlarge to stride 1."""
        # Each 3 x 3 convolution takes one cell from each side; before pooling, an odd number of cells is made even.
        #     map       cell of   starts before the window at cell
        #     pixels    1 px      56 (halo)
        #     maps[0]   1 px      56 - 2 convolutions = 54    pooled: 27 cells of 2 px
        #     maps[1]   2 px      27 - 2 convolutions = 25    one cell cut, pooled: 12 cells of 4 px
        #     maps[2]   4 px      12 - 3 convolutions =  9    one cell cut, pooled: 4 cells of 8 px
        #     maps[3]   8 px       4 - 3 convolutions =  1
        maps = self.trunk(pixels)
        pooled = [_pooled(maps[1], 25), _pooled(maps[0], 54)]
        size = (window.height // 8, window.width // 8)
        output: Tensor = self.score[0](maps[3])
        for score, enlarge, finer in zip(list(self.score)[1:], list(self.enlarge)[:2], pooled, strict=True):
            size = (2 * size[0], 2 * size[1])
            output = _inner(enlarge(output), size) + score(_inner(finer, size))
        with torch.autocast(pixels.device.type, enabled=False):  # bfloat16's 8 bits are too few for an output
            last: Tensor = self.enlarge[2](output.float())
        return last[:, :, 2:-2, 2:-2]


def _bilinear() -> nn.ConvTranspose2d:
    """Return a layer that enlarges twofold and starts as bilinear interpolation of each channel."""
    layer = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1, bias=False)
    slope = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.copy_(torch.eye(3)[:, :, None, None] * (slope[:, None] * slope))
    return layer


def _pooled(features: Tensor, ring: int) -> Tensor:
    """Pool features that start `ring` cells before the window, after cutting them to start on an even cell."""
    odd = ring % 2
    cut = features[:, :, odd : features.shape[2] - odd, odd : features.shape[3] - odd]
    return nn.functional.max_pool2d(cut, 2)


def _inner(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the middle of `features`: `size` cells and one more on each side."""
    rows, columns = ((available - wanted - 2) // 2 for available, wanted in zip(features.shape[2:], size, strict=True))
    return features[:, :, rows : rows + size[0] + 2, columns : columns + size[1] + 2]


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `FCN`."""
    return [FCN]
