"""Finds what plugins offer: the built-ins first, third parties' only when a name is not among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ispfit.errors import InputError, PluginError, UnknownBackboneError
from ispfit.plugins.loading import Plugin, closest, load_builtin, load_third_parties
from ispfit.plugins.specs import DatasetLoader, RawReader

if TYPE_CHECKING:
    from ispfit.backbone import Backbone

__all__ = [
    "Registered",
    "forget_plugins",
    "get_backbone",
    "get_dataset",
    "list_backbones",
    "list_datasets",
    "origin_of",
    "raw_readers",
    "registered_backbones",
]

_BACKBONES = ("histpyramid", "mlp", "srcnn", "hypercolumn", "fcn", "parametric", "curve")
_BUILTIN = {
    "ispfit_backbones": tuple(f"ispfit.backbones.{name}" for name in _BACKBONES),
    "ispfit_raw_readers": ("ispfit.io.tiff",),
    "ispfit_datasets": ("ispfit.datasets.named",),
}

Offer = TypeVar("Offer")


@dataclass(frozen=True)
class Registered(Generic[Offer]):
    """What a plugin registered, and the distribution that it came from, "ispfit 0.1.0" for a built-in."""

    item: Offer
    origin: str


def list_backbones() -> list[str]:
    """Names of all backbones that are installed, built-ins first."""
    return list(registered_backbones())


def get_backbone(name: str) -> type[Backbone]:
    """The backbone class of this name.

    Raises
    ------
    UnknownBackboneError
        If no installed backbone is called so; the message lists those that are, and the closest.
    PluginError
        If two plugins claim one name.
    """
    found = _find("ispfit_backbones", name)
    if name not in found:
        raise UnknownBackboneError(
            f"backbone: no backbone is called {name!r}; installed are {', '.join(found)}.{closest(name, found)} "
            "Others come with plugins: pip install them."
        )
    backbone: type[Backbone] = found[name].item
    return backbone


def origin_of(name: str) -> str:
    """The distribution and version that a backbone came from, or "unknown" for a class that no plugin registered."""
    found = _find("ispfit_backbones", name)
    return found[name].origin if name in found else "unknown"


def registered_backbones() -> dict[str, Registered[type[Backbone]]]:
    """Every backbone with its origin, by name; third-party plugins are imported for it."""
    return _registered("ispfit_backbones")


def list_datasets() -> list[str]:
    """Names of all datasets that `ispfit.datasets.load_dataset` can load, built-ins first."""
    return list(_registered("ispfit_datasets"))


def get_dataset(name: str) -> DatasetLoader:
    """The function that loads the dataset of this name.

    Raises
    ------
    InputError
        If no dataset is called so; the message lists those that are, and the closest.
    """
    found = _find("ispfit_datasets", name)
    if name not in found:
        raise InputError(
            f"dataset: none is called {name!r}; there are {', '.join(found)}.{closest(name, found)} "
            "Others come with plugins: pip install them."
        )
    loader: DatasetLoader = found[name].item
    return loader


def raw_readers() -> dict[str, Registered[RawReader]]:
    """Every reader of raw files with its origin, by suffix; LibRaw reads what has none."""
    return _registered("ispfit_raw_readers")


def forget_plugins() -> None:
    """Look again for plugins when next asked: one was installed, or the environment has changed."""
    for function in (_builtin, _registered, _third_parties):
        function.cache_clear()


def _find(hook: str, name: str) -> dict[str, Registered[Any]]:
    """The built-ins of a hook if `name` is one of them, so that no third party is imported; else everything."""
    builtin = _builtin(hook)
    return builtin if name in builtin else _registered(hook)


@cache
def _builtin(hook: str) -> dict[str, Registered[Any]]:
    return _by_name(hook, map(load_builtin, _BUILTIN[hook]))


@cache
def _registered(hook: str) -> dict[str, Registered[Any]]:
    return _by_name(hook, _third_parties(), _builtin(hook))


@cache
def _third_parties() -> tuple[Plugin, ...]:
    return tuple(load_third_parties())


def _by_name(
    hook: str, plugins: Iterable[Plugin], known: dict[str, Registered[Any]] | None = None
) -> dict[str, Registered[Any]]:
    found = dict(known or {})
    for plugin in plugins:
        for name, item in plugin.offers.get(hook, {}).items():
            if name in found:
                raise PluginError(
                    f"{hook}: two plugins claim {name!r}: {found[name].origin} and {plugin.origin}; uninstall one, or "
                    "name it in ISPFIT_DISABLE_PLUGINS."
                )
            found[name] = Registered(item, plugin.origin)
    return found
