"""From folders of files to registered pairs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "AlignedPair": "registration",
    "LensTransform": "registration",
    "ListedShot": "pairs.listed",
    "Tolerances": "registration",
    "PairsReport": "pairs.make",
    "Registration": "registration",
    "align_pair": "registration",
    "camera_slug": "pairs.record",
    "is_pairs_folder": "pairs.worker",
    "make_listed_pairs": "pairs.make",
    "make_pairs": "pairs.make",
    "match_files": "pairs.match",
    "read_pair": "pairs.read",
    "register": "registration",
    "resample": "registration",
}

__all__ = [
    "AlignedPair",
    "LensTransform",
    "ListedShot",
    "PairsReport",
    "Registration",
    "Tolerances",
    "align_pair",
    "camera_slug",
    "is_pairs_folder",
    "make_listed_pairs",
    "make_pairs",
    "match_files",
    "read_pair",
    "register",
    "resample",
]

if TYPE_CHECKING:
    from ispfit.pairs.listed import ListedShot
    from ispfit.pairs.make import PairsReport, make_listed_pairs, make_pairs
    from ispfit.pairs.match import match_files
    from ispfit.pairs.read import read_pair
    from ispfit.registration import (
        AlignedPair,
        LensTransform,
        Registration,
        Tolerances,
        align_pair,
        register,
        resample,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ispfit.pairs' has no attribute {name!r}")
    return getattr(import_module(f"ispfit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
