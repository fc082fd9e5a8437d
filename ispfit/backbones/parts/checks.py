"""What backbones check of their hyper-parameters when they build a network."""

from __future__ import annotations

import numpy as np

from ispfit.backbone import Backbone
from ispfit.errors import InputError

__all__ = ["check_counts"]


def check_counts(backbone: Backbone, **least: int) -> None:
    """Raise an `InputError` unless each parameter that is named is a whole number of at least so much."""
    for name, minimum in least.items():
        value = getattr(backbone, name)
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < minimum:
            raise InputError(
                f"{type(backbone).__name__}: expected {name} to be a whole number >= {minimum}, got {value!r}."
            )
