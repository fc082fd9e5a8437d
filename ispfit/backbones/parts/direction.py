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

from ispfit.backbones.parts.color_model import ParametricNetwork
from ispfit.backbones.parts.color_table import lattice
from ispfit.backbones.parts.finishing import fit_coefficients
from ispfit.backbones.parts.residual import MIN_SCENES, N_FOLDS, ResidualShots
from ispfit.backbones.parts.scene_regression import predict_folds
from ispfit.backbones.parts.scene_statistics import LOG_MEAN
from ispfit.backbones.parts.scene_tables import CAMERA_NODES, SCENE_NODES, SceneTables
from ispfit.backbones.parts.shot_samples import ShotSamples
from ispfit.backbones.parts.uncertainty import LeftOutShots

__all__ = ["Direction", "LearnedShots"]

_UNCERTAINTY_COLORS = 500  # of a shot, from which the uncertainty is estimated

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

    def shot_gains(self, camera: ParametricNetwork, raws: ShotSamples, srgbs: ShotSamples, log_gains: _Array) -> _Array:
        """Return the log gains (N,) of the direction by those of raw."""
        raise NotImplementedError

    def set_camera(self, camera: ParametricNetwork, n_nodes: int = CAMERA_NODES) -> None:
        """Compute the table of the camera, with `n_nodes` per side."""
        self.camera = self.camera_colors(camera, lattice(n_nodes)).T.reshape(3, *3 * [n_nodes])

    def learn(
        self, inputs: ShotSamples, targets: ShotSamples, log_gains: _Array, groups: Sequence[Hashable]
    ) -> LearnedShots:
        """Fit the coefficients of each shot, and the regression of gains and coefficients on statistics of the inputs.

        Parameters
        ----------
        inputs, targets : samples of N shots.
        log_gains : (N,).
        groups : the scene of each shot.
        """
        statistics, maps = self.sample_statistics(inputs), self.brightness(inputs.thumbnails)
        brightness = _at_samples(maps, inputs)
        parameters = self._fit_shots(inputs, targets, log_gains, brightness)
        if len(set(groups)) == 1:
            parameters[:] = 0  # a single scene is what the camera is fitted to; it does not tell how others differ
        left_out = self.regression.fit(statistics, parameters, groups)
        return LearnedShots(statistics, maps, brightness, parameters, left_out)

    def predict(self, inputs: ShotSamples) -> Tensor:
        """Predict the parameters (N, K) of shots."""
        predicted: Tensor = self.regression(self.sample_statistics(inputs))
        return predicted

    def errors(self, inputs: ShotSamples, targets: ShotSamples, parameters: Tensor) -> Tensor:
        """Return the mean squared error (N,) of each shot, rendered with parameters (N, K)."""
        nodes = self.coordinates(torch.from_numpy(inputs.colors).float())
        colors, slope = self.finished(nodes, parameters)
        local = _at_samples(self.brightness(inputs.thumbnails), inputs)
        outputs = self.output(colors + local[..., None] * slope).clamp(0, 1)
        return (outputs - torch.from_numpy(targets.colors).float()).square().mean((1, 2))

    def fit(
        self,
        inputs: ShotSamples,
        targets: ShotSamples,
        log_gains: _Array,
        groups: Sequence[Hashable],
        residual: bool | Literal["auto"] = "auto",
    ) -> None:
        """Fit everything but the camera: what `learn` does, the residual and the uncertainty.

        Parameters
        ----------
        inputs, targets, log_gains, groups : see `learn`.
        residual : whether a network for the rest is used; "auto" uses it if it helps in scenes that were held out.
        """
        learned = self.learn(inputs, targets, log_gains, groups)
        predicted, folds = predict_folds(
            learned.statistics, learned.parameters, groups, N_FOLDS, self.regression.trend, self.regression.doubt
        )
        rest = ResidualShots(
            inputs=self.coordinates(torch.from_numpy(inputs.colors).float()),
            targets=self.encoded(torch.from_numpy(targets.colors).float()),
            brightness=learned.brightness,
            statistics=self.regression.standardised(learned.statistics),
            keys=learned.statistics[:, LOG_MEAN],
            parameters=torch.from_numpy(predicted).float(),
            folds=torch.from_numpy(folds),
            gain_error=float(self.regression.error[0]),
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


def _at_samples(maps: Tensor, inputs: ShotSamples) -> Tensor:
    """Interpolate maps (N, 1, 16, 16) at the positions of the samples, (N, n)."""
    places = inputs.positions[:, None]
    found: Tensor = grid_sample(maps, places, mode="bilinear", padding_mode="border", align_corners=False)
    return found[:, 0, 0]
