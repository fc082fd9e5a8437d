"""The multi-scale pyramid of learnable histograms (Nam & Kim 2017, section 4), and what came of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.color_samples import Colors, sample_colors
from ispfit.backbones.parts.grids import sample_grids
from ispfit.backbones.parts.histogram import LearnableHistogram
from ispfit.backbones.parts.pooling import average_3x3, pooling_weights
from ispfit.backbones.parts.precision import Float32Conv2d
from ispfit.errors import InputError
from ispfit.images import Image
from ispfit.plugins import hookimpl

__all__ = ["HistPyramid"]

_STRIDES = (1, 2, 2)
_RING = 2  # pixels around a window that the two 3 x 3 convolutions read
_THUMBNAIL = 64
_FLOOR = 1e-4  # keeps the slope of a power finite at black


class HistPyramid(Backbone):
    """Convolutional network on a multi-scale pyramid of learnable histograms of L, r, g.

    Each pixel gets its RGB, the histograms around it from three cascaded 3 x 3 average poolings with strides 1, 2
    and 2 (Eq. 5), and the histogram of the whole image: Φ. A 1 x 1 convolution mixes them, two 3 x 3 convolutions make
    the output.

    The paper's pyramid sees 3, 5 and 9 pixels and then the whole image, nothing between. By default four things are
    added to it, each of which a parameter takes away: histograms of the image's parts at image-relative scales, a
    compressed copy of the input, in which dark raws are not all one bin, the pixel's own votes, and a skip connection.
    `HistPyramid.paper` is the network as published.

    Parameters
    ----------
    bins : histogram bins a channel, at least 2 (paper: 6).
    channels : features between the convolutions (the paper gives no number).
    grids : cells a side of the grids into which the image is divided for its local histograms; they are computed
        from a thumbnail of 64 x 64 pixels and interpolated between the cells' centres. None: [].
    gamma : the histograms are taken of ``x ** (1 / gamma)``, which also joins the input of the mixing; 1 leaves it out.
    own_votes : whether the mixing also gets the votes of the pixel itself, not only their averages around it, which
        blur.
    skip : whether the network adds to a linear map of x, x² and the square root of x, rather than making the output
        alone.

    References
    ----------
    Nam & Kim, "Modelling the Scene Dependent Imaging in Cameras with a Deep Neural Network", ICCV 2017.
    """

    name = "histpyramid"

    def __init__(
        self,
        bins: int = 6,
        channels: int = 64,
        grids: tuple[int, ...] | list[int] = (16, 4),
        gamma: float = 2.2,
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
        """The network as published: no grids, linear input, no skip connection."""
        return cls(bins, channels, grids=(), gamma=1.0, own_votes=False, skip=False)

    def build(self) -> Network:
        """A new network with random weights."""
        for name, least in (("bins", 2), ("channels", 1), ("gamma", 1)):
            if not getattr(self, name) >= least:
                raise InputError(f"HistPyramid: expected {name} >= {least}, got {getattr(self, name)}.")
        listed = isinstance(self.grids, list | tuple)
        if not listed or any(not 1 <= cells <= _THUMBNAIL for cells in self.grids):
            raise InputError(
                f"HistPyramid: expected grids to be a list of 1 to {_THUMBNAIL} cells a side, got {self.grids}."
            )
        return HistPyramidNetwork(self)

    def initialise(self, network: Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit the skip connection to the colours of the pairs: training begins with the best curves for all scenes."""
        assert isinstance(network, HistPyramidNetwork)
        if network.skip is not None:
            network.skip.fit(*sample_colors(pairs))


