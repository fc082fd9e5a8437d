"""Hypercolumns of VGG-16: features of several layers at each pixel, and a regressor on them (Nam & Kim 2017, 5.1)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.precision import Float32Conv2d
from ispfit.backbones.parts.vgg import VGG, VGGBackbone, Width
from ispfit.plugins import hookimpl
from ispfit.settings import Range

__all__ = ["Hypercolumn"]


class Hypercolumn(VGGBackbone):
    """conv1_2, conv2_2 and conv3_3 of VGG-16, joined at each pixel, and two hidden layers on top.

    Training uses sparse samples. A step passes its windows through the trunk, draws some pixels of each window, and
    gathers the features at these pixels by bilinear interpolation, without enlarging a map. Rendering applies the
    regressor's first layer, a 1 x 1 convolution, to each feature map at its own resolution and enlarges the result,
    which is the same because the two commute. The 448 features of all pixels are thus never held in memory.

    Parameters
    ----------
    hidden : nodes of each hidden layer (the paper gives no number).
    weights : initial weights of the trunk: None (random), "imagenet" (downloaded; the paper's choice), or the path of a
        file.
    width : factor by which the trunk's channels are multiplied; must be 1 unless `weights` is None.
    samples_per_window : number of pixels of each window that a training step uses; None for all. The 16 windows per
        image of `ISPModel` with 128 samples each make the 2,000 pixels per image of Bansal et al. (2017).

    References
    ----------
    Nam & Kim, "Modelling the Scene Dependent Imaging in Cameras with a Deep Neural Network", ICCV 2017, 5.1.
    Larsson, Maire & Shakhnarovich, "Learning Representations for Automatic Colorization", ECCV 2016.
    Bansal, Russell & Gupta, "Marr Revisited: 2D-3D Model Alignment via Surface Normal Prediction", CVPR 2016.
    Bansal, Chen, Russell, Gupta & Ramanan, "PixelNet: Representation of the Pixels, by the Pixels, and for the Pixels",
    arXiv:1702.06506, 2017.
    """

    name = "hypercolumn"

    def __init__(
        self,
        hidden: Annotated[int, Range(1, 4096)] = 128,
        weights: str | None = None,
        width: Width = 1.0,
        samples_per_window: Annotated[int, Range(1, 1 << 20)] | None = 128,
    ) -> None:
        self.hidden = hidden
        self.weights = weights
        self.width = width
        self.samples_per_window = samples_per_window

    def build(self) -> Network:
        """Return a new network with random weights."""
        self.check_settings()
        return HypercolumnNetwork(self.hidden, self.width, self.samples_per_window)


class HypercolumnNetwork(Network):
    """The network of `Hypercolumn`."""

    halo = 24  # so that conv3_3 covers the window and one cell of 4 pixels on each side
    stride = 4

    def __init__(self, hidden: int, width: float, samples_per_window: int | None) -> None:
        super().__init__()
        self.samples_per_window = samples_per_window
        self.trunk = VGG(3, width)
        self.mix = nn.ModuleList(
            nn.Conv2d(channels, hidden, 1, bias=level == 0) for level, channels in enumerate(self.trunk.channels)
        )
        self.regress = nn.Sequential(nn.ReLU(), nn.Conv2d(hidden, hidden, 1), nn.ReLU(), Float32Conv2d(hidden, 3, 1))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Mix each level at its own resolution, enlarge and add the results, then regress."""
        finest, *coarser = (
            _around(mix(features), window, 2**level)
            for level, (mix, features) in enumerate(zip(self.mix, self.trunk(pixels), strict=True))
        )
        mixed = finest[:, :, 1:-1, 1:-1]
        for level, features in enumerate(coarser, 1):
            cell = 2**level
            enlarged = interpolate(features, scale_factor=cell, mode="bilinear")
            mixed = mixed + enlarged[:, :, cell:-cell, cell:-cell]
        output: Tensor = self.regress(mixed)
        return output

    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, sample_index: Tensor) -> Tensor:
        """Gather each level's features at the samples, mix them there, then regress."""
        y, x = sample_index // window.width + 0.5, sample_index % window.width + 0.5
        first, *others = (
            mix(_interpolated(_around(features, window, 2**level), y / 2**level + 1, x / 2**level + 1))
            for level, (mix, features) in enumerate(zip(self.mix, self.trunk(pixels), strict=True))
        )
        output: Tensor = self.regress(sum(others, first))
        return output[:, :, 0]


def _interpolated(cells: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Interpolate cells (N, C, H, W) bilinearly at positions (N, S) in cells from the corner; returns (N, C, 1, S)."""
    grid = torch.stack([2 * x / cells.shape[3] - 1, 2 * y / cells.shape[2] - 1], 2)  # the corners are at -1 and 1
    return grid_sample(cells.float(), grid[:, None], mode="bilinear", align_corners=False)


def _around(features: Tensor, window: Window, cell: int) -> Tensor:
    """Return the features of the window's cells and of one more on each side."""
    size = (window.height // cell + 2, window.width // cell + 2)
    rows, columns = ((available - wanted) // 2 for available, wanted in zip(features.shape[2:], size, strict=True))
    return features[:, :, rows : rows + size[0], columns : columns + size[1]]


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `Hypercolumn`."""
    return [Hypercolumn]
