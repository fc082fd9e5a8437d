"""Predicting a shot's parameters from statistics, with smoothness chosen by leaving out scenes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ispfit.backbones.parts.kernel_ridge import leave_groups_out
from ispfit.backbones.parts.scene_regression import SceneRegression


def shots(n_scenes: int, copies: int, seed: int = 0) -> tuple[torch.Tensor, np.ndarray, list[int]]:
    """Statistics of scenes, of which each has near copies; a parameter that follows them, and one that is noise."""
    rng = np.random.default_rng(seed)
    scenes = rng.normal(size=(n_scenes, 3))
    statistics = np.repeat(scenes, copies, axis=0) + 0.01 * rng.normal(size=(n_scenes * copies, 3))
    follows = np.sin(statistics[:, 0]) + 0.5 * statistics[:, 1]
    noise = np.repeat(rng.normal(size=n_scenes), copies)
    parameters = np.stack([follows, noise], 1)
    return torch.from_numpy(statistics).float(), parameters, np.repeat(np.arange(n_scenes), copies).tolist()


def test_leaving_a_group_out_is_fitting_to_the_others() -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
    kernel, noise = features @ features.T, 0.3
    smoother = np.linalg.solve(kernel + noise * np.eye(12), kernel).T
    members = [np.array([0, 5, 7]), np.array([1]), np.array([2, 3, 4, 6, 8, 9, 10, 11])]
    predicted = leave_groups_out(smoother, targets, members)
    for group in members:
        rest = np.setdiff1d(np.arange(12), group)
        coefficients = np.linalg.solve(kernel[np.ix_(rest, rest)] + noise * np.eye(len(rest)), targets[rest])
        np.testing.assert_allclose(predicted[group], kernel[np.ix_(group, rest)] @ coefficients, atol=1e-9)


def test_what_follows_the_scene_is_predicted_and_what_does_not_stays_at_its_mean() -> None:
    statistics, parameters, groups = shots(60, 1)
    regression = SceneRegression(3, 2, 100)
    regression.fit(statistics, parameters, groups)
    new, truth, _ = shots(60, 1, seed=1)
    predicted = regression(new).numpy()
    errors = (predicted - truth).std(0) / truth.std(0)
    assert errors[0] < 0.2
    assert predicted[:, 1].std() < 0.3 * parameters[:, 1].std()


def test_copies_of_a_scene_do_not_make_noise_predictable() -> None:
    statistics, parameters, groups = shots(20, 4)
    regression = SceneRegression(3, 2, 100)
    left_out = regression.fit(statistics, parameters, groups)
    assert regression.error[1] > 0.9 * parameters[:, 1].std()
    fooled = SceneRegression(3, 2, 100)
    fooled.fit(statistics, parameters, range(len(groups)))  # as if each copy were a scene of its own
    assert fooled.error[1] < 0.2 * parameters[:, 1].std()
    assert left_out.shape == parameters.shape


def test_the_error_is_that_of_new_scenes() -> None:
    statistics, parameters, groups = shots(80, 1)
    regression = SceneRegression(3, 2, 100)
    regression.fit(statistics, parameters, groups)
    new, truth, _ = shots(200, 1, seed=2)
    found = (regression(new).numpy() - truth).std(0)
    ratio = found / regression.error.numpy()
    assert ratio.min() > 0.4
    assert ratio.max() < 1.5


def test_doubt_halves_what_so_many_scenes_tell_of_all_but_the_gain() -> None:
    statistics, parameters, groups = shots(12, 2)
    parameters = parameters[:, [0, 0]]
    sure, doubtful = SceneRegression(3, 2, 100), SceneRegression(3, 2, 100, doubt=12.0)
    left_out = [each.fit(statistics, parameters, groups) - each.offset.numpy() for each in (sure, doubtful)]
    predicted = [(each(statistics) - each.offset).numpy() for each in (sure, doubtful)]
    for first, second in (left_out, predicted):
        assert np.abs(first[:, 1]).max() > 0.5
        np.testing.assert_allclose(second, first * [1, 0.5], atol=1e-5)


@pytest.mark.parametrize("n_shots", [1, 2, 3])
def test_a_few_shots_are_enough_not_to_fail(n_shots: int) -> None:
    statistics, parameters, groups = shots(n_shots, 1)
    regression = SceneRegression(3, 2, 10)
    regression.fit(statistics, parameters, groups)
    predicted = regression(statistics).numpy()
    assert np.isfinite(predicted).all()
    assert np.abs(predicted).max() <= np.abs(parameters).max() + 1


def test_an_unusual_scene_is_not_extrapolated_without_end() -> None:
    statistics, parameters, groups = shots(40, 1)
    regression = SceneRegression(3, 2, 100)
    regression.fit(statistics, parameters, groups)
    far, farther = (regression(torch.full((1, 3), value)) for value in (100.0, 1000.0))
    assert torch.equal(far, farther)
