"""Exceptions and warnings.

All exceptions derive from `IspfitError`, and each also from the built-in exception that a caller expects, so that
``except ValueError`` and ``except OSError`` work. A message says what was expected, what was got, where, and what to
do.
"""

from __future__ import annotations

from sklearn.exceptions import NotFittedError as _SklearnNotFittedError

__all__ = [
    "BackboneError",
    "CheckpointError",
    "FileError",
    "InputError",
    "InputWarning",
    "IspfitError",
    "ModelFileError",
    "NotFittedError",
    "PairWarning",
    "PluginError",
    "PluginWarning",
    "RejectionWarning",
    "TrainingError",
    "UnknownBackboneError",
    "WhiteBalanceError",
]


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


class NotFittedError(IspfitError, _SklearnNotFittedError):
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


class PairWarning(InputWarning):
    """A pair was skipped because one of its files cannot be used."""


class RejectionWarning(PairWarning):
    """A pair was left out because its raw and its srgb do not show the same, or cannot be registered reliably."""


class PluginWarning(UserWarning):
    """A plugin was skipped."""
