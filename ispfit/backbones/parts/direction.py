"""Fit one direction of a camera that follows the scene: the numbers of each shot, and what a scene tells of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ispfit.backbones.parts.blend import blend_weights
from ispfit.backbones.parts.color_model import ParametricNetwork
from ispfit.backbones.parts.color_table import lattice
from ispfit.backbones.parts.finishing import fit_coefficients
from ispfit.backbones.parts.residual import MIN_SCENES, N_FOLDS, ResidualShots
from ispfit.backbones.parts.scene_statistics import LOG_MEAN
from ispfit.backbones.parts.scene_tables import SCENE_NODES, SceneTables
from ispfit.backbones.parts.shot_colors import colors_by_camera
from ispfit.backbones.parts.shot_samples import ShotSamples
from ispfit.backbones.parts.uncertainty import LeftOutShots

__all__ = ["Direction", "LearnedShots"]

_BLEND_COLORS, _UNCERTAINTY_COLORS = 700, 500  # of a shot, by which cameras are weighted and errors estimated

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LearnedShots:
    """What a direction knows of the N shots that it was fitted to.

    Parameters
    ----------
    statistics : (N, D).
    maps : (N, 1, 16, 16), brightness of the neighbourhoods.
    brightness : (N, n), of the neighbourhoods of the samples.
    parameters : (N, K), gains and coefficients that were fitted to each shot.
    left_out : (N, K), those that are predicted from shots of other scenes.
    """

    statistics: Tensor
    maps: Tensor
    brightness: Tensor
    parameters: _Array
    left_out: _Array


class Direction(SceneTables):
    """One direction of a camera, which is fitted to samples of shots; the subclasses say how colours are encoded."""

    def encoded(self, target: Tensor) -> Tensor:
        """Encode target colours."""
        raise NotImplementedError

    def camera_colors(self, camera: ParametricNetwork, nodes: Tensor) -> Tensor:
        """Map the nodes (n, 3) of the camera's table by the camera; the result is encoded."""
        raise NotImplementedError

    def sides(self, raws: ShotSamples, srgbs: ShotSamples) -> tuple[ShotSamples, ShotSamples]:
        """Return inputs and targets."""
        raise NotImplementedError

    def sample_statistics(self, inputs: ShotSamples) -> Tensor:
        """Describe shots as `statistics` does, from what is known of the samples."""
        raise NotImplementedError

    def shot_gains(self, raws: ShotSamples, srgbs: ShotSamples, log_gains: _Array) -> _Array:
        """Return the log gains (N, C) of the direction, by camera, by those of raw (N,)."""
        raise NotImplementedError

    def set_cameras(self, cameras: Sequence[ParametricNetwork]) -> None:
        """Compute the tables of C cameras."""
        nodes, shape = lattice(self.camera_nodes), (3, *3 * [self.camera_nodes])
        self.cameras.copy_(torch.stack([self.camera_colors(each, nodes).T.reshape(shape) for each in cameras]))

    def learn(
        self, inputs: ShotSamples, targets: ShotSamples, log_gains: _Array, groups: Sequence[Hashable]
    ) -> LearnedShots:
        """Fit the coefficients of each shot, and the regression of gains and coefficients on statistics of the inputs.

        Parameters
        ----------
        inputs, targets : samples of N shots.
        log_gains : (N, C), by camera.
        groups : the scene of each shot.
        """
        statistics, maps = self.sample_statistics(inputs), self.brightness(inputs.thumbnails)
        parameters = self.fit_shots(inputs, targets, log_gains)
        if len(set(groups)) == 1:
            parameters[:] = 0  # a single scene is what the camera is fitted to; it does not tell how others differ
        left_out = self.regression.fit(statistics, parameters, groups)
        return LearnedShots(statistics, maps, _at_samples(maps, inputs), parameters, left_out)

    def predict(self, inputs: ShotSamples) -> Tensor:
        """Predict the parameters (N, K) of shots."""
        predicted: Tensor = self.regression(self.sample_statistics(inputs))
        return predicted

    def error_products(self, inputs: ShotSamples, targets: ShotSamples, parameters: Tensor) -> _Array:
        """Return the mean products (N, C, C) of the errors of two cameras in each shot, at parameters (N, K)."""
        inputs, targets = inputs.first(_BLEND_COLORS), targets.first(_BLEND_COLORS)
        nodes = self.coordinates(torch.from_numpy(inputs.colors).float())
        target = self.encoded(torch.from_numpy(targets.colors).float())[:, None]
        colors, slope = colors_by_camera(self, nodes, parameters)
        local = _at_samples(self.brightness(inputs.thumbnails), inputs)
        encoded = (colors + local[:, None, :, None] * slope).clamp(0, 1)
        errors = ((encoded - target) * self.slope(target)).flatten(2).double()
        return np.asarray((errors @ errors.mT / errors.shape[2]).numpy())

    def fit(
        self,
        inputs: ShotSamples,
        targets: ShotSamples,
        log_gains: _Array,
        groups: Sequence[Hashable],
        residual: bool | Literal["auto"] = "auto",
    ) -> None:
        """Fit everything but the cameras: what `learn` does, their weights, the residual and the uncertainty.

        Parameters
        ----------
        inputs, targets, log_gains, groups : see `learn`.
        residual : whether a network for the rest is used; "auto" uses it if it helps in scenes that were held out.
        """
        learned = self.learn(inputs, targets, log_gains, groups)
        products = self.error_products(inputs, targets, torch.from_numpy(learned.left_out).float())
        self.weights.copy_(torch.from_numpy(blend_weights(products, groups)))
        predicted, folds = self.regression.predict_folds(learned.statistics, learned.parameters, groups, N_FOLDS)
        rest = ResidualShots(
            inputs=self.coordinates(torch.from_numpy(inputs.colors).float()),
            targets=self.encoded(torch.from_numpy(targets.colors).float()),
            brightness=learned.brightness,
            statistics=self.regression.standardised(learned.statistics),
            keys=learned.statistics[:, LOG_MEAN],
            parameters=torch.from_numpy(predicted).float(),
            folds=torch.from_numpy(folds),
            gain_errors=self.regression.gain_errors,
        )
        self.residual.weight.zero_()
        if residual and len(set(groups)) >= MIN_SCENES:
            self.residual.fit(self, rest, required=residual is True)
        self._fit_uncertainty(inputs, targets, learned, rest, groups)

    def _fit_uncertainty(
        self,
        inputs: ShotSamples,
        targets: ShotSamples,
        learned: LearnedShots,
        rest: ResidualShots,
        groups: Sequence[Hashable],
    ) -> None:
        """Measure the errors that are left in scenes which neither the regression nor the residual has seen."""
        few, n_shots = slice(_UNCERTAINTY_COLORS), len(groups)
        changes = [self.residual.held_out_changes(self, rest, shot)[few] for shot in range(n_shots)]
        shots = LeftOutShots(
            inputs=torch.from_numpy(inputs.colors[:, few]).float(),
            targets=torch.from_numpy(targets.colors[:, few]).float(),
            brightness=rest.brightness[:, few],
            thumbnails=inputs.thumbnails,
            maps=learned.maps,
            parameters=torch.from_numpy(learned.parameters).float(),
            left_out=rest.parameters[rest.folds, torch.arange(n_shots)],
            changes=torch.stack(changes),
            excess=self.residual.held_out_excess,
            distances=self.regression.distance_left_out(learned.statistics, groups),
            n_scenes=len(set(groups)),
            table_nodes=SCENE_NODES,
        )
        self.uncertainty.fit(self, shots)

    def fit_shots(self, inputs: ShotSamples, targets: ShotSamples, log_gains: _Array) -> _Array:
        """Fit the coefficients of each shot at its gains (N, C), and return its parameters (N, K)."""
        local = _at_samples(self.brightness(inputs.thumbnails), inputs)
        nodes, gains = self.coordinates(torch.from_numpy(inputs.colors).float()), torch.from_numpy(log_gains)
        encoded = self.encoded(torch.from_numpy(targets.colors).float())
        rows = []
        for place, gain, target, brightness in zip(nodes, gains, encoded, local, strict=True):
            for log_gain, colors in zip(gain, self.base(place, gain.float()), strict=True):
                coefficients = fit_coefficients(colors, target - colors, brightness, self.slope(colors))
                rows.append(torch.cat([log_gain[None], coefficients]))
        return torch.stack(rows).view(len(nodes), -1).numpy()


def _at_samples(maps: Tensor, inputs: ShotSamples) -> Tensor:
    """Interpolate maps (N, 1, 16, 16) at the positions of the samples, (N, n)."""
    places = inputs.positions[:, None]
    found: Tensor = grid_sample(maps, places, mode="bilinear", padding_mode="border", align_corners=False)
    return found[:, 0, 0]
