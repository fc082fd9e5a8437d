"""What cameras make of scenes that they have not seen."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from ispfit.backbones.parts.direction import Direction
from ispfit.backbones.parts.exposure import COARSE_POINTS, fit_cameras
from ispfit.backbones.parts.scene_regression import ENOUGH_SCENES, deal_folds, members_of
from ispfit.backbones.parts.shot_samples import ShotSamples

__all__ = ["unseen_products"]

_Array = npt.NDArray[np.float64]

_NODES = 33  # per side of the table of a camera that is tried
_COLORS_PER_SHOT = 700
_N_FOLDS = 5


def unseen_products(
    directions: Sequence[Direction],
    raws: ShotSamples,
    srgbs: ShotSamples,
    log_gains: _Array,
    groups: Sequence[Hashable],
    control_points: int,
) -> list[list[_Array]]:
    """Return the products of errors, for `blend_weights`, of cameras that have not seen the scene, for each direction.

    Of 20 scenes and more, a camera that has seen a scene errs there as it does in others: the lists are empty. The
    directions are left fitted to some of the shots.

    Parameters
    ----------
    raws, srgbs : samples of N shots.
    log_gains : (N,), their gains.
    groups : the scene of each shot.
    control_points : of the maps, see `Parametric`.
    """
    scenes = members_of(groups)
    if not 1 < len(scenes) < ENOUGH_SCENES:
        return [[] for _ in directions]
    raws, srgbs = raws.first(_COLORS_PER_SHOT), srgbs.first(_COLORS_PER_SHOT)
    products = [np.empty((len(groups), len(each.weights), len(each.weights))) for each in directions]
    folds = deal_folds(scenes, _N_FOLDS)
    for fold in np.unique(folds):
        known, new = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        seen = raws.of(known), srgbs.of(known)
        colors = seen[0].colors, seen[1].colors
        cameras = fit_cameras(*colors, log_gains[known], min(control_points, COARSE_POINTS))
        for direction, found in zip(directions, products, strict=True):
            direction.set_cameras(cameras, _NODES)
            gains = direction.shot_gains(*seen, log_gains[known])
            direction.learn(*direction.sides(*seen), gains, [groups[int(n)] for n in known])
            inputs, targets = direction.sides(raws.of(new), srgbs.of(new))
            found[new] = direction.error_products(inputs, targets, direction.predict(inputs))
    return [[each] for each in products]
