"""The learnable-histogram network of Nam & Kim (2017, section 4), with four extensions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ispfit.backbone import Backbone, Network, Scene, ScenePart, Window
from ispfit.backbones.parts.color_samples import Colors, sample_colors
from ispfit.backbones.parts.grids import sample_grids
from ispfit.backbones.parts.histogram import LearnableHistogram
from ispfit.backbones.parts.pooling import average_3x3, pooling_weights
from ispfit.backbones.parts.precision import Float32Conv2d
from ispfit.errors import BackboneError
from ispfit.images import Image
from ispfit.plugins import hookimpl
from ispfit.settings import Range

__all__ = ["HistPyramid"]

_POOLING_STRIDES = (1, 2, 2)
_RING_PX = 2  # around a window, read by the two 3 x 3 convolutions
_THUMBNAIL_PX = 64
_Cells: TypeAlias = Annotated[int, Range(1, _THUMBNAIL_PX)]
_POWER_OFFSET = 1e-4  # keeps the slope of a power finite at black


class HistPyramid(Backbone):
    """Convolutional network on a multi-scale pyramid of learnable histograms of L, r, g.

    Each pixel gets its RGB, the histograms of its surroundings from three cascaded 3 x 3 average poolings with strides
    1, 2 and 2 (Eq. 5), and the histogram of the whole image, Φ. A 1 x 1 convolution mixes them; two 3 x 3 convolutions
    compute the output.

    The paper's pyramid sees 3, 5 and 9 pixels and then the whole image, but nothing in between. The default adds four
    extensions: histograms of the image's parts (`grids`), a compressed copy of the input, which spreads the dark tones
    of a raw over several bins (`gamma`), the pixel's own votes (`own_votes`), and a skip connection (`skip`).
    `HistPyramid.paper` is the network as published.

    Parameters
    ----------
    bins : histogram bins per channel, at least 2 (paper: 6).
    channels : features between the convolutions (the paper gives no number).
    grids : one grid per number; each divides the image into that many cells per side and gives every cell a histogram,
        computed from a thumbnail of 64 x 64 pixels and interpolated between the centres of cells. [] for no grids.
    gamma : histograms are computed from ``x ** (1 / gamma)``, which is also an input of the mixing. 1 for neither.
    own_votes : whether the mixing gets the votes of the pixel itself, besides their averages around it. False only in
        the published network and in the ablation.
    skip : whether the output is added to a linear map of x, x² and the square root of x. False only in the published
        network and in the ablation.

    References
    ----------
    Nam & Kim, "Modelling the Scene Dependent Imaging in Cameras with a Deep Neural Network", ICCV 2017.
    """

    name = "histpyramid"

    def __init__(
        self,
        bins: Annotated[int, Range(2, 256)] = 6,
        channels: Annotated[int, Range(1, 4096)] = 64,
        grids: tuple[_Cells, ...] | list[_Cells] = (16, 4),
        gamma: Annotated[float, Range(1, 10)] = 2.2,
        own_votes: bool = True,
        skip: bool = True,
    ) -> None:
        self.bins = bins
        self.channels = channels
        self.grids = grids
        self.gamma = gamma
        self.own_votes = own_votes
        self.skip = skip

    @classmethod
    def paper(cls, bins: int = 6, channels: int = 64) -> HistPyramid:
        """Return the network as published: no grids, linear input, no votes of the pixel itself, no skip connection."""
        return cls(bins, channels, grids=(), gamma=1.0, own_votes=False, skip=False)

    def build(self) -> Network:
        """Return a new network with random weights."""
        self.check_settings()
        return HistPyramidNetwork(self)

    def initialise(self, network: Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit the skip connection to colours of the pairs, so that training starts from the best map for all scenes."""
        assert isinstance(network, HistPyramidNetwork)
        if network.skip is not None:
            network.skip.fit(*sample_colors(pairs))


