"""Robust fit of a `LensTransform` to local shifts, and its expected error.

Points and shifts are pixels of the finest level (see `pyramid`): `points` of its srgb, residuals of its raw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.registration.geometry import LensTransform, Points
from ispfit.registration.matching import Matches

__all__ = ["Fit", "fit_lens"]

_Array: TypeAlias = npt.NDArray[Any]

# Standard deviations of the priors. A JPEG is resized to whole pixels, hence the anisotropy; no camera shears.
_ANISOTROPY_STD, _SHEAR_STD = 0.002, 0.0005  # relative to the scale
_K1_STD = _K2_STD = 0.05
_POLE_STD = 0.1  # of the half diagonal: the srgb may be an uneven crop

_GAUSS_NEWTON_STEPS = 12
_OUTLIER_DISTANCE = 3.0  # standard deviations from which a match is discarded
_RAYLEIGH_MEDIAN = 1.18  # of the length of a two-dimensional standard normal vector
_N_FOLDS = 12
_BLOCK_PX = 48  # matches within a block share their errors and are left out together


@dataclass(frozen=True)
class Fit:
    """A transform and its normal equations in the ten parameters offset (2), matrix (4), k1, k2, pole (2).

    Parameters
    ----------
    transform : fitted map.
    points : (n, 2) points of the matches, pixels of the srgb.
    weights : (n,) in [0, 1]; 0 = discarded.
    normals : (n, 10, 10) normal matrix of each match.
    right_sides : (n, 10) right side of the normal equations of each match.
    prior : (10, 10) normal matrix of the priors.
    """

    transform: LensTransform
    points: Points
    weights: _Array
    normals: _Array
    right_sides: _Array
    prior: _Array

    def expected_error(self, points: Points) -> float:
        """Return the expected error of the map, rms over `points` (n, 2), in pixels of the srgb.

        Its square is the sum of two variances. One follows from the uncertainties of the matches and from the priors:
        it is large if a part of the image has no detail. The other is the delete-a-group jackknife (B. Efron, "The
        Jackknife, the Bootstrap and Other Resampling Plans", 1982) over groups of blocks of the image: it is large if
        the matches contradict each other or the model.
        """
        if not len(points):
            return float("inf")
        slope = _jacobian(self.transform, points)
        normal = self.normals.sum(0) + self.prior
        propagated = np.einsum("nij,nij->", slope @ np.linalg.inv(normal), slope)
        column, row = np.floor(self.points / _BLOCK_PX).astype(int).T
        folds = (column - row) % _N_FOLDS  # diagonals: each crosses the image, none leaves a corner without matches
        changes = [
            np.linalg.solve(normal - self.normals[folds == fold].sum(0), self.right_sides[folds == fold].sum(0))
            for fold in range(_N_FOLDS)
        ]
        moved = slope @ (np.array(changes) - np.mean(changes, 0)).T
        variance = propagated + (moved**2).sum() * (_N_FOLDS - 1) / _N_FOLDS
        return float(np.sqrt(variance / len(points))) / self.transform.scale


def fit_lens(start: LensTransform, matches: Matches) -> Fit:
    """Fit the map that takes ``points`` of the srgb to where `start` takes ``points + shifts``.

    Gauss-Newton steps, reweighted by Tukey's biweight of the Mahalanobis distance. The unit of that distance is its
    median. The distance from which matches are discarded shrinks step by step, so that `start` need not be near.
    """
    target = start(matches.points + matches.shifts)
    # The information of the matches is per squared pixel of the srgb, the residuals are in pixels of the raw.
    root = np.linalg.cholesky(matches.information / start.scale**2).swapaxes(1, 2)
    transform = start
    for step in range(_GAUSS_NEWTON_STEPS):
        error = root @ (target - transform(matches.points))[..., None]
        distance = np.sqrt((error**2).sum((1, 2)))
        spread = max(float(np.median(distance)) / _RAYLEIGH_MEDIAN, 1e-3)
        cut = _OUTLIER_DISTANCE * spread * max(1.0, 3.0 - step / 2)
        weights = np.clip(1 - (distance / cut) ** 2, 0, None) ** 2
        slope = root @ _jacobian(transform, matches.points)
        # A spread above 1 lowers the information; one below 1 does not raise it, as it may be luck.
        weighted = (slope * (weights / max(spread, 1.0) ** 2)[:, None, None]).swapaxes(1, 2)
        normals, right_sides = weighted @ slope, (weighted @ error)[..., 0]
        prior, prior_right_side = _prior(transform)
        fit = Fit(transform, matches.points, weights, normals, right_sides, prior)
        change = np.linalg.solve(normals.sum(0) + prior, right_sides.sum(0) + prior_right_side)
        transform = _changed(transform, change)
    return replace(fit, transform=transform)


def _jacobian(lens: LensTransform, points: Points) -> _Array:
    """Derivative (n, 2, 10) of the raw points by the parameters."""
    ray = (points - lens.centre) / lens.radius - lens.pole
    square = (ray**2).sum(1)
    factor = 1 + square * (lens.k1 + square * lens.k2)
    bent = lens.pole + ray * factor[:, None]
    slope = np.zeros((len(points), 2, 10))
    slope[:, 0, 0] = slope[:, 1, 1] = 1
    slope[:, 0, 2:4] = slope[:, 1, 4:6] = bent
    slope[:, :, 6] = (ray * square[:, None]) @ lens.matrix.T
    slope[:, :, 7] = (ray * square[:, None] ** 2) @ lens.matrix.T
    stretch = (2 * lens.k1 + 4 * square * lens.k2)[:, None, None] * ray[:, :, None] * ray[:, None, :]
    slope[:, :, 8:] = lens.matrix @ ((1 - factor)[:, None, None] * np.eye(2) - stretch)
    return slope


def _prior(lens: LensTransform) -> tuple[_Array, _Array]:
    """Normal matrix (10, 10) and right side (10,) of the priors."""
    size = np.sqrt(abs(np.linalg.det(lens.matrix)))
    rows = np.zeros((6, 10))
    rows[0, [2, 5]] = np.array([1, -1]) / (size * _ANISOTROPY_STD)
    rows[1, [3, 4]] = 1 / (size * _SHEAR_STD)
    rows[[2, 3, 4, 5], [6, 7, 8, 9]] = 1 / np.array([_K1_STD, _K2_STD, _POLE_STD, _POLE_STD])
    return rows.T @ rows, -rows.T @ (rows @ _parameters(lens))


def _parameters(lens: LensTransform) -> _Array:
    return np.concatenate([lens.offset, lens.matrix.ravel(), [lens.k1, lens.k2], lens.pole])


def _changed(lens: LensTransform, change: _Array) -> LensTransform:
    value = _parameters(lens) + change
    k1, k2 = value[6:8].tolist()
    return replace(lens, offset=value[:2], matrix=value[2:6].reshape(2, 2), k1=k1, k2=k2, pole=value[8:])
