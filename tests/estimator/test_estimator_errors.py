"""Error messages of `ISPModel` for invalid input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils.validation import check_is_fitted
from toys import quick, toy_pairs

from ispfit import ISPModel
from ispfit.errors import InputError, NotFittedError


@pytest.fixture(scope="module")
def fitted() -> ISPModel:
    return quick().fit(*toy_pairs())


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "predict"])
def test_a_model_that_is_not_fitted_says_how(method: str) -> None:
    message = r"this ISPModel is not fitted yet; call fit\(X, Y\), or ispfit\.load\(path\)\."
    with pytest.raises(NotFittedError, match=message):
        getattr(quick(), method)(toy_pairs()[0])


def test_not_fitted_is_scikit_learn_s_error_too(tmp_path: Path) -> None:
    for call in (
        lambda: quick().score(*toy_pairs()),
        lambda: quick().save(tmp_path / "a"),
        lambda: check_is_fitted(quick()),
    ):
        with pytest.raises(SklearnNotFittedError):
            call()


def bad_pairs() -> list[Any]:
    X, Y = toy_pairs(3)
    array = np.asarray(X[1])
    broken = array.copy()
    broken[0, 0, 0] = np.nan
    return [
        (X[0], Y[0], "X: expected a sequence of images, got one array of shape (24, 24, 3); for one image pass [X]."),
        (X, Y[0], "Y: expected a sequence of images, got one array of shape (24, 24, 3); for one image pass [Y]."),
        ("a.dng", Y, "X: expected a sequence of images, got one path; pass ['a.dng']."),
        (X, Y[:2], "X and Y: expected one srgb for each raw, got 3 raws and 2 srgbs."),
        (
            X,
            [Y[0], Y[1][:20], Y[2]],
            "X[1] and Y[1]: expected a raw and an srgb of one shape, got (24, 24, 3) and (20,",
        ),
        ([X[0], broken, X[2]], Y, "X[1]: contains NaN or infinite values; mask or replace them first."),
        (
            X,
            [Y[0], np.uint8(array * 255), Y[2]],
            "Y[1]: expected floats in [0, 1], got dtype uint8; divide 8-bit codes",
        ),
        ([X[0], 255 * array, X[2]], Y, "X[1]: expected values in [0, 1], got [0."),
        ([], [], "X: expected at least one image, got an empty sequence."),
        (X, ["nowhere.jpg"] * 3, "Y[0]: nowhere.jpg is not a file."),
        (X, None, "Y: expected a sequence of images, got NoneType."),
    ]


@pytest.mark.parametrize(("X", "Y", "message"), bad_pairs())
def test_bad_pairs_are_told_by_fit_and_by_score(fitted: ISPModel, X: Any, Y: Any, message: str) -> None:
    for call in (quick().fit, fitted.score, fitted.psnr):
        with pytest.raises(InputError, match=re.escape(message)):
            call(X, Y)


def test_a_single_image_is_told_by_transform(fitted: ISPModel) -> None:
    for method in (fitted.transform, fitted.inverse_transform, fitted.predict):
        with pytest.raises(InputError, match=r"got one array of shape \(24, 24, 3\); for one image pass \["):
            method(toy_pairs(1)[0][0])


def test_an_unknown_direction_of_a_score_is_told(fitted: ISPModel) -> None:
    with pytest.raises(InputError, match="direction: expected 'forward' or 'inverse', got 'both'"):
        fitted.psnr(*toy_pairs(), direction="both")
