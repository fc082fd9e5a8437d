"""The network of `SVDLUT`, for either direction."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, grid_sample

import ispfit
from ispfit.backbone import pick_pixels
from ispfit_svdlut.tables import factors, identity, look_up, look_up_rows, raise_to_power

__all__ = ["SVDLUTNetwork"]

_SHRINK = 4  # thumbnail pixels per cell of the grid: two convolutions of stride 2
_LEAK = 0.1  # slope of the activations below 0
_DARK = 1e-3  # added to a thumbnail before its logarithm
_LOG_BRIGHTNESS, _LOG_BRIGHTNESS_SPREAD, _LOG_COLOR_SPREAD = -2.5, 2.0, 3.0  # typical values, to scale features
_LEAST_OUTPUT = 1e-4  # below it, the slope of a power vanishes
_CURVE_SPREAD = 0.1  # of the first curves along intensity


class SVDLUTNetwork(ispfit.Network):
    """Colours are shifted by their place and intensity, then looked up in three tables, whose values are added.

    Tables are looked up at a power of the input, at most 1, and hold values whose power, at least 1, is the output.
    """

    samples_per_window = 256

    input_power: Tensor
    output_power: Tensor

    def __init__(self, size: int, rank: int, cells: int, depth: int, grid_rank: int, channels: int) -> None:
        super().__init__()
        self.size, self.rank, self.thumbnail_size = size, rank, _SHRINK * cells
        self.register_buffer("input_power", torch.ones(()))
        self.register_buffer("output_power", torch.ones(()))
        left, right = factors(identity(size), rank)
        self.left, self.right = nn.Parameter(left), nn.Parameter(right)
        self.curves = nn.Parameter(_CURVE_SPREAD * torch.randn(2, 3, depth, grid_rank))
        self.predict = FactorPredictor(rank, grid_rank, channels)

    def start_from(self, tables: Tensor, input_power: float, output_power: float) -> None:
        """Set the tables (3, 3, size, size), as nearly as the rank allows, and the powers."""
        with torch.no_grad():
            for parameter, values in zip((self.left, self.right), factors(tables, self.rank), strict=True):
                parameter.copy_(values)
        self.input_power.fill_(input_power)
        self.output_power.fill_(output_power)

    def describe(self, image: Tensor) -> ispfit.Scene:
        """Predict from a thumbnail the singular values of the tables, and the faces of the grid."""
        small = adaptive_avg_pool2d(image, self.thumbnail_size).clamp(min=0)
        brightness = (small.mean(1, keepdim=True) + _DARK).log().mean((2, 3), keepdim=True)
        red_green = (small[:, :2] + _DARK).log() - brightness
        level = ((brightness - _LOG_BRIGHTNESS) / _LOG_BRIGHTNESS_SPREAD).expand(-1, 1, *small.shape[2:])
        features = torch.cat([raise_to_power(small, self.input_power), red_green / _LOG_COLOR_SPREAD, level], 1)
        values, rows, columns = self.predict(features)
        return ispfit.Scene(
            tables=(self.left * values[..., None, :]) @ self.right.mT,
            places=rows[:, 0] @ columns[:, 0].mT,
            rows=rows[:, 1] @ self.curves[0].mT,
            columns=columns[:, 1] @ self.curves[1].mT,
        )

    def render(self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window) -> Tensor:
        """Shift each pixel and look it up."""
        return self._map(pixels, window.grid(), scene)

    def render_samples(
        self, pixels: Tensor, scene: ispfit.Scene, window: ispfit.Window, sample_index: Tensor
    ) -> Tensor:
        """Map the sampled pixels only."""
        picked, places = (pick_pixels(maps, sample_index)[:, :, None] for maps in (pixels, window.grid()))
        return self._map(picked, places, scene)[:, :, 0]

    def _map(self, pixels: Tensor, places: Tensor, scene: ispfit.Scene) -> Tensor:
        with torch.autocast(pixels.device.type, enabled=False):  # 8 bits of colours or tables would be seen
            colors, (y, x) = raise_to_power(pixels.float(), self.input_power), places.unbind(1)
            points = torch.stack([2 * x - 1, 2 * y - 1], -1)
            shift = grid_sample(scene["places"].float(), points, padding_mode="border", align_corners=False)
            shift = shift + look_up_rows(scene["rows"].float(), y, colors)
            shift = shift + look_up_rows(scene["columns"].float(), x, colors)
            values = look_up(scene["tables"].float(), colors + shift)
            if not torch.compiler.is_exporting():
                return values.clamp(min=_LEAST_OUTPUT) ** self.output_power if self.output_power > 1 else values
            raised = values.clamp(min=_LEAST_OUTPUT) ** self.output_power
            return torch.where(self.output_power > 1, raised, values)  # an exported graph has no branches


class FactorPredictor(nn.Module):
    """Features of a thumbnail and of its rows and columns; at first tables are as they are, and nothing is shifted."""

    def __init__(self, rank: int, grid_rank: int, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.rank, self.grid_rank = rank, grid_rank
        self.low_level = nn.Sequential(
            nn.Conv2d(6, channels, 3, 2, 1),
            nn.LeakyReLU(_LEAK),
            nn.Conv2d(channels, wide, 3, 2, 1),
            nn.LeakyReLU(_LEAK),
            nn.Conv2d(wide, wide, 3, 1, 1),
            nn.LeakyReLU(_LEAK),
        )
        self.pooled = nn.Sequential(
            nn.Conv2d(wide, wide, 3, 2, 1), nn.LeakyReLU(_LEAK), nn.Conv2d(wide, wide, 3, 2, 1), nn.LeakyReLU(_LEAK)
        )
        self.dense = nn.Sequential(
            nn.Linear(2 * wide, 2 * wide), nn.LeakyReLU(_LEAK), nn.Linear(2 * wide, wide), nn.LeakyReLU(_LEAK)
        )
        self.values = nn.Linear(wide, 9 * rank + 1)
        self.rows, self.columns = nn.Linear(wide, 6 * grid_rank), nn.Linear(wide, 6 * grid_rank)
        for layer in (self.values, self.rows, self.columns):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():  # of the product of rows and columns one factor is not 0, or no gradient would change it
            self.columns.weight[: 3 * grid_rank].normal_(0, _CURVE_SPREAD)
            self.columns.bias[: 3 * grid_rank : grid_rank] = 1

    def hidden_layers(self) -> list[nn.Conv2d | nn.Linear]:
        """Return the layers before the last, in the order in which they are computed."""
        parts = (self.low_level, self.pooled, self.dense)
        return [layer for part in parts for layer in part if isinstance(layer, nn.Conv2d | nn.Linear)]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return factors of the image's tables and grid.

        Parameters
        ----------
        features : (N, 6, 4 * cells, 4 * cells).

        Returns
        -------
        values : (N, 3, 3, rank), relative to the singular values of the tables.
        rows, columns : (N, 2, 3, cells, grid_rank), of the face over places and of that over intensity.
        """
        low_level = self.low_level(features)
        pooled = self.pooled(low_level)
        whole = self.dense(torch.cat([pooled.mean((2, 3)), pooled.amax((2, 3))], 1))
        values = self.values(whole).float()
        relative = (values[:, -1:].exp() + values[:, :-1]).view(-1, 3, 3, self.rank)
        rows, columns = low_level.mean(3).mT + whole[:, None], low_level.mean(2).mT + whole[:, None]
        return relative, self._face(self.rows(rows)), self._face(self.columns(columns))

    def _face(self, outputs: Tensor) -> Tensor:
        return outputs.float().view(*outputs.shape[:2], 2, 3, self.grid_rank).permute(0, 2, 3, 1, 4)