class HistPyramidNetwork(Network):
    """The network of `HistPyramid`.

    The mixing 1 x 1 convolution commutes with upsampling, so that each scale is mixed at its own resolution; the
    image is reflected at its edge, where the paper does not say what happens.
    """

    halo = 8  # two 3 x 3 convolutions, and poolings that reach back to the start of a 4-pixel cell and 4 pixels on
    stride = 4

    def __init__(self, settings: HistPyramid) -> None:
        super().__init__()
        votes, channels = 3 * settings.bins, settings.channels
        self.grids, self.gamma = list(settings.grids), settings.gamma
        self.own_votes = settings.own_votes
        inputs = (3 if self.gamma == 1 else 6) + (votes if self.own_votes else 0)
        self.histogram = LearnableHistogram(settings.bins)
        self.mix_pixels = nn.Conv2d(inputs + votes, channels, 1)
        self.mix_half = nn.Conv2d(votes, channels, 1, bias=False)
        self.mix_quarter = nn.Conv2d(votes, channels, 1, bias=False)
        self.mix_grids = nn.ModuleList(nn.Conv2d(votes, channels, 1, bias=False) for _ in self.grids)
        self.mix_global = nn.Linear(votes, channels, bias=False)
        self.body = nn.Sequential(
            nn.ReLU(inplace=True),
            _centered(nn.Conv2d(channels, channels, 3)),
            nn.ReLU(inplace=True),
            _centered(Float32Conv2d(channels, 3, 3)),
        )
        self.skip = _Skip() if settings.skip else None

    def describe(self, image: Tensor) -> Scene:
        """The histogram of the whole image and, with grids, of its parts.

        As published, the global histogram is the mean of the third pooled map, here as a weighted mean of votes; with
        grids it is that of the thumbnail.
        """
        if not self.grids:
            rows, columns = (pooling_weights(size, _STRIDES, image.device) for size in image.shape[2:])
            return Scene(histogram=self.histogram.mean(image, rows, columns, self._compress))
        votes = self.histogram(self._compress(adaptive_avg_pool2d(image, _THUMBNAIL)))
        parts = {f"grid{cells}": adaptive_avg_pool2d(votes, cells) for cells in self.grids}
        return Scene(histogram=votes.mean((2, 3)), **parts)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Mix the scales, each at its own resolution, on the window and 2 pixels around it, then convolve."""
        h, w = window.height, window.width
        compressed = self._compress(pixels)
        votes = self.histogram(compressed)
        fine = average_3x3(votes, _STRIDES[0])
        half = average_3x3(fine, _STRIDES[1])
        quarter = average_3x3(half, _STRIDES[2])

        coarse = self.mix_quarter(_channels_last(quarter)) + self.mix_global(scene["histogram"])[:, :, None, None]
        coarse = interpolate(coarse, scale_factor=2, mode="nearest")[:, :, 1 : h // 2 + 3, 1 : w // 2 + 3]
        coarse = coarse + self.mix_half(_channels_last(half[:, :, 2 : h // 2 + 4, 2 : w // 2 + 4]))
        near = [pixels] if self.gamma == 1 else [pixels, compressed]
        near += [votes] if self.own_votes else []
        near = [part[:, :, 6 : h + 10, 6 : w + 10] for part in near] + [fine[:, :, 5 : h + 9, 5 : w + 9]]
        mixed = _add_doubled(self.mix_pixels(_joined(near)), coarse)
        if self.grids:
            parts = [mix(scene[f"grid{cells}"]) for cells, mix in zip(self.grids, self.mix_grids, strict=True)]
            mixed = mixed + sample_grids(parts, window, _RING)
        output: Tensor = self.body(mixed)
        if self.skip is None:
            return output
        with torch.autocast(pixels.device.type, enabled=False):  # most of the output: no eighth bit is lost here
            skipped: Tensor = self.skip(pixels[:, :, 8 : h + 8, 8 : w + 8].float())
            return output.float() + skipped

    def _compress(self, pixels: Tensor) -> Tensor:
        if self.gamma == 1:
            return pixels
        power = 1 / self.gamma
        compressed: Tensor = (pixels + _FLOOR) ** power - _FLOOR**power
        return compressed


class _Skip(nn.Module):
    """A linear map of x, x² and √x: curves of either direction are near it. The identity until it is fitted."""

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
        """Make it the least-squares map from colours to targets, both (n, 3)."""
        powers = self._powers(torch.from_numpy(colors))
        solution = np.linalg.lstsq(np.column_stack([powers, np.ones(len(powers))]), targets, rcond=None)[0]
        with torch.no_grad():
            self.map.weight.copy_(torch.from_numpy(solution[:-1].T)[:, :, None, None])
            self.map.bias.copy_(torch.from_numpy(solution[-1]))  # type: ignore[union-attr]

    @staticmethod
    def _powers(pixels: Tensor) -> Tensor:
        return torch.cat([pixels, pixels * pixels, (pixels + _FLOOR).sqrt()], 1)


def _centered(convolution: nn.Conv2d) -> nn.Conv2d:
    """The 3 x 3 convolution, starting as a 1 x 1: cameras map pixels, and what starts by blurring learns late."""
    pixelwise = nn.Conv2d(convolution.in_channels, convolution.out_channels, 1)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[:, :, 1, 1] = pixelwise.weight[:, :, 0, 0]
    return convolution


def _channels_last(maps: Tensor) -> Tensor:
    """The layout in which convolutions are fast; few channels are made in the other, where averages are."""
    return maps.contiguous(memory_format=torch.channels_last)


def _joined(parts: list[Tensor]) -> Tensor:
    """The channels of all parts, in that layout."""
    return torch.cat([part.permute(0, 2, 3, 1) for part in parts], 3).permute(0, 3, 1, 2)


def _add_doubled(maps: Tensor, coarse: Tensor) -> Tensor:
    """Add each cell of `coarse` to 2 x 2 cells of `maps`, in place."""
    n, channels, height, width = coarse.shape
    maps.view(n, channels, height, 2, width, 2).add_(coarse[:, :, :, None, :, None])
    return maps


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `HistPyramid`."""
    return [HistPyramid]
