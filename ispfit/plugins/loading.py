"""Loads plugins, calls their hooks and checks the answers; one that is broken is left out."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from ispfit._version import __version__
from ispfit.errors import PluginError, PluginWarning
from ispfit.plugins import specs

__all__ = ["Plugin", "closest", "load_builtin", "load_third_parties"]


@dataclass(frozen=True)
class Plugin:
    """What one plugin offers: for each hook that it implements, things by name; `origin` is "distribution version"."""

    origin: str
    offers: dict[str, dict[str, Any]]


def load_builtin(module: str) -> Plugin:
    """One of ispfit's own modules, asked by the same hooks as anybody's."""
    return _ask(importlib.import_module(module), f"ispfit {__version__}")


def load_third_parties() -> list[Plugin]:
    """Import every plugin that is installed and not disabled by ``ISPFIT_DISABLE_PLUGINS``.

    That variable lists entry points or distributions, separated by commas; "all" disables every one.

    Raises
    ------
    PluginError
        If a plugin is broken and ``ISPFIT_STRICT_PLUGINS`` is 1; without it, the plugin is left out with a
        `PluginWarning`.
    """
    disabled = {_normal(name) for name in os.environ.get("ISPFIT_DISABLE_PLUGINS", "").split(",")}
    points = [
        point
        for point in entry_points(group=specs.PROJECT)
        if disabled.isdisjoint({_normal(point.name), _normal(_distribution(point)), "all"})
    ]
    _report_duplicates(points)
    return list(_load(points))


def closest(name: str, known: Any) -> str:
    """A hint at the known name that is most like `name`, or nothing."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def _load(points: list[EntryPoint]) -> Iterator[Plugin]:
    for point in points:
        try:
            yield _ask(point.load(), _origin(point))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything
            reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            _complain(f"plugin {point.name!r} of {_origin(point)} was left out: {reason}", error)


def _ask(module: Any, origin: str) -> Plugin:
    """Call the hooks of one plugin."""
    manager = pluggy.PluginManager(specs.PROJECT)
    manager.add_hookspecs(specs)
    manager.register(module)
    hooks = [caller.name for caller in manager.get_hookcallers(module) or []]
    _check_names(module, hooks)
    return Plugin(origin, {hook: _CHECKS[hook](_answer(manager, hook)) for hook in hooks})


def _answer(manager: pluggy.PluginManager, hook: str) -> Any:
    answers = getattr(manager.hook, hook)()
    return answers[0] if answers else None  # pluggy drops a None


def _check_names(module: Any, hooks: list[str]) -> None:
    """Find what pluggy passes over in silence: a misspelt hook, one that is not marked, none at all."""
    for hook in hooks:
        if hook not in specs.HOOKS:
            raise PluginError(f"{hook} is no hook of ispfit.{closest(hook, specs.HOOKS)}")
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


def _report_duplicates(points: list[EntryPoint]) -> None:
    """Two plugins may use one entry-point name; both work, but `ISPFIT_DISABLE_PLUGINS` cannot tell them apart."""
    for name, count in Counter(point.name for point in points).items():
        if count > 1:
            owners = " and ".join(_origin(point) for point in points if point.name == name)
            _complain(f"the entry-point name {name!r} in the group 'ispfit' is used by {owners}; rename one of them.")


def _complain(message: str, error: BaseException | None = None) -> None:
    if os.environ.get("ISPFIT_STRICT_PLUGINS") == "1":
        raise PluginError(message) from error
    warnings.warn(message, PluginWarning, stacklevel=2)


def _origin(point: EntryPoint) -> str:
    return f"{_distribution(point)} {point.dist.version if point.dist else ''}".strip()


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown distribution"


def _normal(name: str) -> str:
    """A distribution's name as packaging compares it."""
    return re.sub(r"[-_.]+", "-", name).strip().lower()
