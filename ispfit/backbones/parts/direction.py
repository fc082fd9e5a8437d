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
from ispfit.backbones.parts.shot_colors import colors_by_map
from ispfit.backbones.parts.shot_samples import ShotSamples
from ispfit.backbones.parts.uncertainty import LeftOutShots

__all__ = ["Direction", "EncodedShots"]

_BLEND_COLORS, _UNCERTAINTY_COLORS = 700, 500  # of a shot, by which maps are weighted and errors estimated

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EncodedShots:
    """What a direction sees of N shots, n samples of each.

    Parameters
    ----------
    nodes : (N, n, 3), inputs in the coordinates of the tables of a scene.
    targets : (N, n, 3), encoded.
    brightness : (N, n), of the neighbourhoods of the samples.
    brightness_maps : (N, 1, 16, 16), log brightness of the neighbourhoods relative to that of the image.
    statistics : (N, D).
    """

    nodes: Tensor
    targets: Tensor
    brightness: Tensor
    brightness_maps: Tensor
    statistics: Tensor


class Direction(SceneTables):
    """One direction of a camera, which is fitted to samples of shots; the subclasses say how colours are encoded."""

    def encoded(self, target: Tensor) -> Tensor:
        """Encode target colours."""
        raise NotImplementedError

    def colors_of_map(self, color_map: ParametricNetwork, nodes: Tensor) -> Tensor:
        """Return what a map makes of the nodes (n, 3) of its table, encoded."""
        raise NotImplementedError

    def sides(self, raws: ShotSamples, srgbs: ShotSamples) -> tuple[ShotSamples, ShotSamples]:
        """Return inputs and targets."""
        raise NotImplementedError

    def sample_statistics(self, inputs: ShotSamples) -> Tensor:
        """Describe shots as `statistics` does, from what is known of the samples."""
        raise NotImplementedError

    def shot_gains(self, raws: ShotSamples, srgbs: ShotSamples, log_gains: _Array) -> _Array:
        """Return the log gains (N, C) of this direction, one per map, given those of the raws (N,)."""
        raise NotImplementedError

    def set_color_maps(self, color_maps: Sequence[ParametricNetwork]) -> None:
        """Compute the tables of C maps of colours."""
        nodes, shape = lattice(self.map_nodes), (3, *3 * [self.map_nodes])
        self.color_maps.copy_(torch.stack([self.colors_of_map(each, nodes).T.reshape(shape) for each in color_maps]))

    def encode_shots(self, inputs: ShotSamples, targets: ShotSamples) -> EncodedShots:
        """Encode samples of shots."""
        brightness_maps = self.brightness(inputs.thumbnails)
        return EncodedShots(
            nodes=self.coordinates(torch.from_numpy(inputs.colors).float()),
            targets=self.encoded(torch.from_numpy(targets.colors).float()),
            brightness=_at_samples(brightness_maps, inputs),
            brightness_maps=brightness_maps,
            statistics=self.sample_statistics(inputs),
        )

    def fit_shots(self, shots: EncodedShots, log_gains: _Array) -> _Array:
        """Fit the coefficients of each shot at its gains (N, C), and return its parameters (N, K)."""
        rows = []
        gains = torch.from_numpy(log_gains)
        for nodes, gain, target, local in zip(shots.nodes, gains, shots.targets, shots.brightness, strict=True):
            for log_gain, colors in zip(gain, self.base(nodes, gain.float()), strict=True):
                coefficients = fit_coefficients(colors, target - colors, local, self.slope(colors))
                rows.append(torch.cat([log_gain[None], coefficients]))
        return torch.stack(rows).view(len(gains), -1).numpy()

    def predict(self, inputs: ShotSamples) -> Tensor:
        """Predict the parameters (N, K) of shots."""
        predicted: Tensor = self.regression(self.sample_statistics(inputs))
        return predicted

    def fit(
        self,
        inputs: ShotSamples,
        targets: ShotSamples,
        log_gains: _Array,
        groups: Sequence[Hashable],
        residual: bool | Literal["auto"] = "auto",
    ) -> None:
        """Fit everything but the maps of colours.

        These are the coefficients of each shot, the regression of gains and coefficients on statistics of the inputs,
        the weights of the maps, the residual and the uncertainty.

        Parameters
        ----------
        inputs, targets : samples of N shots.
        log_gains : (N, C), of each map.
        groups : the scene of each shot.
        residual : whether a network for the rest is used; "auto" uses it if it helps in scenes that were held out.
        """
        shots = self.encode_shots(inputs, targets)
        parameters = self.fit_shots(shots, log_gains)
        if len(set(groups)) == 1:
            parameters[:] = 0  # a single scene is what the maps are fitted to; it does not tell how others differ
        left_out = self.regression.fit(shots.statistics, parameters, groups)
        self.weights.copy_(torch.from_numpy(blend_weights(self._error_products(shots, left_out), groups)))
        rest = self._fit_residual(shots, parameters, groups, residual)
        self.uncertainty.fit(self, self._left_out_shots(inputs, targets, shots, parameters, groups, rest))

    def _fit_residual(
        self, shots: EncodedShots, parameters: _Array, groups: Sequence[Hashable], residual: bool | Literal["auto"]
    ) -> ResidualShots:
        """Fit the residual, if it is wanted and scenes suffice, and return what it was fitted to."""
        predicted, folds = self.regression.predict_folds(shots.statistics, parameters, groups, N_FOLDS)
        rest = ResidualShots(
            inputs=shots.nodes,
            targets=shots.targets,
            brightness=shots.brightness,
            statistics=self.regression.standardised(shots.statistics),
            keys=shots.statistics[:, LOG_MEAN],
            parameters=torch.from_numpy(predicted).float(),
            folds=torch.from_numpy(folds),
            gain_errors=self.regression.gain_errors,
            n_scenes=len(set(groups)),
        )
        self.residual.weight.zero_()
        if residual and rest.n_scenes >= MIN_SCENES:
            self.residual.fit(self, rest, required=residual is True)
        return rest

    def _left_out_shots(
        self,
        inputs: ShotSamples,
        targets: ShotSamples,
        shots: EncodedShots,
        parameters: _Array,
        groups: Sequence[Hashable],
        rest: ResidualShots,
    ) -> LeftOutShots:
        """Return what the uncertainty is fitted to: a few colours of each shot, predicted from other scenes."""
        few, n_shots = slice(_UNCERTAINTY_COLORS), len(groups)
        changes = [self.residual.held_out_changes(self, rest, shot)[few] for shot in range(n_shots)]
        return LeftOutShots(
            inputs=torch.from_numpy(inputs.colors[:, few]).float(),
            targets=torch.from_numpy(targets.colors[:, few]).float(),
            brightness=shots.brightness[:, few],
            thumbnails=inputs.thumbnails,
            brightness_maps=shots.brightness_maps,
            parameters=torch.from_numpy(parameters).float(),
            left_out=rest.parameters[rest.folds, torch.arange(n_shots)],
            changes=torch.stack(changes),
            excess=self.residual.held_out_excess,
            distances=self.regression.distance_left_out(shots.statistics, groups),
            n_scenes=rest.n_scenes,
            table_nodes=SCENE_NODES,
        )

    def _error_products(self, shots: EncodedShots, parameters: _Array) -> _Array:
        """Return the mean products (N, C, C) of the errors of two maps in each shot, at parameters (N, K).

        The error of the output is that of the encoded colour, clamped, times the slope at the target.
        """
        few = slice(_BLEND_COLORS)
        targets = shots.targets[:, None, few]
        colors, slope = colors_by_map(self, shots.nodes[:, few], torch.from_numpy(parameters).float())
        encoded = (colors + shots.brightness[:, None, few, None] * slope).clamp(0, 1)
        errors = ((encoded - targets) * self.slope(targets)).flatten(2).double()
        return np.asarray((errors @ errors.mT / errors.shape[2]).numpy())


def _at_samples(brightness_maps: Tensor, inputs: ShotSamples) -> Tensor:
    """Interpolate the brightness of neighbourhoods (N, 1, 16, 16) at the positions of the samples, (N, n)."""
    places = inputs.positions[:, None]
    found: Tensor = grid_sample(brightness_maps, places, mode="bilinear", padding_mode="border", align_corners=False)
    return found[:, 0, 0]
