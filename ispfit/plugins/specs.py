"""The hooks that ispfit calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from ispfit.backbone import Backbone
    from ispfit.images import Image

__all__ = [
    "HOOKS",
    "PROJECT",
    "DatasetLoader",
    "RawReader",
    "hookimpl",
    "hookspec",
    "ispfit_backbones",
    "ispfit_datasets",
    "ispfit_raw_readers",
]

PROJECT = "ispfit"
"""Name of the project in pluggy, and of the entry-point group."""

HOOKS = ("ispfit_backbones", "ispfit_raw_readers", "ispfit_datasets")

RawReader: TypeAlias = "Callable[[Path], Image]"
DatasetLoader: TypeAlias = "Callable[..., tuple[list[Any], list[Any]]]"

Function = TypeVar("Function", bound=Callable[..., Any])

hookspec = cast("Callable[[Function], Function]", pluggy.HookspecMarker(PROJECT))
hookimpl = cast("Callable[[Function], Function]", pluggy.HookimplMarker(PROJECT))
"""Decorator that marks a function of a plugin module as the implementation of the hook of the same name."""


@hookspec
def ispfit_backbones() -> list[type[Backbone]]:
    """Return the backbone classes that a plugin adds."""
    raise NotImplementedError  # pragma: no cover


@hookspec
def ispfit_raw_readers() -> dict[str, RawReader]:
    """Return functions that read raw files, by suffix in lower case with its dot, such as ``".npy"``.

    `ispfit.read_raw` calls the function with a path. The function returns an `Image` of linear, demosaiced,
    white-balanced camera RGB: upright, float32 H x W x 3, 1 = saturation of green, values above 1 not clipped. Its
    ``shot`` holds what the file records. A plugin may also register a suffix that LibRaw reads, for a camera that needs
    special treatment: the plugin's reader is used.
    """
    raise NotImplementedError  # pragma: no cover


@hookspec
def ispfit_datasets() -> dict[str, DatasetLoader]:
    """Return functions that load datasets, by the names that `ispfit.datasets.load_dataset` takes.

    A function is called with the other arguments of ``load_dataset``. It returns X, Y: the raw and the srgb images,
    pair by pair, for ``ISPModel.fit(X, Y)``.
    """
    raise NotImplementedError  # pragma: no cover
