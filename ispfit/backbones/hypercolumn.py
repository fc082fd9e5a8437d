"""Hypercolumns of VGG-16: what several layers see at a pixel, and a regressor on top (Nam & Kim 2017, 5.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.checks import check_counts
from ispfit.backbones.parts.precision import Float32Conv2d
from ispfit.backbones.parts.vgg import VGG, VGGBackbone
from ispfit.plugins import hookimpl

__all__ = ["Hypercolumn"]


class Hypercolumn(VGGBackbone):
    """conv1_2, conv2_2 and conv3_3 of VGG-16, joined at each pixel, and two hidden layers on top.

    Trained on sparse samples: the windows that a step draws go through the trunk, and of each some pixels are drawn, at
    which the features are gathered, by bilinear interpolation between their cells; no map is enlarged. To render, the
    regressor's first layer is applied to each feature map at its own resolution, and what comes of it is enlarged (this
    1 x 1 convolution commutes with bilinear interpolation): the 448 features of a pixel are never laid side by side,
    and 24 megapixels are rendered tile by tile.

    Parameters
    ----------
    hidden : nodes of each hidden layer (the paper gives no number).
    weights : of the trunk to begin with: None (random), "imagenet" (as in the paper; downloaded), or a file's path.
    width : factor of the trunk's channels; weights other than None need 1.
    samples_per_window : pixels of each window that training looks at. The 16 windows per image of `ISPModel` with 128
        samples each make the 2,000 pixels per image of Bansal et al. (2017). None: all.

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
        self, hidden: int = 128, weights: str | None = None, width: float = 1.0, samples_per_window: int | None = 128
    ) -> None:
        self.hidden = hidden
        self.weights = weights
        self.width = width
        self.samples_per_window = samples_per_window

    def build(self) -> Network:
        """A new network with random weights."""
        check_counts(self, hidden=1)
        if self.samples_per_window is not None:
            check_counts(self, samples_per_window=1)
        self.check_width()
        return HypercolumnNetwork(self.hidden, self.width, self.samples_per_window)


class HypercolumnNetwork(Network):
    """The network of `Hypercolumn`."""

    halo = 24  # conv3_3 then covers the window and a cell of 4 pixels on each side
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
        """Mix each level at its own resolution, enlarge and add from coarse to fine, then regress."""
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

    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, at: Tensor) -> Tensor:
        """Gather each level's features at the samples, mix them there, then regress."""
        y, x = at // window.width + 0.5, at % window.width + 0.5
        first, *others = (
            mix(_gathered(_around(features, window, 2**level), y / 2**level + 1, x / 2**level + 1))
            for level, (mix, features) in enumerate(zip(self.mix, self.trunk(pixels), strict=True))
        )
        output: Tensor = self.regress(sum(others, first))
        return output[:, :, 0]


def _gathered(cells: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Cells (N, C, H, W) interpolated at places (N, S), counted in cells from the corner: (N, C, 1, S)."""
    grid = torch.stack([2 * x / cells.shape[3] - 1, 2 * y / cells.shape[2] - 1], 2)  # the corners are at -1 and 1
    return grid_sample(cells.float(), grid[:, None], mode="bilinear", align_corners=False)


def _around(features: Tensor, window: Window, cell: int) -> Tensor:
    """The features of the window's cells, and of one more on each side."""
    size = (window.height // cell + 2, window.width // cell + 2)
    rows, columns = ((have - want) // 2 for have, want in zip(features.shape[2:], size, strict=True))
    return features[:, :, rows : rows + size[0], columns : columns + size[1]]


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `Hypercolumn`."""
    return [Hypercolumn]
