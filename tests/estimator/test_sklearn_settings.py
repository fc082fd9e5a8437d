"""Settings and conventions of scikit-learn: tables as output, pandas Series, tags, parameters, types."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, get_type_hints

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from toys import LeastSquares, quick, toy_pairs

from ispfit import ISPModel, inverse_psnr_scorer, psnr_scorer
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.errors import InputError, PluginError, UnknownBackboneError
from ispfit.images import Image

# `polars` is not installed here, so that any table made of images would be an ImportError.
TABLES = ["pandas", "polars"]


@pytest.fixture(params=TABLES)
def _tables(request: pytest.FixtureRequest) -> Iterator[None]:
    with sklearn.config_context(transform_output=request.param):
        yield


@pytest.fixture(scope="module")
def fitted() -> ISPModel:
    return quick(LeastSquares()).fit(*toy_pairs())


def shuffled() -> tuple[pd.Series, pd.Series]:
    """Five pairs of growing brightness, whose labels run against their order."""
    rng = np.random.default_rng(0)
    X = [Image(level * rng.random((16, 16, 3), np.float32)) for level in (0.1, 0.3, 0.5, 0.7, 0.9)]
    labels = [4, 3, 2, 1, 0]
    return pd.Series(X, index=labels), pd.Series([Image(np.sqrt(raw)) for raw in X], index=labels)


# Tables as output: images are none


@pytest.mark.parametrize("backbone", ["curve", "parametric"])
@pytest.mark.parametrize("table", TABLES)
def test_a_fit_is_the_same_whatever_transformers_return(backbone: str, table: str) -> None:
    X, Y = toy_pairs(8)
    expected = ISPModel(backbone).fit(X, Y)
    with sklearn.config_context(transform_output=table):
        model = ISPModel(backbone).fit(X, Y)
        found = model.transform(X)
        assert isinstance(found, list)
        np.testing.assert_array_equal(model.psnr(X, Y), expected.psnr(X, Y))
    for one, other in zip(found, expected.transform(X), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("_tables")
def test_a_search_takes_the_backbone_that_it_takes_under_the_default_setting() -> None:
    grid = {"backbone": ["curve", "mlp"]}
    found = GridSearchCV(quick(), grid, cv=2, error_score="raise").fit(*toy_pairs(4))
    assert found.best_params_ == {"backbone": "curve"}
    assert found.best_score_ > 40


def test_a_model_offers_no_choice_of_its_output() -> None:
    assert not hasattr(ISPModel(), "set_output")


# pandas


def test_a_series_is_read_in_its_order(fitted: ISPModel) -> None:
    X, Y = shuffled()
    means = [float(image.mean()) for image in fitted.transform(X)]
    assert means == [float(image.mean()) for image in fitted.transform(list(X))]
    assert means == sorted(means)
    np.testing.assert_array_equal(fitted.psnr(X, Y), fitted.psnr(list(X), list(Y)))
    assert fitted.score(X, list(Y)) == fitted.score(list(X), Y) == psnr_scorer(fitted, X, Y)
    assert inverse_psnr_scorer(fitted, X, Y) == inverse_psnr_scorer(fitted, list(X), list(Y))


def test_a_series_is_fitted_in_its_order() -> None:
    X, Y = shuffled()
    model = quick(LeastSquares()).fit(X, list(Y), validation=(X, list(Y)))
    expected = quick(LeastSquares()).fit(list(X), list(Y))
    np.testing.assert_array_equal(model.psnr(X, Y), expected.psnr(list(X), list(Y)))


def test_parts_of_a_table_are_scored() -> None:
    X, Y = toy_pairs(6)
    table = pd.DataFrame({"raw": X, "srgb": Y})
    train, test = train_test_split(table, random_state=0)
    model = quick(LeastSquares()).fit(train.raw, train.srgb)
    assert model.score(test.raw, test.srgb) == model.score(list(test.raw), list(test.srgb)) > 60
    scores = cross_val_score(quick(LeastSquares()), table.raw, table.srgb, cv=3, error_score="raise")
    assert (scores > 60).all()


def test_a_whole_table_is_refused(fitted: ISPModel) -> None:
    table = pd.DataFrame({"raw": toy_pairs(2)[0]})
    with pytest.raises(InputError, match=r"^X: expected a sequence of images, got DataFrame; pass one column of it\."):
        fitted.transform(table)


# Parameters and tags


def test_a_backbone_that_is_not_installed_has_no_parameters_and_raises_in_fit() -> None:
    model = ISPModel("helloworld")
    assert model.get_params() == ISPModel("helloworld").get_params(deep=False)
    assert model.set_params(max_steps=3) is model
    assert (model.max_steps, model.backbone) == (3, "helloworld")
    assert "helloworld" in model._repr_html_()
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(UnknownBackboneError, match="backbone: no backbone is called 'helloworld'; installed are "):
        model.fit(*toy_pairs())


def test_a_parameter_of_a_backbone_that_is_not_installed_is_refused_with_its_name() -> None:
    with pytest.raises(UnknownBackboneError, match="no backbone is called 'helloworld'"):
        ISPModel("helloworld").set_params(backbone__bins=4)
    with pytest.raises(ValueError, match="Invalid parameter 'steps'"):
        ISPModel("helloworld").set_params(steps=4)
    model = ISPModel("helloworld").set_params(backbone="histpyramid", backbone__bins=4)
    assert isinstance(model.backbone, HistPyramid)


def test_a_broken_plugin_raises_in_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise PluginError(f"two plugins are called {name!r}.")

    monkeypatch.setattr("ispfit.estimator.model.get_backbone", broken)
    monkeypatch.setattr("ispfit.estimator.parameters.get_backbone", broken)
    assert ISPModel("mlp").set_params(max_steps=3).get_params()["max_steps"] == 3
    with pytest.raises(PluginError, match="two plugins are called 'mlp'"):
        ISPModel("mlp").fit(*toy_pairs())


def test_the_tags_say_that_images_are_float32_whatever_comes_in(fitted: ISPModel) -> None:
    assert fitted.__sklearn_tags__().transformer_tags.preserves_dtype == []
    [image] = fitted.transform([toy_pairs(1)[0][0].astype(np.float64)])
    assert image.dtype == np.float32


# Types


def test_fit_is_annotated() -> None:
    assert get_type_hints(ISPModel.fit)["return"] is Self
    assert get_type_hints(ISPModel.set_params)["return"] is Self


@pytest.mark.slow
def test_type_checkers_know_the_fitted_model(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from typing import assert_type\n"
        "from ispfit import ISPModel\n"
        "class Own(ISPModel): ...\n"
        "assert_type(ISPModel().fit([], []), ISPModel)\n"
        "assert_type(Own().fit([], [], validation=([], [])), Own)\n"
        "assert_type(ISPModel().fit([], []).score([], []), float)\n"
        "ISPModel().fit([])  # type: ignore[call-arg]\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", str(program)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert found.stdout == "Success: no issues found in 1 source file\n", found.stdout
