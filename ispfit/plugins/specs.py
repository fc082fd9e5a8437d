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
"""The name of pluggy's project and of the entry-point group."""

HOOKS = ("ispfit_backbones", "ispfit_raw_readers", "ispfit_datasets")

RawReader: TypeAlias = "Callable[[Path], Image]"
DatasetLoader: TypeAlias = "Callable[..., tuple[list[Any], list[Any]]]"

Function = TypeVar("Function", bound=Callable[..., Any])

hookspec = cast("Callable[[Function], Function]", pluggy.HookspecMarker(PROJECT))
hookimpl = cast("Callable[[Function], Function]", pluggy.HookimplMarker(PROJECT))
"""Marks a function of a plugin module as the implementation of the hook of that name."""


@hookspec
def ispfit_backbones() -> list[type[Backbone]]:
    """Return the backbone classes that a plugin adds."""
    raise NotImplementedError  # pragma: no cover


@hookspec
def ispfit_raw_readers() -> dict[str, RawReader]:
    """Return functions that read raw files, by suffix in lower case with its dot, such as ``".npy"``.

    `ispfit.read_raw` calls the function with a path. It returns linear, demosaiced, white-balanced camera RGB, upright,
    float32 H x W x 3, 1 = saturation of green and values above 1 not yet clipped, its ``shot`` filled in as far as the
    file tells. A suffix that LibRaw reads too (a camera's quirk) goes to the plugin.
    """
    raise NotImplementedError  # pragma: no cover


@hookspec
def ispfit_datasets() -> dict[str, DatasetLoader]:
    """Return functions that load a dataset, by the name that `ispfit.datasets.load_dataset` knows it by.

    The function gets what else was passed to ``load_dataset`` and returns X, Y: the raw and the srgb images,
    pair by pair, for ``ISPModel.fit(X, Y)``.
    """
    raise NotImplementedError  # pragma: no cover
