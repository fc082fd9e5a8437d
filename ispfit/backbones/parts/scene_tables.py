"""One direction of a camera that follows the scene: statistics of an image in, its table of colours out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.compiler import is_exporting
from torch.nn.functional import interpolate

from ispfit.backbone import Scene, ScenePart, Window
from ispfit.backbones.parts.color_table import lattice, look_up, prefilter
from ispfit.backbones.parts.exposure import GAIN_POWERS
from ispfit.backbones.parts.finishing import N_COEFFICIENTS
from ispfit.backbones.parts.grids import sample_grids
from ispfit.backbones.parts.residual import Residual
from ispfit.backbones.parts.scene_regression import SceneRegression
from ispfit.backbones.parts.scene_statistics import (
    CHROMINANCE,
    LOG_MEAN,
    LUMINANCE,
    N_STATISTICS,
    clipped_shares,
    thumbnail,
)
from ispfit.backbones.parts.shot_colors import finished_colors
from ispfit.backbones.parts.uncertainty import Uncertainty, variance_at

__all__ = ["SCENE_NODES", "SceneTables"]

SCENE_NODES = 33
"""Nodes per side of the table of a scene."""


class SceneTables(nn.Module):
    """Statistics of an image in, its table of colours out; the subclasses say how colours are encoded.

    Parameters
    ----------
    n_statistics : numbers that describe a scene.
    max_shots : largest number of shots of a fit.
    """

    color_maps: Tensor
    """Tables of the C maps of colours, (C, 3, size, size, size)."""
    weights: Tensor
    """How much the colours of each map count, (C,)."""
    prefilters = False  # whether the nodes of a scene's table make up for the error of interpolation
    map_nodes = SCENE_NODES  # per side of the table of a map of colours
    residual_nodes = 17  # per side of what the residual adds, which is smooth: 33 give 0.03 dB more
    trend = 0.0  # usual slope of the whole log gain by the metered log brightness
    doubt = 0.0  # number of scenes of which predicted coefficients are worth half

    def __init__(self, n_statistics: int, max_shots: int) -> None:
        super().__init__()
        n_maps, n_parameters = len(GAIN_POWERS), 1 + N_COEFFICIENTS
        self.register_buffer("color_maps", torch.zeros(n_maps, 3, *3 * [self.map_nodes]))
        self.register_buffer("weights", torch.full((n_maps,), 1 / n_maps))
        trends = [self.trend * power for power in GAIN_POWERS]  # what is not divided out is in the map of colours
        self.regression = SceneRegression(
            n_statistics, n_maps * n_parameters, max_shots, n_parameters, trends, self.doubt
        )
        self.residual = Residual(n_statistics)
        self.uncertainty = Uncertainty(n_maps * n_parameters)

    def statistics(self, small: Tensor, clipped: Tensor) -> Tensor:
        """Describe images by their thumbnails and shares of clipped pixels."""
        raise NotImplementedError

    def brightness(self, small: Tensor) -> Tensor:
        """Return the brightness (N, 1, 16, 16) of the neighbourhoods."""
        raise NotImplementedError

    def coordinates(self, pixels: Tensor) -> Tensor:
        """Return where inputs lie in a scene's table."""
        raise NotImplementedError

    def base(self, nodes: Tensor, log_gains: Tensor) -> Tensor:
        """Return what each map makes of nodes (..., n, 3) at its log gain (..., C): encoded (..., C, n, 3)."""
        raise NotImplementedError

    def output(self, encoded: Tensor) -> Tensor:
        """Undo `encoded`."""
        raise NotImplementedError

    def slope(self, encoded: Tensor) -> Tensor:
        """Return the slope of `output`."""
        raise NotImplementedError

    def linear(self, output: Tensor) -> Tensor:
        """Return the linear light of outputs."""
        raise NotImplementedError

    def look_up_maps(self, colors: Tensor) -> Tensor:
        """Look up colours (..., C, n, 3), each in the table of its own map."""
        by_map = colors.movedim(-3, 0)
        found = look_up(self.color_maps, by_map.reshape(len(self.color_maps), 1, -1, 3).movedim(3, 1))
        return found[:, :, 0].movedim(1, 2).reshape(by_map.shape).movedim(0, -3)

    def finished(self, nodes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return encoded colours (..., n, 3) of nodes, and their slope by brightness, at parameters (..., K)."""
        return finished_colors(self, nodes, parameters)

    def describe(self, image: Tensor) -> Scene:
        """Return each image's statistics, its table, its brightness by place, and what the uncertainty needs."""
        with torch.autocast(image.device.type, enabled=False):
            small = thumbnail(image)
            return self._scene(self.statistics(small, clipped_shares(image)), self.brightness(small))

    def scene_parts(self) -> dict[str, ScenePart]:
        """Return the statistics of brightness and of colour, and the brightness from place to place."""
        blocks = range(0, len(self.regression.mean), N_STATISTICS)
        luminance, chrominance = (
            [first + column for first in blocks for column in columns] for columns in (LUMINANCE, CHROMINANCE)
        )
        return {
            "luminance/global": {"statistics": luminance},
            "luminance/local": {"brightness": slice(None)},
            "chrominance/global": {"statistics": chrominance},
        }

    def complete_scene(self, scene: Scene) -> Scene:
        """Recompute the table, the parameters and the spread from the statistics."""
        with torch.autocast(scene["statistics"].device.type, enabled=False):
            return self._scene(scene["statistics"], scene["brightness"])

    def _scene(self, statistics: Tensor, brightness: Tensor) -> Scene:
        parameters = self.regression(statistics)
        return Scene(
            statistics=statistics,
            table=torch.stack([self._table(*each) for each in zip(parameters, statistics, strict=True)]),
            brightness=brightness,
            parameters=parameters,
            spread=self.uncertainty.spread(self.regression.distance(statistics)),
        )

    def _table(self, parameters: Tensor, statistics: Tensor) -> Tensor:
        """Return the table (6, size, size, size) of a scene: colours, and their slope by brightness."""
        changed, slope = self.finished(lattice(SCENE_NODES, parameters.device), parameters)
        table = torch.cat([changed, slope], 1).T.reshape(6, *3 * [SCENE_NODES])
        if is_exporting() or self.residual.weight:  # an exported graph has no branches; a weight of 0 adds nothing
            table = table + self._residual_table(parameters, statistics)
        return prefilter(table[None])[0] if self.prefilters else table

    def _residual_table(self, parameters: Tensor, statistics: Tensor) -> Tensor:
        """Return what the residual adds to the table of a scene."""
        nodes = lattice(self.residual_nodes, parameters.device)
        camera, _ = self.finished(nodes, parameters)
        changes = self.residual(nodes, camera, statistics[LOG_MEAN], self.regression.standardised(statistics[None])[0])
        coarse = changes.T.reshape(1, 6, *3 * [self.residual_nodes])
        return interpolate(coarse, size=3 * [SCENE_NODES], mode="trilinear", align_corners=True)[0]

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Look up each pixel in the table."""
        with torch.autocast(pixels.device.type, enabled=False):
            return self.output(self._encoded(pixels, scene, sample_grids([scene["brightness"]], window)))

    def _encoded(self, pixels: Tensor, scene: Scene, local: Tensor) -> Tensor:
        values = look_up(scene["table"], self.coordinates(pixels.float()))
        return values[:, :3] + local * values[:, 3:]

    def describe_std(self, scene: Scene) -> Scene:
        """Add the table of variances."""
        rows = zip(scene["parameters"], scene["spread"], strict=True)
        with torch.autocast(scene["table"].device.type, enabled=False):
            return Scene(**scene, variances=torch.stack([self.uncertainty.table(self, *row) for row in rows]))

    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Look up each pixel in the table of variances."""
        with torch.autocast(pixels.device.type, enabled=False):
            local = sample_grids([scene["brightness"]], window)
            variances = look_up(scene["variances"], self.coordinates(pixels.float()))
            return self.slope(self._encoded(pixels, scene, local)) * variance_at(variances, local, 1).sqrt()

    def exposure_std(self, image: Tensor, scene: Scene) -> Tensor:
        """Return the standard deviation of each shot's exposure."""
        with torch.autocast(image.device.type, enabled=False):
            rows = zip(thumbnail(image), scene["brightness"], scene["parameters"], scene["spread"], strict=True)
            return torch.stack([self.uncertainty.exposure_std(self, *row) for row in rows])
