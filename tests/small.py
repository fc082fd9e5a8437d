"""The registered backbones, small enough to run in a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ispfit import Backbone, get_backbone

_SETTINGS: dict[str, dict[str, Any]] = {
    "photofinish": {"control_points": 20, "max_shots": 10},
    "fcn": {"width": 0.06},
    "hypercolumn": {"width": 0.06, "hidden": 8, "samples_per_window": 32},
}


def small(name: str) -> Backbone:
    """Return a backbone with its default hyper-parameters, or with fewer channels if those are slow."""
    return get_backbone(name)(**_SETTINGS.get(name, {}))


@contextmanager
def brief_photofinish() -> Iterator[None]:
    """Let `photofinish` fit in few steps: for tests that ask whether it works, not how well."""
    parts = "ispfit.backbones.parts"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{parts}.color_model._ALTERNATIONS", 3)
        patch.setattr(f"{parts}.residual._STEPS", 20)
        yield
