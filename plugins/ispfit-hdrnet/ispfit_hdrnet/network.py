"""The network of `HDRNet`, for either direction."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

import ispfit
from ispfit.backbone import pick_pixels
from ispfit_hdrnet.grid import apply_transforms, identity, raise_to_power, slice_grid

__all__ = ["HDRNetNetwork"]

_SHRINK = 4  # thumbnail pixels per cell of the grid: two convolutions of stride 2
_LEAK = 0.1  # slope of the activations below 0
_DARK = 1e-3  # added to a thumbnail before its logarithm
_LOG_BRIGHTNESS, _LOG_BRIGHTNESS_SPREAD, _LOG_COLOR_SPREAD = -2.5, 2.0, 3.0  # typical values, to scale features


class HDRNetNetwork(ispfit.Network):
    """An affine transform of a power of each colour, looked up in a grid by the pixel's place and its guide."""

    samples_per_window = 256

    power: Tensor

    def __init__(self, depth: int, cells: int, channels: int, knots: int) -> None:
        super().__init__()
        self.thumbnail_size = _SHRINK * cells
        self.register_buffer("power", torch.ones(()))
        self.guide = Guide(knots)
        self.predict = GridPredictor(depth, channels)

    def start_from(self, power: float, transforms: Tensor) -> None:
        """Set the power of colours and the coefficients (12, depth) that are the same at all places."""
        self.power.fill_(power)
        with torch.no_grad():
            self.predict.transforms.copy_(transforms)

    def describe(self, image: Tensor) -> ispfit.Scene:
        """Predict the grid of the image from its thumbnail."""
        small = adaptive_avg_pool2d(image, self.thumbnail_size).clamp(min=0)
        brightness = (small.mean(1, keepdim=True) + _DARK).log().mean((2, 3), keepdim=True)
        red_green = (small[:, :2] + _DARK).log() - brightness
        level = ((brightness - _LOG_BRIGHTNESS) / _LOG_BRIGHTNESS_SPREAD).expand(-1, 1, *small.shape[2:])
        features = [self._guide_colors(small), red_green / _LOG_COLOR_SPREAD, level]
        return ispfit.Scene(grid=self.predict(torch.cat(features, 1)))

    def render(self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window) -> Tensor:
        """Transform each pixel by its coefficients."""
        return self._transform(pixels, window.grid(), scene["grid"])

    def render_samples(
        self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window, sample_index: Tensor
    ) -> Tensor:
        """Transform the sampled pixels only."""
        picked, places = (pick_pixels(maps, sample_index)[:, :, None] for maps in (pixels, window.grid()))
        return self._transform(picked, places, scene["grid"])[:, :, 0]

    def _transform(self, pixels: Tensor, places: Tensor, grid: Tensor) -> Tensor:
        with torch.autocast(pixels.device.type, enabled=False):  # 8 bits of guide or coefficients would be seen
            guide: Tensor = self.guide(self._guide_colors(pixels))
            coefficients = slice_grid(grid.float(), places, guide)
            return apply_transforms(coefficients, raise_to_power(pixels, self.power))

    def _guide_colors(self, colors: Tensor) -> Tensor:
        """Return colours with dark tones spread: raw to the power of the start, sRGB as it is."""
        return raise_to_power(colors, self.power.clamp(max=1))


class Guide(nn.Module):
    """A number from 0 to 1 for each pixel, from its colour alone; at first the mean of the three channels."""

    def __init__(self, knots: int) -> None:
        super().__init__()
        self.kinks = nn.Conv2d(3, 3 * knots, 1)
        self.mix = nn.Conv2d(3 * knots, 1, 1)
        with torch.no_grad():
            self.kinks.weight.copy_(torch.eye(3).repeat_interleave(knots, 0)[:, :, None, None])
            self.kinks.bias = nn.Parameter(-(torch.arange(knots) / knots).repeat(3))
            self.mix.weight.zero_()
            self.mix.weight[0, ::knots] = 1 / 3
            self.mix.bias = nn.Parameter(torch.zeros(1))

    def forward(self, colors: Tensor) -> Tensor:
        """Return the guide (N, h, w) of colours (N, 3, h, w)."""
        guide: Tensor = self.mix(torch.relu(self.kinks(colors)))
        return guide[:, 0].clamp(0, 1)


class GridPredictor(nn.Module):
    """Local and global features of a thumbnail make the grid; at first it holds `transforms` everywhere."""

    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.transforms = nn.Parameter(identity(depth))
        self.low_level = nn.Sequential(_halve(6, channels), nn.LeakyReLU(_LEAK), _halve(channels, wide))
        self.low_level.append(nn.LeakyReLU(_LEAK))
        self.local = nn.Sequential(nn.Conv2d(wide, wide, 3, 1, 1), nn.LeakyReLU(_LEAK), nn.Conv2d(wide, wide, 3, 1, 1))
        self.pooled = nn.Sequential(_halve(wide, wide), nn.LeakyReLU(_LEAK), _halve(wide, wide), nn.LeakyReLU(_LEAK))
        self.dense = nn.Sequential(nn.Linear(2 * wide, 2 * wide), nn.LeakyReLU(_LEAK), nn.Linear(2 * wide, wide))
        self.log_gain = nn.Linear(wide, 1)
        self.change = nn.Conv2d(wide, 12 * depth, 1)
        for layer in (self.log_gain, self.change):
            for weight in layer.parameters():
                nn.init.zeros_(weight)

    def hidden_layers(self) -> list[nn.Conv2d | nn.Linear]:
        """Return the layers before the last, in the order in which they are computed."""
        parts = (self.low_level, self.pooled, self.dense, self.local)
        return [layer for part in parts for layer in part if isinstance(layer, nn.Conv2d | nn.Linear)]

    def forward(self, features: Tensor) -> Tensor:
        """Return the grid (N, 12, depth, cells, cells) of features (N, 6, 4 * cells, 4 * cells)."""
        low_level = self.low_level(features)
        pooled = self.pooled(low_level)
        whole = self.dense(torch.cat([pooled.mean((2, 3)), pooled.amax((2, 3))], 1))
        change: Tensor = self.change(torch.relu(self.local(low_level) + whole[:, :, None, None]))
        gain: Tensor = self.log_gain(torch.relu(whole)).float().exp()
        transforms = (self.transforms * gain[:, :, None])[:, :, :, None, None]
        return change.float().view(len(change), *self.transforms.shape, *change.shape[2:]) + transforms


def _halve(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, 2, 1)
