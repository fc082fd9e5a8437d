"""How much of the gains is divided out before a map of colours is fitted, chosen by scenes that are left out."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from ispfit.backbones.parts.direction import Direction
from ispfit.backbones.parts.exposure import COARSE_POINTS, fit_camera
from ispfit.backbones.parts.scene_regression import ENOUGH_SCENES, deal_folds, members_of
from ispfit.backbones.parts.shot_samples import ShotSamples

__all__ = ["choose_gain_shares"]

_Array = npt.NDArray[np.float64]
_Indices = npt.NDArray[np.intp]

_SHARES = (0.0, 0.5, 0.75, 1.0)
_NODES = 33  # per side of the table of a camera that is tried
_COLORS_PER_SHOT, _MAX_COLORS = 700, 60_000
_N_FOLDS = 5
_LEAST_ERROR = 1e-6  # added to the mean squared error of a shot before the logarithm


def choose_gain_shares(
    directions: Sequence[Direction],
    raws: ShotSamples,
    srgbs: ShotSamples,
    log_gains: _Array,
    groups: Sequence[Hashable],
    control_points: int,
) -> list[float]:
    """Choose for each direction how much of the gains is divided out before its map of colours is fitted.

    With a share of 1, the map is fitted to shots at equal exposures. It is right if the camera does nothing but
    multiply. With 0, it is fitted to the shots as they are, and is what is best if nothing is known of the scene. Each
    share of a few is tried on scenes that the regression has not seen; of fewer than 20 scenes, on scenes that the map
    has not seen either, as well. The shares are averaged, weighted by their errors to the power of minus the number of
    scenes. The directions are left fitted to some of the shots.

    Parameters
    ----------
    raws, srgbs : samples of N shots.
    log_gains : (N,), their gains.
    groups : the scene of each shot.
    control_points : of the map, see `Parametric`.
    """
    n_colors = max(1, min(_COLORS_PER_SHOT, _MAX_COLORS // len(groups)))
    shots = _Shots(raws.first(n_colors), srgbs.first(n_colors), log_gains, groups)
    losses = np.array([shots.losses(directions, share, min(control_points, COARSE_POINTS)) for share in _SHARES])
    weights = np.exp(len(shots.scenes) * (losses.min(0) - losses))
    return [float(each) for each in np.asarray(_SHARES) @ (weights / weights.sum(0))]


class _Shots:
    """The shots, on which shares of the gains are tried."""

    def __init__(self, raws: ShotSamples, srgbs: ShotSamples, log_gains: _Array, groups: Sequence[Hashable]) -> None:
        self.raws, self.srgbs, self.log_gains, self.groups = raws, srgbs, log_gains, groups
        self.scenes = members_of(groups)
        self.folds = list(self._deal()) if len(self.scenes) < ENOUGH_SCENES else []

    def losses(self, directions: Sequence[Direction], share: float, control_points: int) -> _Array:
        """Return the mean log squared error of each direction over the scenes."""
        whole = self._errors(directions, share, control_points, np.arange(len(self.groups)), None)
        errors = np.empty_like(whole)
        for known, new in self.folds:
            errors[:, new] = self._errors(directions, share, control_points, known, new)
        logs = np.log(np.array([whole, errors] if self.folds else [whole]) + _LEAST_ERROR).mean(0)
        return np.asarray(np.mean([logs[:, scene].mean(1) for scene in self.scenes], 0))

    def _deal(self) -> Iterator[tuple[_Indices, _Indices]]:
        """Yield for each fold of the scenes the shots that are fitted and those that are predicted."""
        folds = deal_folds(self.scenes, _N_FOLDS)
        for fold in np.unique(folds):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def _errors(
        self, directions: Sequence[Direction], share: float, control_points: int, known: _Indices, new: _Indices | None
    ) -> _Array:
        """Return the mean squared errors (directions, n) of the new shots; by default, of each known one left out."""
        raws, srgbs, log_gains = self.raws.of(known), self.srgbs.of(known), share * self.log_gains[known]
        camera = fit_camera(raws.colors, srgbs.colors, log_gains, control_points)
        errors = []
        for direction in directions:
            direction.set_camera(camera, _NODES)
            inputs, targets = direction.sides(raws, srgbs)
            gains = direction.shot_gains(camera, raws, srgbs, log_gains)
            left_out = direction.learn(inputs, targets, gains, [self.groups[n] for n in known]).left_out
            predicted = torch.from_numpy(left_out).float()
            if new is not None:
                inputs, targets = (side.of(new) for side in direction.sides(self.raws, self.srgbs))
                predicted = direction.predict(inputs)
            errors.append(direction.errors(inputs, targets, predicted).numpy())
        return np.array(errors, np.float64)
