"""Look up what plugins register; third parties are imported only for names that no built-in has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ispfit.errors import InputError, PluginError, UnknownBackboneError
from ispfit.plugins.loading import Plugin, did_you_mean, load_builtin, load_third_parties
from ispfit.plugins.specs import DatasetLoader, RawReader

if TYPE_CHECKING:
    from ispfit.backbone import Backbone

__all__ = [
    "Registered",
    "forget_plugins",
    "get_backbone",
    "get_dataset",
    "is_built_in",
    "list_backbones",
    "list_datasets",
    "origin_of",
    "raw_readers",
    "registered_backbones",
]

_BACKBONES = ("histpyramid", "photofinish", "mlp", "srcnn", "hypercolumn", "fcn", "parametric", "curve")
_BUILTIN_MODULES = {
    "ispfit_backbones": tuple(f"ispfit.backbones.{name}" for name in _BACKBONES),
    "ispfit_raw_readers": ("ispfit.io.tiff",),
    "ispfit_datasets": ("ispfit.datasets.named",),
}

Item = TypeVar("Item")


@dataclass(frozen=True)
class Registered(Generic[Item]):
    """An item that a plugin registered, and its origin: distribution and version, "ispfit 0.1.0" for a built-in."""

    item: Item
    origin: str


def list_backbones() -> list[str]:
    """Return the names of all installed backbones, built-ins first."""
    return list(registered_backbones())


def get_backbone(name: str) -> type[Backbone]:
    """Return the backbone class of this name.

    Raises
    ------
    UnknownBackboneError
        If no installed backbone has this name; the message lists the installed ones and suggests the closest.
    PluginError
        If two plugins claim the same name.
    """
    found = _registered_with("ispfit_backbones", name)
    if name not in found:
        raise UnknownBackboneError(
            f"backbone: no backbone is called {name!r}; installed are {', '.join(found)}.{did_you_mean(name, found)} "
            "Others come with plugins: pip install them."
        )
    backbone: type[Backbone] = found[name].item
    return backbone


def origin_of(name: str) -> str:
    """Return distribution and version of a backbone, or "unknown" if no plugin registered a backbone of this name."""
    found = _registered_with("ispfit_backbones", name)
    return found[name].origin if name in found else "unknown"


def is_built_in(name: str) -> bool:
    """Return whether a backbone of this name is ispfit's own; no plugin is imported."""
    return name in _builtin("ispfit_backbones")


def registered_backbones() -> dict[str, Registered[type[Backbone]]]:
    """Return every backbone with its origin, by name; this imports all third-party plugins."""
    return _registered("ispfit_backbones")


def list_datasets() -> list[str]:
    """Return the names of all datasets that `ispfit.datasets.load_dataset` can load, built-ins first."""
    return list(_registered("ispfit_datasets"))


def get_dataset(name: str) -> DatasetLoader:
    """Return the function that loads the dataset of this name.

    Raises
    ------
    InputError
        If no dataset has this name; the message lists the known ones and suggests the closest.
    """
    found = _registered_with("ispfit_datasets", name)
    if name not in found:
        raise InputError(
            f"dataset: none is called {name!r}; there are {', '.join(found)}.{did_you_mean(name, found)} "
            "Others come with plugins: pip install them."
        )
    loader: DatasetLoader = found[name].item
    return loader


def raw_readers() -> dict[str, Registered[RawReader]]:
    """Return every registered reader of raw files with its origin, by suffix; LibRaw reads files of other suffixes."""
    return _registered("ispfit_raw_readers")


def forget_plugins() -> None:
    """Clear the caches, so that plugins installed or disabled since then are noticed at the next look-up."""
    for function in (_builtin, _registered, _third_parties):
        function.cache_clear()


def _registered_with(hook: str, name: str) -> dict[str, Registered[Any]]:
    """Return the built-ins of a hook if `name` is one of them, so that no third party is imported; else all items."""
    builtin = _builtin(hook)
    return builtin if name in builtin else _registered(hook)


@cache
def _builtin(hook: str) -> dict[str, Registered[Any]]:
    return _by_name(hook, map(load_builtin, _BUILTIN_MODULES[hook]))


@cache
def _registered(hook: str) -> dict[str, Registered[Any]]:
    return _by_name(hook, _third_parties(), _builtin(hook))


@cache
def _third_parties() -> tuple[Plugin, ...]:
    return tuple(load_third_parties())


def _by_name(
    hook: str, plugins: Iterable[Plugin], known: dict[str, Registered[Any]] | None = None
) -> dict[str, Registered[Any]]:
    """Return the items of all plugins for one hook, `known` ones first; raise a `PluginError` if a name is taken."""
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
