"""Procedural scenes photographed by virtual cameras, as pairs of arrays or as files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "CAMERAS": "camera_files",
    "VirtualCamera": "camera",
    "make_camera_pairs": "pairs",
    "make_camera_roll": "roll",
    "read_camera": "camera_files",
}

__all__ = ["CAMERAS", "VirtualCamera", "make_camera_pairs", "make_camera_roll", "read_camera"]

if TYPE_CHECKING:
    from ispfit.synthetic.camera import VirtualCamera
    from ispfit.synthetic.camera_files import CAMERAS, read_camera
    from ispfit.synthetic.pairs import make_camera_pairs
    from ispfit.synthetic.roll import make_camera_roll


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ispfit.synthetic' has no attribute {name!r}")
    return getattr(import_module(f"ispfit.synthetic.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
