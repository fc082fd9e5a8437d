"""The parameters of `ISPModel` and of its backbone: stored, cloned, nested, searched."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from toys import LeastSquares, Line, Restless, quick, toy_pairs

from ispfit import ISPModel, inverse_psnr_scorer, psnr_scorer
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.backbones.mlp import MLP
from ispfit.errors import InputError, UnknownBackboneError


@pytest.fixture(scope="module")
def fitted() -> ISPModel:
    return quick().fit(*toy_pairs())


def test_the_parameters_are_these_and_no_more() -> None:
    assert list(ISPModel().get_params(deep=False)) == [
        *("backbone", "batch_size", "budget", "device", "direction", "learning_rate", "max_steps", "precision"),
        *("random_state", "validation_fraction", "verbose", "warm_start", "window_size", "windows_per_image"),
    ]


def test_the_constructor_only_stores() -> None:
    odd = {name: object() for name in ISPModel().get_params(deep=False)}
    model = ISPModel(odd.pop("backbone"), **odd)  # type: ignore[arg-type]
    assert all(getattr(model, name) is value for name, value in odd.items())


def test_a_clone_has_the_parameters_and_nothing_fitted(fitted: ISPModel) -> None:
    copy = clone(fitted)
    assert repr(copy) == repr(fitted)
    assert copy.backbone is not fitted.backbone
    assert not hasattr(copy, "networks_")


def test_parameters_of_the_backbone_are_seen_through_its_name_and_through_an_object() -> None:
    assert ISPModel("histpyramid").get_params()["backbone__bins"] == 6
    assert ISPModel(HistPyramid(bins=4)).get_params()["backbone__bins"] == 4
    assert "backbone__bins" not in ISPModel("mlp").get_params()
    assert "backbone__bins" not in ISPModel().get_params(deep=False)


def test_parameters_of_the_backbone_are_set_through_its_name_and_through_an_object() -> None:
    named, given = ISPModel("histpyramid"), ISPModel(HistPyramid(channels=5))
    for model in (named, given):
        assert model.set_params(backbone__bins=4) is model
        assert isinstance(model.backbone, HistPyramid)
        assert model.backbone.bins == 4
    assert given.backbone.channels == 5  # type: ignore[union-attr]


def test_backbone_and_its_parameters_are_set_in_one_call_in_any_order() -> None:
    model = ISPModel("histpyramid").set_params(backbone__hidden=7, max_steps=3, backbone="mlp")
    assert isinstance(model.backbone, MLP)
    assert (model.backbone.hidden, model.max_steps) == (7, 3)


def test_a_name_stays_a_name_where_nothing_of_it_is_set() -> None:
    assert ISPModel("mlp").set_params(max_steps=3, backbone="histpyramid").backbone == "histpyramid"


@pytest.mark.parametrize("parameters", [{"steps": 3}, {"backbone__bin": 3}])
def test_an_unknown_parameter_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Invalid parameter"):
        ISPModel("histpyramid").set_params(**parameters)


def test_an_unknown_backbone_is_told_with_the_closest() -> None:
    with pytest.raises(UnknownBackboneError, match=r"'histpyramide'; installed are .*Did you mean 'histpyramid'\?"):
        ISPModel("histpyramide").fit(*toy_pairs())


@pytest.mark.parametrize("backbone", [3, None, MLP])
def test_a_backbone_is_a_name_or_an_object(backbone: Any) -> None:
    with pytest.raises(InputError, match=r"backbone: expected a name or a Backbone object, got "):
        quick().set_params(backbone=backbone).fit(*toy_pairs())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"direction": "sideways"}, "direction: expected 'both', 'forward' or 'inverse', got 'sideways'."),
        ({"max_steps": -1}, "max_steps: expected a whole number >= 0, got -1."),
        ({"learning_rate": 0}, "learning_rate: expected a number > 0, got 0."),
        ({"batch_size": 2.5}, "batch_size: expected a whole number >= 1, got 2.5."),
        ({"random_state": -1}, "random_state: expected a whole number >= 0, got -1."),
        ({"device": "toaster"}, "device: 'toaster' cannot be used here"),
        ({"precision": "fp8"}, "precision: expected 'auto', 'fp32', 'bf16' or 'fp16', got 'fp8'."),
    ],
)
def test_an_impossible_parameter_is_named_by_fit(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        quick(**parameters).fit(*toy_pairs())


# Search


def search(grid: Any, **options: Any) -> GridSearchCV:
    return GridSearchCV(quick(max_steps=2), grid, cv=2, error_score="raise", **options).fit(*toy_pairs(4, 12))


@pytest.mark.parametrize(
    "grid",
    [
        {"backbone": ["mlp", "histpyramid"]},
        {"backbone": ["mlp", Line(), Restless()]},
        {"backbone": ["mlp"], "backbone__hidden": [3, 4, 5]},
        {"backbone": [HistPyramid(channels=3)], "backbone__bins": [4, 6]},
        {"backbone__hidden": [3, 4]},
        {"learning_rate": [1e-3, 1e-2], "batch_size": np.array([1, 2])},
        [
            {"backbone": ["histpyramid"], "backbone__bins": [2, 3], "backbone__channels": [4]},
            {"backbone": ["mlp"], "backbone__hidden": [3]},
        ],
    ],
)
def test_a_grid_search_runs_over_backbones_and_their_parameters(grid: Any) -> None:
    found = search(grid)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    best = found.best_estimator_
    for name, value in found.best_params_.items():
        if name != "backbone":
            assert best.get_params()[name] == value
    assert len(found.predict(toy_pairs(1)[0])) == 1


def test_a_search_finds_the_better_backbone() -> None:
    assert isinstance(search({"backbone": [Line(), LeastSquares()]}).best_params_["backbone"], LeastSquares)


def test_cross_validation_scores_both_directions() -> None:
    scorers = {"forward": psnr_scorer, "inverse": inverse_psnr_scorer}
    scores = cross_validate(quick(LeastSquares()), *toy_pairs(4, 12), cv=2, scoring=scorers, error_score="raise")
    assert (scores["test_forward"] > 60).all()
    assert (scores["test_inverse"] > 20).all()
