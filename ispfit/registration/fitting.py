"""Robust fit of a `LensTransform` to local shifts, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.registration.geometry import LensTransform, Points
from ispfit.registration.matching import Matches

__all__ = ["Fit", "fit_lens"]

_Array: TypeAlias = npt.NDArray[Any]

# Standard deviations of what is believed before any match is seen. JPEGs are resized to whole numbers of pixels,
# hence the anisotropy; no camera shears.
_ANISOTROPY, _SHEAR = 0.002, 0.0005
_K1 = _K2 = 0.05
_POLE = 0.1  # of the half diagonal: the srgb may be an uneven crop

_STEPS = 12
_TUNING = 3.0  # typical distances beyond which a match is discarded
_RAYLEIGH_MEDIAN = 1.18  # of the length of a two-dimensional standard normal vector
_FOLDS, _BLOCK = 12, 48  # matches within a block of so many pixels share their errors, and are left out together


@dataclass(frozen=True)
class Fit:
    """A transform and the equations it solves, with the parameters offset (2), matrix (4), k1, k2, pole (2).

    Parameters
    ----------
    transform : fitted map.
    points : (n, 2) of the matches, pixels of the srgb.
    weights : (n,) in [0, 1]; 0 = discarded.
    normals, pulls : (n, 10, 10) and (n, 10): what each match adds to the normal equations.
    prior : (10, 10) what the priors add.
    """

    transform: LensTransform
    points: Points
    weights: _Array
    normals: _Array
    pulls: _Array
    prior: _Array

    def expected_error(self, points: Points) -> float:
        """Expected error of the map, rms over `points` (n, 2), in pixels of the srgb.

        The sum of two variances. One follows from the matches' own uncertainties and the priors: it is large where
        a part of the image has no detail. The other is the delete-a-group jackknife (B. Efron, "The Jackknife, the
        Bootstrap and Other Resampling Plans", 1982) over spatial blocks, each predicted without its own matches:
        it is large where the matches contradict each other or the model.
        """
        if not len(points):
            return float("inf")
        slope = _jacobian(self.transform, points)
        normal = self.normals.sum(0) + self.prior
        own = np.einsum("nij,nij->", slope @ np.linalg.inv(normal), slope)
        column, row = np.floor(self.points / _BLOCK).astype(int).T
        folds = (5 * column + 7 * row) % _FOLDS
        without = [
            np.linalg.solve(normal - self.normals[folds == fold].sum(0), self.pulls[folds == fold].sum(0))
            for fold in range(_FOLDS)
        ]
        moved = slope @ (np.array(without) - np.mean(without, 0)).T
        variance = own + (moved**2).sum() * (_FOLDS - 1) / _FOLDS
        return float(np.sqrt(variance / len(points))) / self.transform.scale


def fit_lens(start: LensTransform, matches: Matches) -> Fit:
    """Fit the map that takes ``points`` of the srgb to where `start` takes ``points + shifts``.

    Gauss-Newton, reweighted by Tukey's biweight of the Mahalanobis distance; its scale is the median distance, and the
    cut shrinks step by step so that the start need not be near.
    """
    target = start(matches.points + matches.shifts)
    # Information is per pixel of the srgb, residuals are in pixels of the raw.
    root = np.linalg.cholesky(matches.information / start.scale**2).swapaxes(1, 2)
    transform = start
    for step in range(_STEPS):
        error = root @ (target - transform(matches.points))[..., None]
        distance = np.sqrt((error**2).sum((1, 2)))
        spread = max(float(np.median(distance)) / _RAYLEIGH_MEDIAN, 1e-3)
        cut = _TUNING * spread * max(1.0, 3.0 - step / 2)
        weights = np.clip(1 - (distance / cut) ** 2, 0, None) ** 2
        slope = root @ _jacobian(transform, matches.points)
        # Shifts that agree better than they promised are not believed to be that good everywhere.
        weighted = (slope * (weights / max(spread, 1.0) ** 2)[:, None, None]).swapaxes(1, 2)
        normals, pulls = weighted @ slope, (weighted @ error)[..., 0]
        prior, pull = _prior(transform)
        fit = Fit(transform, matches.points, weights, normals, pulls, prior)
        transform = _moved(transform, np.linalg.solve(normals.sum(0) + prior, pulls.sum(0) + pull))
    return replace(fit, transform=transform)


def _jacobian(lens: LensTransform, points: Points) -> _Array:
    """(n, 2, 10) derivative of the raw points by the parameters."""
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
    """Information (10, 10) of the priors, and their pull on the parameters (10,)."""
    size = np.sqrt(abs(np.linalg.det(lens.matrix)))
    rows = np.zeros((6, 10))
    rows[0, [2, 5]] = np.array([1, -1]) / (size * _ANISOTROPY)
    rows[1, [3, 4]] = 1 / (size * _SHEAR)
    rows[[2, 3, 4, 5], [6, 7, 8, 9]] = 1 / np.array([_K1, _K2, _POLE, _POLE])
    return rows.T @ rows, -rows.T @ (rows @ _parameters(lens))


def _parameters(lens: LensTransform) -> _Array:
    return np.concatenate([lens.offset, lens.matrix.ravel(), [lens.k1, lens.k2], lens.pole])


def _moved(lens: LensTransform, by: _Array) -> LensTransform:
    value = _parameters(lens) + by
    k1, k2 = value[6:8].tolist()
    return replace(lens, offset=value[:2], matrix=value[2:6].reshape(2, 2), k1=k1, k2=k2, pole=value[8:])
