"""Predict the parameters of a shot from the statistics of its scene, and know how well that works.

With 20 to 200 shots nothing protects a regression but the choice of its smoothness. It is chosen by leaving out whole
scenes: bursts and crops of one scene predict each other so well that any other choice fits them and nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ispfit.backbones.parts.scene_statistics import METERED

__all__ = ["SceneRegression", "leave_groups_out", "predict_folds"]

_Array = npt.NDArray[np.float64]

_LENGTHS = (0.5, 1.0, 2.0, 4.0)  # of the radial kernels, in standard deviations per statistic
_LINEAR_WEIGHTS = (0.0, 0.1, 1.0)  # of a linear kernel beside a radial one
_NOISES = tuple(10.0**power for power in np.linspace(-2.5, 1.5, 9))
_RIDGES = tuple(10.0**power for power in np.linspace(-2.5, 2.5, 11))  # of a linear kernel alone
_ENOUGH_SCENES = 20  # to learn the trend of the gain from the shots alone; the fewer, the more the usual one counts
_MAX_DEVIATION = 4.0  # standard deviations to which statistics of an unusual scene are clipped
_MIN_SPREAD = 1e-6
_NOWHERE = 1e3  # statistics of the shots that are not there: far from any scene


@dataclass(frozen=True)
class _Candidate:
    """Kernel ridge regression with the kernel ``radial(length) + linear_weight * linear``."""

    length: int | None  # index into `_LENGTHS`; None for no radial kernel
    linear_weight: float
    noise: float


class SceneRegression(nn.Module):
    """Kernel ridge regressions of several smoothness, averaged by how well each predicts scenes that were left out.

    Each parameter has its own average, and is shrunk towards its mean as far as the left-out scenes ask for: what
    cannot be predicted stays at its mean, in which each scene counts once. Of fewer than 20 scenes, half of the
    regressions of the gain start from the usual trend of automatic exposure.

    Parameters
    ----------
    n_statistics, n_parameters : numbers that describe a scene, numbers that are predicted from them.
    max_shots : largest number of shots that are remembered.
    trend : usual slope of the first parameter, the log gain, by the metered log brightness.
    """

    def __init__(self, n_statistics: int, n_parameters: int, max_shots: int, trend: float = 0.0) -> None:
        super().__init__()
        self.trend = trend
        self.register_buffer("mean", torch.zeros(n_statistics))
        self.register_buffer("scale", torch.ones(n_statistics))
        self.register_buffer("shots", torch.full((max_shots, n_statistics), _NOWHERE))
        self.register_buffer("radial", torch.zeros(len(_LENGTHS), max_shots, n_parameters))
        self.register_buffer("linear", torch.zeros(n_statistics, n_parameters))
        self.register_buffer("offset", torch.zeros(n_parameters))
        self.register_buffer("error", torch.zeros(n_parameters))

    mean: Tensor
    scale: Tensor
    shots: Tensor
    radial: Tensor
    linear: Tensor
    offset: Tensor
    error: Tensor
    """Standard deviation of the error of each parameter in scenes that were left out."""

    def forward(self, statistics: Tensor) -> Tensor:
        """Predict the parameters (N, K) of scenes with these statistics (N, D)."""
        position = self.standardised(statistics)
        squared = _distances(position, self.shots).square()
        predicted = self.offset + position @ self.linear
        for length, weights in zip(_LENGTHS, self.radial, strict=True):
            predicted = predicted + (-squared / (2 * length**2)).exp() @ weights
        return predicted

    def fit(self, statistics: Tensor, parameters: _Array, groups: Sequence[Hashable]) -> _Array:
        """Fit, and return the prediction (N, K) of each shot from the shots of other groups.

        Parameters
        ----------
        statistics : (N, D) of at most `max_shots` shots.
        parameters : (N, K), what is to be predicted.
        groups : the scene of each shot.
        """
        self.mean.copy_(statistics.mean(0))
        self.scale.copy_(statistics.std(0, correction=0).clamp(min=_MIN_SPREAD))
        position = self.standardised(statistics)
        self.shots.fill_(_NOWHERE)
        self.shots[: len(position)] = position
        members = _members(groups)
        offset = np.mean([parameters[group].mean(0) for group in members], 0)
        kernels, deviations = _Kernels(position.double().numpy()), parameters - offset
        slopes = self._usual_slopes(len(members))
        trends = [kernels.positions @ each for each in slopes]
        smoothers = [kernels.smoother(each) for each in _candidates()]
        left_out = np.stack(
            [leave_groups_out(each, deviations - trend, members) + trend for trend in trends for each in smoothers]
        )
        weights = _weights(((left_out - deviations) ** 2).mean(1), len(members))
        predicted = np.einsum("cnk,ck->nk", left_out, weights)
        shrinkage = _shrinkage(predicted, deviations)
        shares = (weights * shrinkage).reshape(len(slopes), len(smoothers), -1)
        self._set_coefficients(kernels, [deviations - trend for trend in trends], slopes, shares)
        self.offset.copy_(torch.from_numpy(offset))
        self.error.copy_(torch.from_numpy(np.sqrt(((shrinkage * predicted - deviations) ** 2).mean(0))))
        return np.asarray(offset + shrinkage * predicted)

    def distance(self, statistics: Tensor) -> Tensor:
        """Return how far scenes with these statistics (N, D) are from the nearest shot of the fit, (N,).

        The unit is the root mean square, over the statistics, of their differences in standard deviations.
        """
        return _distances(self.standardised(statistics), self.shots).amin(1)

    def distance_left_out(self, statistics: Tensor, groups: Sequence[Hashable]) -> Tensor:
        """Return the distance (N,) of each shot of the fit from the nearest shot of another group."""
        position = self.standardised(statistics)
        between = _distances(position, position)
        for members in _members(groups):
            between[members[:, None], members] = torch.inf
        return between.amin(1)

    def standardised(self, statistics: Tensor) -> Tensor:
        """Return statistics (N, D) in standard deviations from their mean, clipped."""
        return ((statistics - self.mean) / self.scale).clamp(-_MAX_DEVIATION, _MAX_DEVIATION)

    def _usual_slopes(self, n_groups: int) -> list[_Array]:
        """Return slopes (D, K) of the parameters by standardised statistics to start from: none, and the usual ones."""
        slopes = np.zeros((len(self.mean), len(self.offset)))
        share = max(0.0, 1 - n_groups / _ENOUGH_SCENES)
        if not self.trend * share:
            return [slopes]
        usual = slopes.copy()
        scale = self.scale[METERED].double().numpy()
        usual[METERED, 0] = self.trend * share * scale / len(METERED)
        return [slopes, usual]

    def _set_coefficients(
        self, kernels: _Kernels, rests: Sequence[_Array], slopes: Sequence[_Array], weights: _Array
    ) -> None:
        """Add up the coefficients of all candidates, weighted (S, C, K), for what each of the slopes leaves."""
        radial = np.zeros((len(_LENGTHS), *rests[0].shape))
        linear = np.zeros_like(slopes[0])
        for rest, slope, shares in zip(rests, slopes, weights, strict=True):
            linear += slope * shares.sum(0)
            for candidate, weight in zip(_candidates(), shares, strict=True):
                coefficients = weight * kernels.solve(candidate, rest)
                linear += candidate.linear_weight * kernels.positions.T @ coefficients / len(linear)
                if candidate.length is not None:
                    radial[candidate.length] += coefficients
        self.radial.zero_()
        self.radial[:, : len(rests[0])] = torch.from_numpy(radial)
        self.linear.copy_(torch.from_numpy(linear))


class _Kernels:
    """The kernel matrices of the shots at `positions` (N, D), computed once for all candidates."""

    def __init__(self, positions: _Array) -> None:
        self.positions = positions
        self.linear = positions @ positions.T / positions.shape[1]
        squared = ((positions[:, None] - positions) ** 2).mean(2)
        self.radial = [np.exp(-squared / (2 * length**2)) for length in _LENGTHS]

    def matrix(self, candidate: _Candidate) -> _Array:
        radial = 0.0 if candidate.length is None else self.radial[candidate.length]
        return np.asarray(radial + candidate.linear_weight * self.linear)

    def smoother(self, candidate: _Candidate) -> _Array:
        """Return the matrix (N, N) that makes predictions of targets."""
        matrix = self.matrix(candidate)
        return np.asarray(np.linalg.solve(matrix + candidate.noise * np.eye(len(matrix)), matrix).T)

    def solve(self, candidate: _Candidate, targets: _Array) -> _Array:
        """Return the coefficients (N, K) of the kernel functions."""
        matrix = self.matrix(candidate)
        return np.asarray(np.linalg.solve(matrix + candidate.noise * np.eye(len(matrix)), targets))


def _candidates() -> Iterator[_Candidate]:
    for index in range(len(_LENGTHS)):
        for weight in _LINEAR_WEIGHTS:
            yield from (_Candidate(index, weight, noise) for noise in _NOISES)
    yield from (_Candidate(None, 1.0, ridge) for ridge in _RIDGES)


def _members(groups: Sequence[Hashable]) -> list[npt.NDArray[np.intp]]:
    """Return the indices of each group."""
    number = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    labels = np.array([number[group] for group in groups])
    return [np.flatnonzero(labels == index) for index in range(len(number))]


def _distances(positions: Tensor, others: Tensor) -> Tensor:
    """Return root mean square differences (N, M)."""
    return torch.cdist(positions, others).div(positions.shape[1] ** 0.5)


def leave_groups_out(smoother: _Array, targets: _Array, members: Sequence[npt.NDArray[np.intp]]) -> _Array:
    """Return what a linear smoother predicts for each group if it is fitted to the others.

    For kernel ridge regression this needs no second fit: with the residuals r of the whole fit and the block S_gg of
    the smoother, the residuals of the group that is left out are ``(I - S_gg)^-1 r_g``.

    Parameters
    ----------
    smoother : (N, N), predictions = smoother @ targets.
    targets : (N, K).
    members : indices of each group.
    """
    residuals, predicted = targets - smoother @ targets, np.empty_like(targets)
    for group in members:
        block = np.eye(len(group)) - smoother[np.ix_(group, group)]
        predicted[group] = targets[group] - np.linalg.solve(block, residuals[group])
    return predicted


def predict_folds(
    statistics: Tensor, parameters: _Array, groups: Sequence[Hashable], n_folds: int, trend: float = 0.0
) -> tuple[_Array, npt.NDArray[np.intp]]:
    """Deal the groups to folds, and predict all shots by regressions that know nothing of a fold.

    What `SceneRegression.fit` returns has chosen its smoothness by the shots that it predicts, and errs less than it
    will in new scenes. The shots of a fold are unknown in every respect to the regression of the other folds.

    Parameters
    ----------
    statistics, parameters, groups : (N, D), (N, K) and the N scenes, see `SceneRegression.fit`.
    trend : see `SceneRegression`.
    n_folds : F, of which some remain empty if there are fewer groups.

    Returns
    -------
    predicted : (F, N, K). Row f was fitted without fold f; its predictions of shots of the other folds leave out the
        group of the shot. Means of all parameters if no group is left.
    folds : (N,), the fold of each shot.
    """
    members = _members(groups)
    order = np.random.default_rng(0).permutation(len(members))
    folds = np.empty(len(parameters), np.intp)
    for place, index in enumerate(order):
        folds[members[index]] = place % n_folds
    predicted = np.tile(parameters.mean(0), (n_folds, len(parameters), 1))
    for fold in range(n_folds if len(members) > 1 else 0):
        known, unknown = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        regression = SceneRegression(statistics.shape[1], parameters.shape[1], len(known), trend)
        left_out = regression.fit(statistics[known], parameters[known], [groups[int(index)] for index in known])
        predicted[fold, known], predicted[fold, unknown] = left_out, regression(statistics[unknown]).double().numpy()
    return predicted, folds


def _weights(errors: _Array, n_groups: int) -> _Array:
    """Return the weights (C, K) of the candidates by their mean squared errors (C, K).

    They are likelihoods of Gaussian errors of unknown variance.
    """
    floored = errors.clip(1e-30)
    weights = (floored / floored.min(0)) ** (-0.5 * n_groups)
    return np.asarray(weights / weights.sum(0))


def _shrinkage(predicted: _Array, deviations: _Array) -> _Array:
    """Return the factors (K,) in [0, 1] by which predictions fit best."""
    return np.asarray(((predicted * deviations).sum(0) / ((predicted**2).sum(0) + 1e-30)).clip(0, 1))
