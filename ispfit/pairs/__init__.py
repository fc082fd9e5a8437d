"""From folders of files to registered pairs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "AlignedPair": "align",
    "Limits": "align",
    "LensTransform": "geometry",
    "PairsReport": "folder",
    "Registration": "registration",
    "align_pair": "align",
    "make_pairs": "folder",
    "match_files": "files",
    "read_pair": "files",
    "register": "registration",
    "resample": "geometry",
}

__all__ = [
    "AlignedPair",
    "LensTransform",
    "Limits",
    "PairsReport",
    "Registration",
    "align_pair",
    "make_pairs",
    "match_files",
    "read_pair",
    "register",
    "resample",
]

if TYPE_CHECKING:
    from ispfit.pairs.align import AlignedPair, Limits, align_pair
    from ispfit.pairs.files import match_files, read_pair
    from ispfit.pairs.folder import PairsReport, make_pairs
    from ispfit.pairs.geometry import LensTransform, resample
    from ispfit.pairs.registration import Registration, register


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ispfit.pairs' has no attribute {name!r}")
    return getattr(import_module(f"ispfit.pairs.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
