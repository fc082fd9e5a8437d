"""The two directions of a camera that follows the scene: where its gain comes, and how colours are encoded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.backbones.parts.color_model import ParametricNetwork
from ispfit.backbones.parts.color_table import look_up
from ispfit.backbones.parts.direction import Direction
from ispfit.backbones.parts.exposure import GAIN_POWERS, MAX_EXPOSED, factors_between
from ispfit.backbones.parts.power_curve import GAMMA, decode, encode
from ispfit.backbones.parts.scene_statistics import N_STATISTICS, brightness_map, scene_statistics
from ispfit.backbones.parts.shot_samples import ShotSamples
from ispfit.color import srgb_to_linear

__all__ = ["Derendering", "Rendering"]

_Array = npt.NDArray[np.float64]

_MIN_ENCODED = 0.02  # below it, an error of the encoded colour counts no less


class Rendering(Direction):
    """Raw to srgb: the gain comes before the maps of colours, and srgb is encoded already."""

    prefilters = True  # 0.03 dB in manual mode; from srgb to raw, it sharpens what is better smooth
    map_nodes = 65  # the gain shifts the nodes of a scene between those of a map
    residual_nodes = 9  # measured on the D7000, the phone and two virtual cameras, 17 were no better
    trend = -0.5  # an auto mode brightens dark scenes by half of what they lack

    def __init__(self, max_shots: int) -> None:
        super().__init__(N_STATISTICS, max_shots)

    def colors_of_map(self, color_map: ParametricNetwork, nodes: Tensor) -> Tensor:
        return color_map.to_srgb(decode(nodes) * MAX_EXPOSED)

    def sides(self, raws: ShotSamples, srgbs: ShotSamples) -> tuple[ShotSamples, ShotSamples]:
        return raws, srgbs

    def shot_gains(self, raws: ShotSamples, srgbs: ShotSamples, log_gains: _Array) -> _Array:
        return log_gains[:, None] * GAIN_POWERS

    def statistics(self, small: Tensor, clipped: Tensor) -> Tensor:
        return scene_statistics(small, clipped)

    def sample_statistics(self, inputs: ShotSamples) -> Tensor:
        return inputs.statistics

    def brightness(self, small: Tensor) -> Tensor:
        return brightness_map(small)

    def coordinates(self, pixels: Tensor) -> Tensor:
        return encode(pixels)

    def base(self, nodes: Tensor, log_gains: Tensor) -> Tensor:
        exposed = nodes[..., None, :, :] * (log_gains.exp() / MAX_EXPOSED)[..., None, None] ** (1 / GAMMA)
        return self.look_up_maps(exposed)

    def encoded(self, target: Tensor) -> Tensor:
        return target

    def slope(self, encoded: Tensor) -> Tensor:
        return torch.ones_like(encoded)

    def linear(self, output: Tensor) -> Tensor:
        return srgb_to_linear(output)

    def output(self, encoded: Tensor) -> Tensor:
        return encoded


class Derendering(Direction):
    """Srgb to raw: the gain comes after the maps of colours, and raw is encoded while its coefficients are fitted."""

    trend = 0.5  # what an auto mode has brightened was darker
    doubt = 8.0  # coefficients of twice as many statistics: worth up to 0.7 dB with 10 scenes

    def __init__(self, max_shots: int) -> None:
        super().__init__(2 * N_STATISTICS, max_shots)

    def colors_of_map(self, color_map: ParametricNetwork, nodes: Tensor) -> Tensor:
        return encode(color_map.to_raw(nodes))

    def sides(self, raws: ShotSamples, srgbs: ShotSamples) -> tuple[ShotSamples, ShotSamples]:
        return srgbs, raws

    def shot_gains(self, raws: ShotSamples, srgbs: ShotSamples, log_gains: _Array) -> _Array:
        nodes = self.coordinates(torch.from_numpy(srgbs.colors).float())
        derendered = decode(self.base(nodes, torch.zeros(len(nodes), len(self.weights))))
        return factors_between(derendered.double().numpy(), raws.colors[:, None])

    def statistics(self, small: Tensor, clipped: Tensor) -> Tensor:
        return torch.cat([scene_statistics(self._exposed(small), clipped), scene_statistics(small, clipped)], 1)

    def sample_statistics(self, inputs: ShotSamples) -> Tensor:
        return torch.cat([scene_statistics(self._exposed(inputs.thumbnails), inputs.clipped), inputs.statistics], 1)

    def brightness(self, small: Tensor) -> Tensor:
        return brightness_map(self._exposed(small))

    def coordinates(self, pixels: Tensor) -> Tensor:
        return pixels

    def base(self, nodes: Tensor, log_gains: Tensor) -> Tensor:
        factors = (log_gains / GAMMA).exp()[..., None, None]
        return self.look_up_maps(nodes[..., None, :, :].expand(*factors.shape[:-2], *nodes.shape[-2:])) * factors

    def encoded(self, target: Tensor) -> Tensor:
        return encode(target)

    def slope(self, encoded: Tensor) -> Tensor:
        return GAMMA * encoded.clamp(min=_MIN_ENCODED) ** (GAMMA - 1)

    def linear(self, output: Tensor) -> Tensor:
        return output

    def output(self, encoded: Tensor) -> Tensor:
        return decode(encoded)

    def _exposed(self, small: Tensor) -> Tensor:
        """Derender thumbnails as far as maps of colours go: by their mean."""
        return decode(look_up(self.color_maps.mean(0).expand(len(small), -1, -1, -1, -1), small))
