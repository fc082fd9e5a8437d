"""Data that ispfit makes itself, reads, or fetches: what `sklearn.datasets` is to scikit-learn."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "CAMERAS": "synthetic",
    "RecipeDataset": "datasets.recipes",
    "VirtualCamera": "synthetic",
    "fetch_dataset": "datasets.fetch",
    "list_recipes": "datasets.recipes",
    "list_datasets": "datasets.named",
    "list_splits": "datasets.load",
    "load_dataset": "datasets.named",
    "load_pairs": "datasets.load",
    "make_camera_pairs": "synthetic",
    "make_camera_roll": "synthetic",
    "read_camera": "synthetic",
}

__all__ = [
    "CAMERAS",
    "RecipeDataset",
    "VirtualCamera",
    "fetch_dataset",
    "list_datasets",
    "list_recipes",
    "list_splits",
    "load_dataset",
    "load_pairs",
    "make_camera_pairs",
    "make_camera_roll",
    "read_camera",
]

if TYPE_CHECKING:
    from ispfit.datasets.fetch import fetch_dataset
    from ispfit.datasets.load import list_splits, load_pairs
    from ispfit.datasets.named import list_datasets, load_dataset
    from ispfit.datasets.recipes import RecipeDataset, list_recipes
    from ispfit.synthetic import CAMERAS, VirtualCamera, make_camera_pairs, make_camera_roll, read_camera


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ispfit.datasets' has no attribute {name!r}")
    return getattr(import_module(f"ispfit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
