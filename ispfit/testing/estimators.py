"""`check_estimator`: what scikit-learn's own checks ask of an estimator, asked for lists of images."""

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

_SIDES = ((24, 33), (17, 40), (32, 24), (24, 33))


def check_estimator(estimator: Any) -> None:
    """Check an estimator of images: an `ispfit.ISPModel` with any backbone, or anything that is used like one.

    Fitting must be quick (few steps) and repeatable (an int as ``random_state``).

    Raises
    ------
    AssertionError
        At the first promise that is broken.
    """
    for check in estimator_checks():
        check(clone(estimator))


def estimator_checks() -> list[Check]:
    """The checks one by one, to parametrise a test over; each takes an estimator that is not fitted."""
    return [
        function
        for name, function in globals().items()
        if name.startswith("check_") and name != "check_estimator" and function.__module__ == __name__
    ]


def _pairs(same_size: bool = False) -> tuple[Images, Images]:
    rng = np.random.default_rng(0)
    sides = [_SIDES[0]] * 4 if same_size else _SIDES
    raws = [rng.random((*size, 3), np.float32) * 0.9 + 0.05 for size in sides]
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
    """Parameters, nested ones too, survive get_params, set_params and clone."""
    nested = estimator.get_params(deep=True)
    assert set(estimator.get_params(deep=False)) <= set(nested)
    plain = {name: value for name, value in nested.items() if not hasattr(value, "get_params")}
    assert estimator.set_params(**plain) is estimator
    copied = clone(estimator).get_params(deep=True)
    assert copied.keys() == nested.keys()
    assert all(copied[name] == value for name, value in plain.items() if name != "backbone")
    _raises(ValueError, "no_such_parameter", lambda: estimator.set_params(no_such_parameter=1))


def check_fit_returns_self_and_keeps_params(estimator: Any) -> None:
    """``fit`` returns the estimator, leaves its parameters alone and adds names that end in an underscore."""
    before = {name: repr(value) for name, value in estimator.get_params(deep=True).items()}
    names = set(vars(estimator))
    fitted, _, _ = _fitted(estimator)
    assert fitted is estimator
    assert {name: repr(value) for name, value in estimator.get_params(deep=True).items()} == before
    added = set(vars(estimator)) - names
    assert added, "fit set no attribute"
    assert all(name.endswith("_") for name in added), f"fitted attributes end in an underscore: {sorted(added)}"
    assert not hasattr(estimator, "n_features_in_"), "images of unequal sizes have no number of features"


def check_not_fitted(estimator: Any) -> None:
    """Before ``fit`` every method says that the estimator is not fitted."""
    X, Y = _pairs()
    for method, arguments in (("transform", [X]), ("predict", [X]), ("inverse_transform", [Y]), ("score", [X, Y])):
        _raises(NotFittedError, "not fitted", partial(getattr(estimator, method), *arguments))
    _raises(NotFittedError, "not fitted", lambda: check_is_fitted(estimator))
    check_is_fitted(estimator.fit(X, Y))


def check_fit_is_repeatable(estimator: Any) -> None:
    """The same seed and data give the same model; a second ``fit`` forgets the first."""
    fitted, X, Y = _fitted(estimator)
    again = clone(estimator).fit(X, Y)
    once = fitted.transform(X)
    assert _equal(once, again.transform(X)), "two fits with one seed differ"
    fitted.fit(X[:3], Y[:3])
    assert _equal(once, fitted.fit(X, Y).transform(X)), "fit must forget earlier fits"


def check_inputs_are_left_alone(estimator: Any) -> None:
    """No method changes its images; read-only ones, as joblib hands them to its workers, are enough."""
    X, Y = _pairs()
    for image in X + Y:
        image.flags.writeable = False
    kept = deepcopy((X, Y))
    estimator.fit(X, Y)
    estimator.transform(X)
    estimator.inverse_transform(Y)
    estimator.score(X, Y)
    assert _equal(kept[0], X)
    assert _equal(kept[1], Y)


def check_containers(estimator: Any) -> None:
    """Lists, tuples, object arrays, 4-D arrays and lazy sequences are all sequences of images."""
    X, Y = _pairs(same_size=True)
    expected = clone(estimator).fit(X, Y).transform(X)
    for make in (tuple, np.stack, _object_array, _LazySequence, lambda images: [_LazyImage(image) for image in images]):
        fitted = clone(estimator).fit(make(X), make(Y))
        assert _equal(expected, fitted.transform(make(X))), f"{make} gives another result than a list"


def check_unequal_sizes(estimator: Any) -> None:
    """Images of unequal sizes go in, and come out as float32 in [0, 1], each of its own size and with its shot."""
    fitted, X, Y = _fitted(estimator)
    for given, results in ((X, fitted.transform(X)), (Y, fitted.inverse_transform(Y))):
        for image, result in zip(given, results, strict=True):
            assert result.shape == image.shape
            assert result.dtype == np.float32
            assert 0 <= result.min() <= result.max() <= 1
            assert result.shot == image.shot


def check_each_image_stands_alone(estimator: Any) -> None:
    """What comes out for an image does not depend on the others in the list."""
    fitted, X, _ = _fitted(estimator)
    together = fitted.transform(X)
    assert _close(together, [fitted.transform([image])[0] for image in X])
    assert _close(together[::-1], fitted.transform(X[::-1]))


def check_predict_and_score(estimator: Any) -> None:
    """``predict`` is ``transform``, and ``score`` one finite number."""
    fitted, X, Y = _fitted(estimator)
    assert _equal(fitted.transform(X), fitted.predict(X))
    score = fitted.score(X, Y)
    assert isinstance(score, float)
    assert np.isfinite(score)


def check_pickle(estimator: Any) -> None:
    """A fitted estimator renders the same after pickling, which does not change it."""
    fitted, X, Y = _fitted(estimator)
    loaded = pickle.loads(pickle.dumps(fitted))
    assert _equal(fitted.transform(X), loaded.transform(X))
    assert _equal(fitted.inverse_transform(Y), loaded.inverse_transform(Y))


def check_repr(estimator: Any) -> None:
    """It prints, in a notebook too, before and after fitting."""
    for shown in (estimator, _fitted(estimator)[0]):
        assert type(estimator).__name__ in repr(shown)
        assert type(estimator).__name__ in shown._repr_html_()


def check_bad_input(estimator: Any) -> None:
    """Whatever is no sequence of images is refused with words that help."""
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
    """A sequence that is no list."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Any:
        return self._images[index]


class _LazyImage:
    """An image that is read when it is asked for."""

    def __init__(self, image: Image) -> None:
        self._image, self.shape = image, image.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self._image, dtype)
