"""Checks of hyper-parameters, which backbones make when they build a network."""

from __future__ import annotations

import numpy as np

from ispfit.backbone import Backbone
from ispfit.errors import InputError

__all__ = ["check_integers"]


def check_integers(backbone: Backbone, **minimums: int) -> None:
    """Raise an `InputError` unless each named parameter is an integer not below its minimum."""
    for name, minimum in minimums.items():
        value = getattr(backbone, name)
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < minimum:
            raise InputError(
                f"{type(backbone).__name__}: expected {name} to be a whole number >= {minimum}, got {value!r}."
            )
