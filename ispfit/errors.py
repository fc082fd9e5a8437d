"""Exceptions and warnings.

All exceptions derive from `IspfitError`, and each also from the built-in exception that a caller expects, so that
``except ValueError`` and ``except OSError`` work. A message says what was expected, what was got, where, and what to
do.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

__all__ = [
    "BackboneError",
    "CheckpointError",
    "FileError",
    "InputError",
    "InputWarning",
    "IspfitError",
    "MixedCamerasWarning",
    "ModelFileError",
    "NotFittedError",
    "PairWarning",
    "PluginError",
    "PluginWarning",
    "RejectionWarning",
    "TrainingError",
    "UnknownBackboneError",
    "WhiteBalanceError",
    "debugging",
    "decoding",
    "explain",
    "printable",
]

_PARTS_SHOWN = 3  # of the path of a source file

# C0 and C1 controls but tab and line feed; marks that turn the direction of writing; lone surrogates
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class IspfitError(Exception):
    """Base class of all exceptions of ispfit."""


class InputError(IspfitError, ValueError):
    """An argument is invalid: an image, a list of images, a parameter."""


class FileError(IspfitError, OSError):
    """A file cannot be read or written; the message starts with its path."""


class WhiteBalanceError(FileError):
    """A RAW file has no usable white balance; pass one to the reader."""


class ModelFileError(FileError):
    """A file is not a model file, or this version of ispfit cannot load it."""


class CheckpointError(FileError):
    """A checkpoint cannot be used, for example because it belongs to another training run."""


if TYPE_CHECKING:  # `__getattr__` defines it

    class NotFittedError(IspfitError, ValueError, AttributeError):
        """The model, or the requested direction, is not fitted."""


class TrainingError(IspfitError, RuntimeError):
    """Training cannot continue, for example because the loss is not finite."""


class PluginError(IspfitError, RuntimeError):
    """A plugin is broken or clashes with another one."""


class BackboneError(IspfitError, RuntimeError):
    """A network breaks the contract of `ispfit.backbone`."""


class UnknownBackboneError(IspfitError, ValueError):
    """No installed backbone has this name."""


class InputWarning(UserWarning):
    """An input was converted, or used in part, in a way that may affect the result."""


class MixedCamerasWarning(InputWarning):
    """A model is fitted to shots of several cameras or picture styles."""


class PairWarning(InputWarning):
    """A pair was skipped because one of its files cannot be used."""


class RejectionWarning(PairWarning):
    """A pair was left out because its raw and its srgb do not show the same, or cannot be registered reliably."""


class PluginWarning(UserWarning):
    """A plugin was skipped."""


@contextmanager
def decoding(path: str | os.PathLike[str], failure: str = "cannot be read", hint: str = "") -> Iterator[None]:
    """Turn any exception of the block into a `FileError`: third-party decoders and plugins raise whatever they like.

    The exception is the cause of the `FileError`, so that its traceback is shown with it. Errors of ispfit, warnings
    that are raised as errors, and `MemoryError` pass unchanged.

    Parameters
    ----------
    path : the file that is decoded.
    failure, hint : what went wrong and what to do, for the message: ``path: failure: reason. hint``

    Examples
    --------
    >>> try:
    ...     with decoding("shot.jpg", "the image cannot be decoded"):
    ...         b"not a picture".index(b"JFIF")
    ... except FileError as error:
    ...     print(error)
    shot.jpg: the image cannot be decoded: subsection not found.
    """
    try:
        yield
    except (IspfitError, Warning, MemoryError):
        raise
    except Exception as error:
        raise FileError(f"{path}: {failure}: {explain(error)}. {hint}".rstrip()) from error


def printable(text: str) -> str:
    r"""Return text that is safe on a terminal: control characters and what is not Unicode are written as escapes.

    Line feeds and tabs stay.

    Examples
    --------
    >>> printable("\x1b[31mred\udcff.dng")
    '\\x1b[31mred\\xff.dng'
    """
    return _UNPRINTABLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8, as Python decodes it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def explain(error: BaseException) -> str:
    """Describe an exception in words, without a full stop.

    An exception that only a defect raises, such as `ZeroDivisionError`, is described with its name and the line of
    code that raised it.
    """
    text = error.args[0] if len(error.args) == 1 else str(error)
    text = (text.decode(errors="replace") if isinstance(text, bytes) else str(text)).rstrip(".")
    name = type(error).__name__
    if isinstance(error, OSError | ValueError) or type(error).__module__ != "builtins":
        return text or name
    place = _place(error)
    return f"{name}: {text}{place}" if text else f"{name}{place}"


def _place(error: BaseException) -> str:
    """Return the file and the line that raised an exception, in parentheses; "" if it was not raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    file = "/".join(Path(frames[-1].filename).parts[-_PARTS_SHOWN:])
    return f" ({file}, line {frames[-1].lineno})"


def debugging() -> bool:
    """Return whether ``ISPFIT_DEBUG=1`` (``--debug``) asks to raise the first error instead of reporting it."""
    return os.environ.get("ISPFIT_DEBUG") == "1"


if not TYPE_CHECKING:  # to a type checker, it would define any name

    def __getattr__(name: str) -> Any:
        """Define `NotFittedError` when it is first used: importing its base class takes scikit-learn a second."""
        if name != "NotFittedError":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from sklearn.exceptions import NotFittedError as SklearnNotFittedError

        members = {"__module__": __name__, "__doc__": "The model, or the requested direction, is not fitted."}
        return globals().setdefault(name, type(name, (IspfitError, SklearnNotFittedError), members))
