"""Learn what a camera did to a picture, and undo it.

Names are imported when they are first used: ``import ispfit`` alone does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ispfit._version import __version__

_HOME = {
    "Backbone": "backbone",
    "ISPModel": "estimator",
    "Network": "backbone",
    "Range": "settings",
    "Scene": "backbone",
    "Window": "backbone",
    "get_backbone": "plugins",
    "hookimpl": "plugins",
    "inverse_psnr_scorer": "estimator",
    "list_backbones": "plugins",
    "load": "estimator",
    "psnr": "metrics",
    "psnr_scorer": "estimator",
    "read_raw": "io",
    "read_srgb": "io",
}
_MODULES = [
    "analysis",
    "backbone",
    "color",
    "datasets",
    "deblur",
    "displays",
    "errors",
    "formats",
    "io",
    "metrics",
    "pairs",
    "testing",
]

__all__ = [
    "Backbone",
    "ISPModel",
    "Network",
    "Range",
    "Scene",
    "Window",
    "__version__",
    "analysis",
    "backbone",
    "color",
    "datasets",
    "deblur",
    "displays",
    "errors",
    "formats",
    "get_backbone",
    "hookimpl",
    "inverse_psnr_scorer",
    "io",
    "list_backbones",
    "load",
    "metrics",
    "pairs",
    "psnr",
    "psnr_scorer",
    "read_raw",
    "read_srgb",
    "testing",
]

if TYPE_CHECKING:
    from ispfit import (
        analysis,
        backbone,
        color,
        datasets,
        deblur,
        displays,
        errors,
        formats,
        io,
        metrics,
        pairs,
        testing,
    )
    from ispfit.backbone import Backbone, Network, Scene, Window
    from ispfit.estimator import ISPModel, inverse_psnr_scorer, load, psnr_scorer
    from ispfit.io import read_raw, read_srgb
    from ispfit.metrics import psnr
    from ispfit.plugins import get_backbone, hookimpl, list_backbones
    from ispfit.settings import Range


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"ispfit.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module(f"ispfit.{name}")
    raise AttributeError(f"module 'ispfit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
