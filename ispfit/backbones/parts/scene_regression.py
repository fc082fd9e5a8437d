"""Predict the parameters of a shot from the statistics of its scene, and know how well that works.

With 20 to 200 shots nothing protects a regression but the choice of its smoothness. It is chosen by leaving out whole
scenes: bursts and crops of one scene predict each other so well that any other choice fits them and nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ispfit.backbones.parts.kernel_ridge import LENGTHS, KernelRidges, kernel_ridges, leave_groups_out
from ispfit.backbones.parts.scene_statistics import METERED

__all__ = ["SceneRegression", "members_of"]

_Array = npt.NDArray[np.float64]

_ENOUGH_SCENES = 20  # to tell the trend of the gain; the fewer there are, the more the usual one counts
_MAX_DEVIATION = 4.0  # standard deviations to which statistics of an unusual scene are clipped
_MIN_SPREAD = 1e-6
_NOWHERE = 1e3  # statistics of the shots that are not there: far from any scene


class SceneRegression(nn.Module):
    """Kernel ridge regressions of several smoothness, averaged by how well each predicts scenes that were left out.

    Each parameter has its own average, and is shrunk towards its mean as far as the left-out scenes ask for: what
    cannot be predicted stays at its mean, in which each scene counts once. Of fewer than 20 scenes, half of the
    regressions of the gain start from the usual trend of automatic exposure.

    Parameters
    ----------
    n_statistics, n_parameters : numbers that describe a scene, numbers that are predicted from them.
    max_shots : largest number of shots that are remembered.
    gain_every : the first of so many parameters is a log gain; by default, the first of all.
    trends : usual slope of each log gain by the metered log brightness; by default 0.
    doubt : number of scenes of which the predictions of the other parameters, which are small and many, are worth half.
    """

    def __init__(
        self,
        n_statistics: int,
        n_parameters: int,
        max_shots: int,
        gain_every: int | None = None,
        trends: Sequence[float] = (),
        doubt: float = 0.0,
    ) -> None:
        super().__init__()
        self.gain_every, self.trends, self.doubt = gain_every or n_parameters, trends, doubt
        self.register_buffer("mean", torch.zeros(n_statistics))
        self.register_buffer("scale", torch.ones(n_statistics))
        self.register_buffer("shots", torch.full((max_shots, n_statistics), _NOWHERE))
        self.register_buffer("radial", torch.zeros(len(LENGTHS), max_shots, n_parameters))
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
        for length, weights in zip(LENGTHS, self.radial, strict=True):
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
        members = members_of(groups)
        offset = np.mean([parameters[group].mean(0) for group in members], 0)
        positions, deviations = position.double().numpy(), parameters - offset
        slopes, ridges = self._usual_slopes(len(members)), kernel_ridges(positions)
        trends = [positions @ each for each in slopes]
        smoothers = [each.smoothers() for each in ridges]
        left_out = np.concatenate(
            [leave_groups_out(each, deviations - trend, members) + trend for trend in trends for each in smoothers]
        )
        weights = _weights(((left_out - deviations) ** 2).mean(1), len(members))
        predicted = np.einsum("cnk,ck->nk", left_out, weights)
        shrinkage = _shrinkage(predicted, deviations)
        shrinkage[~self.is_gain] *= len(members) ** 2 / (len(members) ** 2 + self.doubt**2)
        shares = np.split(weights * shrinkage, len(slopes))
        self._set_coefficients(ridges, positions, [deviations - trend for trend in trends], slopes, shares)
        self.offset.copy_(torch.from_numpy(offset))
        self.error.copy_(torch.from_numpy(np.sqrt(((shrinkage * predicted - deviations) ** 2).mean(0))))
        return np.asarray(offset + shrinkage * predicted)

    def predict_folds(
        self, statistics: Tensor, parameters: _Array, groups: Sequence[Hashable], n_folds: int
    ) -> tuple[_Array, npt.NDArray[np.intp]]:
        """Deal the groups to folds, and predict all shots by regressions like this one that know nothing of a fold.

        What `fit` returns has chosen its smoothness by the shots that it predicts, and errs less than it will in new
        scenes. The shots of a fold are unknown in every respect to the regression of the other folds.

        Parameters
        ----------
        statistics, parameters, groups : (N, D), (N, K) and the N scenes, see `fit`.
        n_folds : F, of which some remain empty if there are fewer groups.

        Returns
        -------
        predicted : (F, N, K). Row f was fitted without fold f; its predictions of shots of the other folds leave out
            the group of the shot. Means of all parameters if no group is left.
        folds : (N,), the fold of each shot.
        """
        members = members_of(groups)
        folds = _deal_folds(members, n_folds)
        predicted = np.tile(parameters.mean(0), (n_folds, len(parameters), 1))
        for fold in range(n_folds if len(members) > 1 else 0):
            known, unknown = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            fresh = SceneRegression(
                statistics.shape[1], parameters.shape[1], len(known), self.gain_every, self.trends, self.doubt
            )
            predicted[fold, known] = fresh.fit(statistics[known], parameters[known], [groups[int(n)] for n in known])
            predicted[fold, unknown] = fresh(statistics[unknown]).double().numpy()
        return predicted, folds

    def distance(self, statistics: Tensor) -> Tensor:
        """Return how far scenes with these statistics (N, D) are from the nearest shot of the fit, (N,).

        The unit is the root mean square, over the statistics, of their differences in standard deviations.
        """
        return _distances(self.standardised(statistics), self.shots).amin(1)

    def distance_left_out(self, statistics: Tensor, groups: Sequence[Hashable]) -> Tensor:
        """Return the distance (N,) of each shot of the fit from the nearest shot of another group."""
        position = self.standardised(statistics)
        between = _distances(position, position)
        for members in members_of(groups):
            between[members[:, None], members] = torch.inf
        return between.amin(1)

    def standardised(self, statistics: Tensor) -> Tensor:
        """Return statistics (N, D) in standard deviations from their mean, clipped."""
        return ((statistics - self.mean) / self.scale).clamp(-_MAX_DEVIATION, _MAX_DEVIATION)

    @property
    def gain_errors(self) -> Tensor:
        """The errors (K,) of the log gains, and 0 for all other parameters."""
        return self.error * torch.from_numpy(self.is_gain)

    @property
    def is_gain(self) -> npt.NDArray[np.bool_]:
        """Which of the parameters are log gains, (K,)."""
        return np.asarray(np.arange(len(self.offset)) % self.gain_every == 0)

    def _usual_slopes(self, n_groups: int) -> list[_Array]:
        """Return slopes (D, K) of the parameters by standardised statistics to start from: none, and the usual ones."""
        slopes = np.zeros((len(self.mean), len(self.offset)))
        share = max(0.0, 1 - n_groups / _ENOUGH_SCENES)
        if not share or not any(self.trends):
            return [slopes]
        usual = slopes.copy()
        scale = self.scale[METERED].double().numpy()
        usual[np.array(METERED)[:, None], self.is_gain.nonzero()[0]] = (
            np.outer(scale, self.trends) * share / len(METERED)
        )
        return [slopes, usual]

    def _set_coefficients(
        self,
        ridges: Sequence[KernelRidges],
        positions: _Array,
        rests: Sequence[_Array],
        slopes: Sequence[_Array],
        weights: Sequence[_Array],
    ) -> None:
        """Add up the coefficients of all regressions, weighted (C, K), for what each of the slopes leaves."""
        radial = np.zeros((len(LENGTHS), *rests[0].shape))
        linear = np.zeros_like(slopes[0])
        sizes = np.cumsum([len(each.noises) for each in ridges])[:-1]
        for rest, slope, shares in zip(rests, slopes, weights, strict=True):
            linear += slope * shares.sum(0)
            for each, share in zip(ridges, np.split(shares, sizes), strict=True):
                coefficients = each.coefficients(rest, share)
                linear += each.linear_weight * positions.T @ coefficients / len(linear)
                if each.length is not None:
                    radial[each.length] += coefficients
        self.radial.zero_()
        self.radial[:, : len(rests[0])] = torch.from_numpy(radial)
        self.linear.copy_(torch.from_numpy(linear))


def members_of(groups: Sequence[Hashable]) -> list[npt.NDArray[np.intp]]:
    """Return the indices of each group."""
    number = {group: index for index, group in enumerate(dict.fromkeys(groups))}
    labels = np.array([number[group] for group in groups])
    return [np.flatnonzero(labels == index) for index in range(len(number))]


def _deal_folds(members: Sequence[npt.NDArray[np.intp]], n_folds: int) -> npt.NDArray[np.intp]:
    """Return the fold (N,) of each shot, given the shots of each group; the same groups are always dealt alike."""
    folds = np.empty(sum(map(len, members)), np.intp)
    for place, index in enumerate(np.random.default_rng(0).permutation(len(members))):
        folds[members[index]] = place % n_folds
    return folds


def _distances(positions: Tensor, others: Tensor) -> Tensor:
    """Return root mean square differences (N, M)."""
    return torch.cdist(positions, others).div(positions.shape[1] ** 0.5)


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
