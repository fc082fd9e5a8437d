"""A straightforward PyTorch implementation of the paper's network, as the baseline of speed measurements.

It computes the votes of the whole image, pools them three times, enlarges all maps to the size of the image,
concatenates them to 75 channels, and applies three convolutions with zero padding. A training step computes the
histograms of whole images and cuts its windows from the 75 channels in one indexed read, since slices would make
autograd ten times slower.

It computes the same function as ``HistPyramid.paper()`` away from the border of images whose sides are multiples of 4
(`tests/benchmarks/test_naive.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from ispfit.backbones.histpyramid import HistPyramidNetwork
from ispfit.color import EPSILON

RING_PX = 2  # around a window, read by the two 3 x 3 convolutions


class NaiveHistPyramid(nn.Module):
    """Nam & Kim 2017, section 4, over whole images."""

    def __init__(self, bins: int = 6, channels: int = 64) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.linspace(0, 1, bins).repeat(3, 1))
        self.widths = nn.Parameter(torch.full((3, bins), float(bins - 1)))
        self.mix = nn.Conv2d(3 + 4 * 3 * bins, channels, 1)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, 3, 3, padding=1)

    @classmethod
    def of(cls, network: HistPyramidNetwork) -> NaiveHistPyramid:
        """Return the network with the weights of a network of `HistPyramid.paper`."""
        bins, channels = network.histogram.centers.shape[1], network.mix_global.weight.shape[0]
        naive = cls(bins, channels)
        first, second = (module for module in network.body if isinstance(module, nn.Conv2d))
        parts = [network.mix_pixels.weight, network.mix_half.weight, network.mix_quarter.weight]
        with torch.no_grad():
            naive.centers.copy_(network.histogram.centers)
            naive.widths.copy_(network.histogram.widths)
            naive.mix.weight.copy_(torch.cat([*parts, network.mix_global.weight[:, :, None, None]], 1))
            naive.mix.bias.copy_(network.mix_pixels.bias)
        naive.first.load_state_dict(first.state_dict())
        naive.second.load_state_dict(second.state_dict())
        return naive

    def describe(self, image: Tensor) -> Tensor:
        """Return each pixel and its four histograms, (N, 75, H, W)."""
        total = image.sum(1) + EPSILON  # chromaticity (Eq. 4) is undefined for black: take that of grey
        red, green = ((image[:, channel] + EPSILON / 3) / total for channel in (0, 1))
        features = torch.stack([image.mean(1), red, green], 1)[:, :, None]
        offset = (features - self.centers[:, :, None, None]).abs()
        votes = relu(1 - offset * self.widths[:, :, None, None]).flatten(1, 2)
        maps, pooled = [image], votes
        for stride in (1, 2, 2):
            pooled = avg_pool2d(pooled, 3, stride, padding=1, count_include_pad=False)
            maps.append(interpolate(pooled, size=image.shape[2:], mode="nearest"))
        maps.append(pooled.mean((2, 3), keepdim=True).expand_as(votes))
        return torch.cat(maps, 1)

    def convolve(self, descriptor: Tensor) -> Tensor:
        """Return the image from pixels and histograms, (N, 3, H, W)."""
        hidden = relu(self.mix(descriptor))
        output: Tensor = self.second(relu(self.first(hidden)))
        return output

    def forward(self, image: Tensor) -> Tensor:
        """Render whole images (N, 3, H, W)."""
        return self.convolve(self.describe(image))

    def render_windows(self, images: Tensor, image_index: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
        """Render windows of whole images, as in training.

        Parameters
        ----------
        images : (N, 3, H, W).
        image_index, top, left : int64 (M,), the image and the position of each window, which lies at least `RING_PX`
            pixels inside its image.
        size : side of the windows in pixels.

        Returns
        -------
        (M, 3, size, size).
        """
        around = torch.arange(-RING_PX, size + RING_PX)
        y, x = top[:, None] + around, left[:, None] + around
        descriptor = self.describe(images).permute(0, 2, 3, 1)
        cut = descriptor[image_index[:, None, None], y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
        return self.convolve(cut)[:, :, RING_PX:-RING_PX, RING_PX:-RING_PX]