class HistPyramidNetwork(Network):
    """The network of `HistPyramid`.

    A 1 x 1 convolution commutes with upsampling, so that each scale is mixed at its own resolution. The image is
    reflected at its edge; the paper does not specify the edge.
    """

    halo = 8  # 2 for two 3 x 3 convolutions, rounded up to a cell of 4, and 4 for the poolings
    stride = 4

    def __init__(self, backbone: HistPyramid) -> None:
        super().__init__()
        votes, channels = 3 * backbone.bins, backbone.channels
        self.grids, self.gamma = list(backbone.grids), backbone.gamma
        self.own_votes = backbone.own_votes
        inputs = (3 if self.gamma == 1 else 6) + (votes if self.own_votes else 0)
        self.histogram = LearnableHistogram(backbone.bins)
        self.mix_pixels = nn.Conv2d(inputs + votes, channels, 1)
        self.mix_half = nn.Conv2d(votes, channels, 1, bias=False)
        self.mix_quarter = nn.Conv2d(votes, channels, 1, bias=False)
        self.mix_grids = nn.ModuleList(nn.Conv2d(votes, channels, 1, bias=False) for _ in self.grids)
        self.mix_global = nn.Linear(votes, channels, bias=False)
        self.body = nn.Sequential(
            nn.ReLU(inplace=True),
            _started_pixelwise(nn.Conv2d(channels, channels, 3)),
            nn.ReLU(inplace=True),
            _started_pixelwise(Float32Conv2d(channels, 3, 3)),
        )
        self.skip = _Skip() if backbone.skip else None

    def describe(self, image: Tensor) -> Scene:
        """Return the histogram of the whole image and, with grids, of its parts.

        Without grids, as published, the global histogram is the mean of the third pooled map, computed as a weighted
        mean of votes. With grids, it is the mean over the thumbnail.
        """
        if not self.grids:
            if torch.compiler.is_exporting():
                raise BackboneError("without grids, the weights of cascaded poolings follow from the image's size")
            rows, columns = (pooling_weights(size, _POOLING_STRIDES, image.device) for size in image.shape[2:])
            return Scene(histogram=self.histogram.mean(image, rows, columns, self._compress))
        votes = self.histogram(self._compress(adaptive_avg_pool2d(image, _THUMBNAIL_PX)))
        parts = {f"grid{cells}": adaptive_avg_pool2d(votes, cells) for cells in self.grids}
        return Scene(histogram=votes.mean((2, 3)), **parts)

    def scene_parts(self) -> dict[str, ScenePart]:
        """Return the bins of L, ``luminance``, and of r and g, ``chrominance``, each globally and on the grids."""
        bins = self.histogram.centers.shape[1]
        channels = {"luminance": slice(0, bins), "chrominance": slice(bins, 3 * bins)}
        scales = {"global": "histogram", **{f"grid{cells}": f"grid{cells}" for cells in self.grids}}
        return {
            f"{channel}/{scale}": {tensor: columns}
            for channel, columns in channels.items()
            for scale, tensor in scales.items()
        }

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Mix the scales, each at its own resolution, on the window and 2 pixels around it, then convolve."""
        # The cells of each map by their index, below the pixel at which they start; the window starts at pixel 0. All
        # maps are cut to start at pixel -2 = -_RING_PX:
        #     pixel                -8 -7 -6 -5 -4 -3 -2 -1 |  0  1  2  3
        #     pixels, votes         0  1  2  3  4  5  6  7 |  8  9 10 11     from 6
        #     fine                     0  1  2  3  4  5  6 |  7  8  9 10     from 5
        #     half                        0     1     2    |  3     4        from 2
        #     quarter, then doubled             0     1    |  2     3        from 1
        h, w = window.height, window.width
        compressed = self._compress(pixels)
        votes = self.histogram(compressed)
        fine = average_3x3(votes, _POOLING_STRIDES[0])
        half = average_3x3(fine, _POOLING_STRIDES[1])
        quarter = average_3x3(half, _POOLING_STRIDES[2])

        coarse = self.mix_quarter(_channels_last(quarter)) + self.mix_global(scene["histogram"])[:, :, None, None]
        coarse = interpolate(coarse, scale_factor=2, mode="nearest")[:, :, 1 : h // 2 + 3, 1 : w // 2 + 3]
        coarse = coarse + self.mix_half(_channels_last(half[:, :, 2 : h // 2 + 4, 2 : w // 2 + 4]))
        pixelwise = [pixels] if self.gamma == 1 else [pixels, compressed]
        pixelwise += [votes] if self.own_votes else []
        pixelwise = [part[:, :, 6 : h + 10, 6 : w + 10] for part in pixelwise]
        pixelwise.append(fine[:, :, 5 : h + 9, 5 : w + 9])
        mixed = _add_upsampled(self.mix_pixels(_cat_channels_last(pixelwise)), coarse)
        if self.grids:
            parts = [mix(scene[f"grid{cells}"]) for cells, mix in zip(self.grids, self.mix_grids, strict=True)]
            mixed = mixed + sample_grids(parts, window, _RING_PX)
        output: Tensor = self.body(mixed)
        if self.skip is None:
            return output
        with torch.autocast(pixels.device.type, enabled=False):  # the skip carries most of the output
            skipped: Tensor = self.skip(pixels[:, :, 8 : h + 8, 8 : w + 8].float())
            return output.float() + skipped

    def _compress(self, pixels: Tensor) -> Tensor:
        if self.gamma == 1:
            return pixels
        power = 1 / self.gamma
        compressed: Tensor = (pixels + _POWER_OFFSET) ** power - _POWER_OFFSET**power
        return compressed


class _Skip(nn.Module):
    """A linear map of x, x² and √x, which comes close to the curves of both directions; the identity until fitted."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Conv2d(9, 3, 1)
        with torch.no_grad():
            nn.init.dirac_(self.map.weight)
            self.map.bias.zero_()  # type: ignore[union-attr]

    def forward(self, pixels: Tensor) -> Tensor:
        output: Tensor = self.map(self._powers(pixels))
        return output

    def fit(self, colors: Colors, targets: Colors) -> None:
        """Fit the map from colours to targets, both (n, 3), by least squares."""
        powers = self._powers(torch.from_numpy(colors))
        solution = np.linalg.lstsq(np.column_stack([powers, np.ones(len(powers))]), targets, rcond=None)[0]
        with torch.no_grad():
            self.map.weight.copy_(torch.from_numpy(solution[:-1].T)[:, :, None, None])
            self.map.bias.copy_(torch.from_numpy(solution[-1]))  # type: ignore[union-attr]

    @staticmethod
    def _powers(pixels: Tensor) -> Tensor:
        return torch.cat([pixels, pixels * pixels, (pixels + _POWER_OFFSET).sqrt()], 1)


def _started_pixelwise(convolution: nn.Conv2d) -> nn.Conv2d:
    """Start a 3 x 3 convolution as a 1 x 1: cameras map pixels, and a network that blurs at first learns late."""
    pixelwise = nn.Conv2d(convolution.in_channels, convolution.out_channels, 1)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[:, :, 1, 1] = pixelwise.weight[:, :, 0, 0]
    return convolution


def _channels_last(maps: Tensor) -> Tensor:
    """Convert maps to the layout in which convolutions are fast; the averages are faster in the other layout."""
    return maps.contiguous(memory_format=torch.channels_last)


def _cat_channels_last(parts: list[Tensor]) -> Tensor:
    """Concatenate the channels of all parts, in the layout in which convolutions are fast."""
    return torch.cat([part.permute(0, 2, 3, 1) for part in parts], 3).permute(0, 3, 1, 2)


def _add_upsampled(maps: Tensor, coarse: Tensor) -> Tensor:
    """Add `coarse`, upsampled twofold (nearest), to `maps` in place."""
    n, channels, height, width = coarse.shape
    maps.view(n, channels, height, 2, width, 2).add_(coarse[:, :, :, None, :, None])
    return maps


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `HistPyramid`."""
    return [HistPyramid]
