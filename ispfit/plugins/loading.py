"""Load plugins, call their hooks and check what these return; a broken plugin is left out."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from ispfit._version import __version__
from ispfit.errors import PluginError, PluginWarning
from ispfit.plugins import specs

__all__ = ["Plugin", "did_you_mean", "load_builtin", "load_third_parties"]


@dataclass(frozen=True)
class Plugin:
    """The items that one plugin registers.

    Parameters
    ----------
    origin : distribution and version, such as "ispfit 0.1.0".
    offers : for each hook that the plugin implements, its items by name.
    """

    origin: str
    offers: dict[str, dict[str, Any]]


def load_builtin(module: str) -> Plugin:
    """Load one of ispfit's own modules, by the same hooks as any other plugin."""
    return _load_plugin(importlib.import_module(module), f"ispfit {__version__}")


def load_third_parties() -> list[Plugin]:
    """Import every plugin that is installed and not disabled by ``ISPFIT_DISABLE_PLUGINS``.

    That variable lists entry points or distributions, separated by commas; "all" disables all plugins.

    Raises
    ------
    PluginError
        If a plugin is broken and ``ISPFIT_STRICT_PLUGINS`` is 1. Otherwise the plugin is left out with a
        `PluginWarning`.
    """
    disabled = {_normalised(name) for name in os.environ.get("ISPFIT_DISABLE_PLUGINS", "").split(",")}
    points = [
        point
        for point in entry_points(group=specs.PROJECT)
        if disabled.isdisjoint({_normalised(point.name), _normalised(_distribution_name(point)), "all"})
    ]
    _report_duplicate_names(points)
    return list(_load_all(points))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the hint " Did you mean 'x'?" with the known name closest to `name`; an empty string if none is close."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def _load_all(points: list[EntryPoint]) -> Iterator[Plugin]:
    for point in points:
        try:
            yield _load_plugin(point.load(), _origin(point))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a third party's module may raise anything
            reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            _warn_or_raise(f"plugin {point.name!r} of {_origin(point)} was left out: {reason}", error)


def _load_plugin(module: Any, origin: str) -> Plugin:
    """Call the hooks of one plugin and check what they return."""
    hooks = _hooks_of(module)
    _check_hook_names(module, hooks)
    return Plugin(origin, {name: _CHECKS[name](hook()) for name, hook in hooks.items()})


def _hooks_of(module: Any) -> dict[str, Callable[[], Any]]:
    """Return the marked functions of a module by the names of their hooks; pluggy checks their signatures."""
    manager = pluggy.PluginManager(specs.PROJECT)  # its own: one manager would hold the hooks of all plugins together
    manager.add_hookspecs(specs)
    manager.register(module)
    return {caller.name: caller.get_hookimpls()[0].function for caller in manager.get_hookcallers(module) or []}


def _check_hook_names(module: Any, hooks: Iterable[str]) -> None:
    """Raise a `PluginError` for mistakes that pluggy ignores: a misspelt hook, an unmarked hook, no hook at all."""
    for hook in hooks:
        if hook not in specs.HOOKS:
            raise PluginError(f"{hook} is no hook of ispfit.{did_you_mean(hook, specs.HOOKS)}")
    for name, function in vars(module).items():
        if inspect.isfunction(function) and name in specs.HOOKS and name not in hooks:
            raise PluginError(f"{name} is not marked; write @ispfit.hookimpl above it.")
    if not hooks:
        raise PluginError(f"it implements no hook; expected one of {', '.join(specs.HOOKS)}.")


def _check_backbones(answer: Any) -> dict[str, Any]:
    from ispfit.backbone import Backbone

    if not isinstance(answer, list | tuple):
        raise PluginError(f"ispfit_backbones returned {answer!r}, expected a list of subclasses of Backbone.")
    for item in answer:
        if not (isinstance(item, type) and issubclass(item, Backbone)):
            raise PluginError(f"ispfit_backbones returned {item!r}, expected subclasses of Backbone.")
        if not isinstance(getattr(item, "name", None), str):
            raise PluginError(f"the backbone {item.__name__} has no name; set name = '...' on the class.")
    for name, count in Counter(item.name for item in answer).items():
        if count > 1:
            raise PluginError(f"{count} of its backbones are called {name!r}; give each its own name.")
    return {item.name: item for item in answer}


def _check_functions(hook: str, key: str, pattern: str) -> Callable[[Any], dict[str, Any]]:
    """Return a check for a hook that returns functions by keys; `key` describes the keys, which match `pattern`."""

    def check(answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise PluginError(f"{hook} returned {answer!r}, expected a dict from {key} to a function.")
        for name, function in answer.items():
            if not (isinstance(name, str) and re.fullmatch(pattern, name) and callable(function)):
                raise PluginError(f"{hook} returned {name!r}: {function!r}, expected {key} and a function.")
        return answer

    return check


_CHECKS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "ispfit_backbones": _check_backbones,
    "ispfit_raw_readers": _check_functions("ispfit_raw_readers", "a suffix such as '.npy'", r"\.[a-z0-9]+"),
    "ispfit_datasets": _check_functions("ispfit_datasets", "a name", r".+"),
}


def _report_duplicate_names(points: list[EntryPoint]) -> None:
    """Report entry-point names that two plugins share: `ISPFIT_DISABLE_PLUGINS` can only disable both."""
    for name, count in Counter(point.name for point in points).items():
        if count > 1:
            owners = " and ".join(_origin(point) for point in points if point.name == name)
            _warn_or_raise(
                f"the entry-point name {name!r} in the group 'ispfit' is used by {owners}; rename one of them."
            )


def _warn_or_raise(message: str, error: BaseException | None = None) -> None:
    if os.environ.get("ISPFIT_STRICT_PLUGINS") == "1":
        raise PluginError(message) from error
    warnings.warn(message, PluginWarning, stacklevel=2)


def _origin(point: EntryPoint) -> str:
    return f"{_distribution_name(point)} {point.dist.version if point.dist else ''}".strip()


def _distribution_name(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown distribution"


def _normalised(name: str) -> str:
    """Return a distribution's name in the form in which packaging tools compare names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).strip().lower()
