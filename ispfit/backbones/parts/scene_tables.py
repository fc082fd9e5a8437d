"""One direction of a camera that follows the scene: statistics of an image in, its table of colours out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.compiler import is_exporting
from torch.nn.functional import grid_sample, interpolate

from ispfit.backbone import Scene, ScenePart, Window
from ispfit.backbones.parts.color_table import lattice, look_up
from ispfit.backbones.parts.finishing import N_COEFFICIENTS, finish, fit_coefficients
from ispfit.backbones.parts.residual import MIN_SCENES, N_FOLDS, Residual, ResidualShots
from ispfit.backbones.parts.scene_regression import SceneRegression, predict_folds
from ispfit.backbones.parts.scene_statistics import (
    CHROMINANCE,
    LOG_MEAN,
    LUMINANCE,
    N_STATISTICS,
    clipped_shares,
    thumbnail,
)
from ispfit.backbones.parts.shot_samples import ShotSamples
from ispfit.backbones.parts.uncertainty import LeftOutShots, Uncertainty, variance_at

__all__ = ["CAMERA_NODES", "Direction"]

CAMERA_NODES = 65
"""Nodes per side of the table of a camera."""

_SCENE_NODES = 33  # per side of the table of a scene, whose nodes are among those of the camera
_UNCERTAINTY_COLORS = 500  # of a shot, from which the uncertainty is estimated

_Array = npt.NDArray[np.float64]


class Direction(nn.Module):
    """Statistics of an image in, its table of colours out; the subclasses say how colours are encoded.

    Parameters
    ----------
    n_statistics : numbers that describe a scene.
    """

    camera: Tensor
    residual_nodes = _SCENE_NODES  # per side of what the residual adds
    trend = 0.0  # usual slope of the log gain by the metered log brightness

    def __init__(self, n_statistics: int, max_shots: int) -> None:
        super().__init__()
        self.register_buffer("camera", torch.zeros(3, CAMERA_NODES, CAMERA_NODES, CAMERA_NODES))
        self.regression = SceneRegression(n_statistics, 1 + N_COEFFICIENTS, max_shots, self.trend)
        self.residual = Residual(n_statistics)
        self.uncertainty = Uncertainty(1 + N_COEFFICIENTS)

    def statistics(self, small: Tensor, clipped: Tensor) -> Tensor:
        """Describe images by their thumbnails and shares of clipped pixels."""
        raise NotImplementedError

    def brightness(self, small: Tensor) -> Tensor:
        """Return the brightness (N, 1, 16, 16) of the neighbourhoods."""
        raise NotImplementedError

    def coordinates(self, pixels: Tensor) -> Tensor:
        """Return where inputs lie in a scene's table."""
        raise NotImplementedError

    def base(self, nodes: Tensor, log_gain: Tensor) -> Tensor:
        """Map the nodes (..., n, 3) of a scene's table by the camera at a gain (...); the result is encoded."""
        raise NotImplementedError

    def encoded(self, target: Tensor) -> Tensor:
        """Encode target colours."""
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

    def set_camera(self, values: Tensor) -> None:
        """Set the camera's map at the nodes of its table."""
        self.camera.copy_(values.T.reshape(self.camera.shape))

    def look_up_camera(self, colors: Tensor) -> Tensor:
        """Map colours (..., 3) in the coordinates of the camera's table."""
        found = look_up(self.camera[None], colors.reshape(-1, 3).T[None, :, None])
        return found[0, :, 0].T.reshape(colors.shape)

    def finished(self, nodes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Return encoded colours (..., n, 3) of nodes, and their slope by brightness, at parameters (..., K)."""
        return finish(self.base(nodes, parameters[..., 0]), parameters[..., 1:])

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
        changed, slope = self.finished(lattice(_SCENE_NODES, parameters.device), parameters)
        table = torch.cat([changed, slope], 1).T.reshape(6, *3 * [_SCENE_NODES])
        if is_exporting() or self.residual.weight:  # an exported graph has no branches; a weight of 0 adds nothing
            table = table + self._residual_table(parameters, statistics)
        return table

    def _residual_table(self, parameters: Tensor, statistics: Tensor) -> Tensor:
        """Return what the residual adds to the table of a scene."""
        nodes = lattice(self.residual_nodes, parameters.device)
        camera, _ = self.finished(nodes, parameters)
        changes = self.residual(nodes, camera, statistics[LOG_MEAN], self.regression.standardised(statistics[None])[0])
        coarse = changes.T.reshape(1, 6, *3 * [self.residual_nodes])
        return interpolate(coarse, size=3 * [_SCENE_NODES], mode="trilinear", align_corners=True)[0]

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Look up each pixel in the table."""
        with torch.autocast(pixels.device.type, enabled=False):
            return self.output(self._encoded(pixels, scene, _local(scene, window)))

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
            local = _local(scene, window)
            variances = look_up(scene["variances"], self.coordinates(pixels.float()))
            return self.slope(self._encoded(pixels, scene, local)) * variance_at(variances, local, 1).sqrt()

    def exposure_std(self, image: Tensor, scene: Scene) -> Tensor:
        """Return the standard deviation of each shot's exposure."""
        with torch.autocast(image.device.type, enabled=False):
            rows = zip(thumbnail(image), scene["brightness"], scene["parameters"], scene["spread"], strict=True)
            return torch.stack([self.uncertainty.exposure_std(self, *row) for row in rows])

    def fit(
        self,
        inputs: ShotSamples,
        targets: ShotSamples,
        log_gains: _Array,
        groups: Sequence[Hashable],
        residual: bool | Literal["auto"] = "auto",
    ) -> None:
        """Fit the coefficients of each shot, and predict them and the gains from the statistics of the inputs.

        Parameters
        ----------
        inputs, targets : samples of N shots.
        log_gains : (N,).
        groups : the scene of each shot.
        residual : whether a network for the rest is used; "auto" uses it if it helps in scenes that were held out.
        """
        maps, statistics = self.brightness(inputs.thumbnails), self.statistics(inputs.thumbnails, inputs.clipped)
        local = _at(maps, inputs.positions[:, None])[:, 0, 0]
        parameters = self._fit_shots(inputs, targets, log_gains, local)
        if len(set(groups)) == 1:
            parameters[:] = 0  # a single scene is what the camera is fitted to; it does not tell how others differ
        self.regression.fit(statistics, parameters, groups)
        predicted, folds = predict_folds(statistics, parameters, groups, N_FOLDS, self.regression.trend)
        rest = ResidualShots(
            inputs=self.coordinates(torch.from_numpy(inputs.colors).float()),
            targets=self.encoded(torch.from_numpy(targets.colors).float()),
            brightness=local,
            statistics=self.regression.standardised(statistics),
            keys=statistics[:, LOG_MEAN],
            parameters=torch.from_numpy(predicted).float(),
            folds=torch.from_numpy(folds),
            gain_error=float(self.regression.error[0]),
        )
        self.residual.weight.zero_()
        if residual and len(set(groups)) >= MIN_SCENES:
            self.residual.fit(self, rest, required=residual is True)
        self._fit_uncertainty(inputs, targets, maps, torch.from_numpy(parameters).float(), rest, groups)

    def _fit_uncertainty(
        self,
        inputs: ShotSamples,
        targets: ShotSamples,
        maps: Tensor,
        parameters: Tensor,
        rest: ResidualShots,
        groups: Sequence[Hashable],
    ) -> None:
        """Measure the errors that are left in scenes which neither the regression nor the residual has seen."""
        few, n_shots = slice(_UNCERTAINTY_COLORS), len(parameters)
        changes = [self.residual.held_out_changes(self, rest, shot)[few] for shot in range(n_shots)]
        shots = LeftOutShots(
            inputs=torch.from_numpy(inputs.colors[:, few]).float(),
            targets=torch.from_numpy(targets.colors[:, few]).float(),
            brightness=rest.brightness[:, few],
            thumbnails=inputs.thumbnails,
            maps=maps,
            parameters=parameters,
            left_out=rest.parameters[rest.folds, torch.arange(n_shots)],
            changes=torch.stack(changes),
            excess=self.residual.held_out_excess,
            distances=self.regression.distance_left_out(self.statistics(inputs.thumbnails, inputs.clipped), groups),
            n_scenes=len(set(groups)),
            table_nodes=_SCENE_NODES,
        )
        self.uncertainty.fit(self, shots)

    def _fit_shots(self, inputs: ShotSamples, targets: ShotSamples, log_gains: _Array, local: Tensor) -> _Array:
        """Return the gains and fitted coefficients (N, K) of the shots."""
        coefficients = [
            fit_coefficients(colors, self.encoded(target) - colors, brightness, self.slope(colors))
            for colors, target, brightness in zip(
                self._bases(inputs.colors, log_gains), torch.from_numpy(targets.colors).float(), local, strict=True
            )
        ]
        return np.concatenate([log_gains[:, None], torch.stack(coefficients).numpy()], 1)

    def _bases(self, inputs: _Array, log_gains: _Array) -> list[Tensor]:
        """Map colours (N, n, 3) by the camera at their shots' gains."""
        colors, gains = torch.from_numpy(inputs).float(), torch.from_numpy(log_gains).float()
        return [self.base(self.coordinates(each), gain) for each, gain in zip(colors, gains, strict=True)]


def _local(scene: Scene, window: Window) -> Tensor:
    """Return the brightness (N, 1, h, w) of the neighbourhood of each pixel."""
    maps = scene["brightness"]
    rows = _weights(window.top, window.height, window.image_height, maps.shape[2])
    columns = _weights(window.left, window.width, window.image_width, maps.shape[3])
    return rows[:, None] @ maps @ columns[:, None].mT


def _weights(start: Tensor, length: int, image_length: Tensor, n_cells: int) -> Tensor:
    """Return the weights (N, length, cells) of bilinear interpolation along one axis; see `_at`."""
    pixels = start[:, None] + torch.arange(length, device=start.device)
    places = ((pixels + 0.5) / image_length[:, None] * n_cells - 0.5).clamp(0, n_cells - 1)
    distance = places[..., None] - torch.arange(n_cells, device=start.device)
    return (1 - distance.abs()).clamp(min=0)


def _at(brightness: Tensor, places: Tensor) -> Tensor:
    """Interpolate maps (N, 1, 16, 16) at places (N, h, w, 2), x and y from -1 to 1: (N, 1, h, w)."""
    found: Tensor = grid_sample(brightness, places, mode="bilinear", padding_mode="border", align_corners=False)
    return found
