"""The exceptions of ispfit: each says what was expected, what was got, where, and what to do.

All derive from `IspfitError`, and each also from the built-in exception that a caller would expect,
so that ``except ValueError`` and ``except OSError`` keep working.
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
    "TrainingError",
    "UnknownBackboneError",
    "WhiteBalanceError",
]


class IspfitError(Exception):
    """Base of every exception that ispfit raises on purpose."""


class InputError(IspfitError, ValueError):
    """An argument (an image, a list of images, a parameter) is not what was expected."""


class FileError(IspfitError, OSError):
    """A file cannot be read or written; the message starts with its path."""


class WhiteBalanceError(FileError):
    """A RAW file carries no usable white balance; pass one."""


class ModelFileError(FileError):
    """A file is not a model that this ispfit can load."""


class CheckpointError(FileError):
    """A checkpoint does not belong to the training run that was asked to continue from it."""


class NotFittedError(IspfitError, _SklearnNotFittedError):
    """The model, or the direction of it that was asked for, has not been fitted."""


class TrainingError(IspfitError, RuntimeError):
    """Training cannot go on (the loss is not finite, no pairs are left, ...)."""


class PluginError(IspfitError, RuntimeError):
    """A plugin is broken, or two plugins clash."""


class BackboneError(IspfitError, RuntimeError):
    """A backbone's network does not do what its contract says."""


class UnknownBackboneError(IspfitError, ValueError):
    """No installed backbone has this name."""


class InputWarning(UserWarning):
    """An input was usable after a conversion that the user should know of."""


class PairWarning(InputWarning):
    """A pair was left out because one of its files cannot be used."""


class PluginWarning(UserWarning):
    """A plugin was left out; ispfit goes on without it."""
