"""`check_estimator`: scikit-learn's checks of estimators, adapted to lists of images."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ispfit.errors import InputError
from ispfit.images import Image, Shot

__all__ = ["check_estimator", "estimator_checks"]

Images = list[Any]
Check = Callable[[Any], None]

_IMAGE_SIZES = ((24, 33), (17, 40), (32, 24), (24, 33))


def check_estimator(estimator: Any) -> None:
    """Check an `ispfit.ISPModel` with any backbone, or any estimator with the same methods.

    Parameters
    ----------
    estimator : not fitted, quick to fit (few steps), and repeatable (an int as ``random_state``).

    Raises
    ------
    AssertionError
        At the first broken promise.
    """
    for check in estimator_checks():
        check(clone(estimator))


def estimator_checks() -> list[Check]:
    """Return the checks as a list for a parametrised test; each takes an estimator that is not fitted."""
    return [
        function
        for name, function in globals().items()
        if name.startswith("check_") and name != "check_estimator" and function.__module__ == __name__
    ]


def _pairs(same_size: bool = False) -> tuple[Images, Images]:
    rng = np.random.default_rng(0)
    sizes = [_IMAGE_SIZES[0]] * 4 if same_size else _IMAGE_SIZES
    raws = [rng.random((*size, 3), np.float32) * 0.9 + 0.05 for size in sizes]
    shots = [Shot(name=f"shot{number}", make="Maker", model="One") for number in range(len(raws))]
    X = [Image(raw, shot) for raw, shot in zip(raws, shots, strict=True)]
    return X, [Image(np.sqrt(raw), raw.shot) for raw in X]


def _fitted(estimator: Any) -> tuple[Any, Images, Images]:
    X, Y = _pairs()
    return estimator.fit(X, Y), X, Y


def _equal(first: Images, second: Images) -> bool:
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def _close(first: Images, second: Images) -> bool:
    return len(first) == len(second) and all(np.allclose(a, b, atol=1e-5) for a, b in zip(first, second, strict=True))


def _raises(kind: type[Exception], words: str, call: Callable[[], Any]) -> None:
    message = None
    try:
        call()
    except kind as error:
        message = str(error)
    assert message is not None, f"expected a {kind.__name__} that says {words!r}, but nothing was raised"
    assert words in message, f"expected {words!r} in the message, got: {message}"


def check_init_only_stores(estimator: Any) -> None:
    """``__init__`` stores its parameters and sets nothing else."""
    names = set(inspect.signature(type(estimator).__init__).parameters) - {"self"}
    given = {name: object() for name in names}
    stored = vars(type(estimator)(**given))
    assert stored == given, f"__init__ must store its parameters and nothing else, it has {sorted(stored)}"


def check_clone_and_params(estimator: Any) -> None:
    """Parameters, including nested ones, survive get_params, set_params and clone."""
    nested = estimator.get_params(deep=True)
    assert set(estimator.get_params(deep=False)) <= set(nested), (
        "get_params(deep=True) must contain all of get_params(deep=False)"
    )
    plain = {name: value for name, value in nested.items() if not hasattr(value, "get_params")}
    assert estimator.set_params(**plain) is estimator, "set_params must return the estimator"
    copied = clone(estimator).get_params(deep=True)
    assert copied.keys() == nested.keys(), "clone must keep all parameters"
    assert all(copied[name] == value for name, value in plain.items() if name != "backbone"), (
        "clone must keep the values of all parameters"
    )
    _raises(ValueError, "no_such_parameter", lambda: estimator.set_params(no_such_parameter=1))


def check_fit_returns_self_and_keeps_params(estimator: Any) -> None:
    """``fit`` returns the estimator, keeps its parameters, and sets only attributes that end in an underscore."""
    before = {name: repr(value) for name, value in estimator.get_params(deep=True).items()}
    names = set(vars(estimator))
    fitted, _, _ = _fitted(estimator)
    assert fitted is estimator, "fit must return the estimator"
    assert {name: repr(value) for name, value in estimator.get_params(deep=True).items()} == before, (
        "fit must not change parameters"
    )
    added = set(vars(estimator)) - names
    assert added, "fit set no attribute"
    assert all(name.endswith("_") for name in added), f"fitted attributes end in an underscore: {sorted(added)}"
    assert not hasattr(estimator, "n_features_in_"), "images of unequal sizes have no number of features"


def check_not_fitted(estimator: Any) -> None:
    """Before ``fit``, every method raises an error that says that the estimator is not fitted."""
    X, Y = _pairs()
    for method, arguments in (("transform", [X]), ("predict", [X]), ("inverse_transform", [Y]), ("score", [X, Y])):
        _raises(NotFittedError, "not fitted", partial(getattr(estimator, method), *arguments))
    _raises(NotFittedError, "not fitted", lambda: check_is_fitted(estimator))
    check_is_fitted(estimator.fit(X, Y))


def check_fit_is_repeatable(estimator: Any) -> None:
    """The same seed and data give the same model, also after another ``fit``."""
    fitted, X, Y = _fitted(estimator)
    again = clone(estimator).fit(X, Y)
    once = fitted.transform(X)
    assert _equal(once, again.transform(X)), "two fits with one seed differ"
    fitted.fit(X[:3], Y[:3])
    assert _equal(once, fitted.fit(X, Y).transform(X)), "fit must forget earlier fits"


def check_inputs_are_left_alone(estimator: Any) -> None:
    """No method changes its images, so all accept read-only images, which joblib passes to its workers."""
    X, Y = _pairs()
    for image in X + Y:
        image.flags.writeable = False
    kept = deepcopy((X, Y))
    estimator.fit(X, Y)
    estimator.transform(X)
    estimator.inverse_transform(Y)
    estimator.score(X, Y)
    assert _equal(kept[0], X), "a method changed images of X"
    assert _equal(kept[1], Y), "a method changed images of Y"


def check_containers(estimator: Any) -> None:
    """Lists, tuples, object arrays, 4-D arrays and lazy sequences are all sequences of images."""
    X, Y = _pairs(same_size=True)
    expected = clone(estimator).fit(X, Y).transform(X)
    for make in (tuple, np.stack, _object_array, _LazySequence, lambda images: [_LazyImage(image) for image in images]):
        fitted = clone(estimator).fit(make(X), make(Y))
        assert _equal(expected, fitted.transform(make(X))), f"{make} gives another result than a list"


def check_unequal_sizes(estimator: Any) -> None:
    """Images may differ in size; each result is float32 in [0, 1] and has the size and the shot of its image."""
    fitted, X, Y = _fitted(estimator)
    for given, results in ((X, fitted.transform(X)), (Y, fitted.inverse_transform(Y))):
        for image, result in zip(given, results, strict=True):
            assert result.shape == image.shape, "a result must have the size of its image"
            assert result.dtype == np.float32, "a result must be float32"
            assert 0 <= result.min() <= result.max() <= 1, "a result must lie in [0, 1]"
            assert result.shot == image.shot, "a result must carry the shot of its image"


def check_each_image_stands_alone(estimator: Any) -> None:
    """The result for an image does not depend on the other images of the list."""
    fitted, X, _ = _fitted(estimator)
    together = fitted.transform(X)
    assert _close(together, [fitted.transform([image])[0] for image in X]), "an image alone gives another result"
    assert _close(together[::-1], fitted.transform(X[::-1])), "another order of images gives other results"


def check_predict_and_score(estimator: Any) -> None:
    """``predict`` returns the same as ``transform``, and ``score`` returns one finite number."""
    fitted, X, Y = _fitted(estimator)
    assert _equal(fitted.transform(X), fitted.predict(X)), "predict must return the same as transform"
    score = fitted.score(X, Y)
    assert isinstance(score, float), "score must return a float"
    assert np.isfinite(score), "score must be finite"


def check_pickle(estimator: Any) -> None:
    """A fitted estimator and its unpickled copy render the same."""
    fitted, X, Y = _fitted(estimator)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert _equal(fitted.transform(X), loaded.transform(X)), "transform differs after pickling"
    assert _equal(fitted.inverse_transform(Y), loaded.inverse_transform(Y)), "inverse_transform differs after pickling"


def check_repr(estimator: Any) -> None:
    """The representation, also in notebooks, names the class before and after fitting."""
    for shown in (estimator, _fitted(estimator)[0]):
        assert type(estimator).__name__ in repr(shown), "repr must name the class"
        assert type(estimator).__name__ in shown._repr_html_(), "_repr_html_ must name the class"


def check_bad_input(estimator: Any) -> None:
    """Anything but a sequence of images raises an error that says what to pass."""
    X, Y = _pairs()
    cases: list[tuple[Any, Any, str]] = [
        (X[0], Y, "for one image pass [X]"),
        (X, Y[0], "for one image pass [Y]"),
        ([], [], "at least one image"),
        (X, Y[:3], "4 raws and 3 srgbs"),
        (X, [Y[1], Y[0], *Y[2:]], "of one shape"),
        ([X[0] * np.nan, *X[1:]], Y, "X[0]: contains NaN"),
        ([np.uint8(255 * X[0]), *X[1:]], Y, "X[0]: expected floats in [0, 1], got dtype uint8"),
        ([X[0][..., 0], *X[1:]], Y, "X[0]: expected an image of shape (H, W, 3)"),
        ([2 * X[0], *X[1:]], Y, "X[0]: expected values in [0, 1]"),
        ([None, *X[1:]], Y, "X[0]"),
        (iter(X), Y, "X: expected a sequence"),
    ]
    for raws, srgbs, words in cases:
        _raises(InputError, words, partial(clone(estimator).fit, raws, srgbs))
    fitted = estimator.fit(X, Y)
    _raises(InputError, "for one image pass [X]", lambda: fitted.transform(X[0]))
    _raises(InputError, "for one image pass [Y]", lambda: fitted.inverse_transform(Y[0]))


def _object_array(images: Images) -> Any:
    array = np.empty(len(images), object)
    array[:] = images
    return array


class _LazySequence:
    """A sequence that is not a list."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Any:
        return self._images[index]


class _LazyImage:
    """An image that is read on demand."""

    def __init__(self, image: Image) -> None:
        self._image, self.shape = image, image.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self._image, dtype)
