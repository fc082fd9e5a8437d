"""The boundary around decoders: whatever they raise is the error of their file."""

from __future__ import annotations

import pickle
import struct
import zlib

import pytest
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

import ispfit.errors
from ispfit.errors import FileError, InputError, InputWarning, IspfitError, decoding


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no such filter."), "no such filter"),
        (zlib.error("incorrect data check"), "incorrect data check"),
        (struct.error("unpack requires a buffer of 4 bytes"), "unpack requires a buffer of 4 bytes"),
        (
            RuntimeError(b"Input/output error"),
            r"RuntimeError: Input/output error \(.*tests/test_errors\.py, line \d+\)",
        ),
        (ModuleNotFoundError("No module named 'compression'"), r"ModuleNotFoundError: No module named .*, line \d+\)"),
        (NotImplementedError(), r"NotImplementedError \(.*tests/test_errors\.py, line \d+\)"),
        (StopIteration(), r"StopIteration \(.*"),
        (KeyError("RGB"), r"KeyError: RGB \(.*tests/test_errors\.py, line \d+\)"),
    ],
)
def test_what_a_decoder_raises_is_an_error_of_its_file(error: Exception, reason: str) -> None:
    with (
        pytest.raises(FileError, match=rf"^a\.jpg: it cannot be decoded: {reason}\. Save it again\.$") as caught,
        decoding("a.jpg", "it cannot be decoded", "Save it again."),
    ):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [FileError("b.jpg: damaged."), InputError("size"), InputWarning("converted"), MemoryError()]
)
def test_our_own_errors_and_warnings_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, decoding("a.jpg"):
        raise error
    assert caught.value is error


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_stop_is_no_error_of_a_file(stop: type[BaseException]) -> None:
    with pytest.raises(stop), decoding("a.jpg"):
        raise stop


def test_not_fitted_is_scikit_learn_s_error_too() -> None:
    error = ispfit.errors.NotFittedError("fit it first.")
    assert isinstance(error, IspfitError)
    assert isinstance(error, SklearnNotFittedError)
    assert ispfit.errors.NotFittedError is type(error)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.args) == (type(error), ("fit it first.",))


def test_a_name_that_is_no_error_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'ispfit\.errors' has no attribute 'FittedError'"):
        ispfit.errors.FittedError  # type: ignore[attr-defined]
