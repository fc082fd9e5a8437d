"""Check the hyper-parameters of a backbone by the annotations of its ``__init__``, in one way for all backbones.

A parameter is annotated by its type, and by its range where it has one::

    def __init__(self, hidden: Annotated[int, Range(1, 4096)] = 64, skip: bool = True) -> None: ...
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from ispfit.errors import InputError

__all__ = ["Range", "check_settings"]


@dataclass(frozen=True)
class Range:
    """The range of a number: what an annotation ``Annotated[int, Range(1, 64)]`` allows.

    Parameters
    ----------
    least, most : the ends, which are allowed.
    """

    least: float
    most: float

    def __str__(self) -> str:
        return f"from {self.least:g} to {self.most:g}"


def check_settings(owner: type, settings: Mapping[str, Any]) -> None:
    """Raise an `InputError` that names the first setting of another type or range than the annotation says.

    Parameters
    ----------
    owner : class whose ``__init__`` takes the settings. A parameter without an annotation, or with one of another kind
        than numbers, bools, strings, literals, None, and lists and unions of these, may have any value.
    settings : values by the names of the parameters.

    Examples
    --------
    >>> class Toy:
    ...     def __init__(self, hidden: Annotated[int, Range(1, 64)] = 8, skip: bool = True) -> None: ...
    >>> check_settings(Toy, {"hidden": 8, "skip": False})
    >>> check_settings(Toy, {"hidden": 8, "skip": "False"})
    Traceback (most recent call last):
    ...
    ispfit.errors.InputError: Toy: expected skip to be True or False, got 'False'.
    """
    hints = get_type_hints(owner.__init__, include_extras=True)  # type: ignore[misc]  # of this very class
    for name, value in settings.items():
        if name in hints and not _accepts(hints[name], value):
            raise InputError(f"{owner.__name__}: expected {name} to be {_describe(hints[name])}, got {value!r}.")


def _accepts(hint: Any, value: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        limits = [limit for limit in arguments[1:] if isinstance(limit, Range)]
        return _accepts(arguments[0], value) and all(limit.least <= value <= limit.most for limit in limits)
    if origin in (Union, UnionType):
        return any(_accepts(each, value) for each in arguments)
    if origin is Literal:
        return any(value == each and isinstance(value, type(each)) for each in arguments)
    if origin in (list, tuple):
        return isinstance(value, list | tuple) and all(_accepts(arguments[0], each) for each in value)
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint is int:
        return isinstance(value, int | np.integer) and not isinstance(value, bool)
    if hint is float:
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        return number and math.isfinite(value)
    return not isinstance(hint, type) or hint not in (str, NoneType) or isinstance(value, hint)


def _describe(hint: Any) -> str:
    """Return what an annotation allows, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join([_describe(arguments[0]), *map(str, arguments[1:])])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_describe(each) for each in arguments))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in (list, tuple):
        return f"a list, each item {_describe(arguments[0])}"
    names = {bool: "True or False", int: "a whole number", float: "a number", str: "a text", NoneType: "None"}
    return names.get(hint, str(hint))
