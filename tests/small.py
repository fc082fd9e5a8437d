"""The registered backbones, small enough to run in a second."""

from __future__ import annotations

from typing import Any

from ispfit import Backbone, get_backbone

_SETTINGS: dict[str, dict[str, Any]] = {
    "photofinish": {"control_points": 20, "max_shots": 10},
    "fcn": {"width": 0.06},
    "hypercolumn": {"width": 0.06, "hidden": 8, "samples_per_window": 32},
}


def small(name: str) -> Backbone:
    """Return a backbone with its default hyper-parameters, or with fewer channels if those are slow."""
    return get_backbone(name)(**_SETTINGS.get(name, {}))
