"""Checks of the hyper-parameters of a backbone, and of its networks as built."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import torch
from sklearn.base import clone

from ispfit.backbone import Backbone, Network
from ispfit.errors import InputError
from ispfit.runtime import seeded
from ispfit.testing.subject import Subject

__all__ = ["check_build", "check_parameters", "check_pickle"]


def check_parameters(subject: Subject) -> Iterator[str]:
    """hyper-parameters are stored as given, cloned, and written to a model file."""
    backbone = subject.backbone
    if not isinstance(getattr(backbone, "name", None), str):
        yield "it has no name; set name = '...' on the class."
    try:
        settings = backbone.settings()
    except (AttributeError, RuntimeError) as error:
        yield f"get_params fails ({error}); __init__ must list its parameters and store each under its own name."
        return
    try:
        backbone.check_settings()
    except (InputError, NameError) as error:
        yield f"its settings do not pass check_settings ({error}); mend the annotations of __init__, or the defaults."
    problems = list(_check_stored(backbone, list(settings)))
    yield from problems
    if not problems:
        clone(backbone)
    try:
        same = json.loads(json.dumps(settings)) == _with_lists(settings)
    except TypeError:
        same = False
    if not same:
        yield (
            f"its parameters {settings} do not survive JSON, in which a model file stores them; use numbers, strings, "
            "booleans, None and lists."
        )


def _with_lists(settings: Any) -> Any:
    """Replace tuples by lists, as JSON does."""
    if isinstance(settings, dict):
        return {name: _with_lists(value) for name, value in settings.items()}
    return [_with_lists(value) for value in settings] if isinstance(settings, list | tuple) else settings


def _check_stored(backbone: Backbone, names: list[str]) -> Iterator[str]:
    for name in names:
        given = object()
        try:
            stored = getattr(type(backbone)(**{name: given}), name) is given
        except Exception:  # noqa: BLE001 - __init__ used its argument
            stored = False
        if not stored:
            yield (
                f"the parameter {name!r} is not stored as given; write self.{name} = {name} in __init__ and nothing "
                "else, and check or convert it in build."
            )


def check_build(subject: Subject) -> Iterator[str]:
    """build returns a new network each time, drawn from torch's global generator."""
    first, second = (_build(subject.backbone, seed=0) for _ in range(2))
    if not isinstance(first, Network):
        yield f"build returned a {type(first).__name__}, expected an ispfit.Network."
        return
    if first is second or _shared(first, second):
        yield "build returns weights that an earlier call returned; make a new network in each call."
    weights, again = first.state_dict(), second.state_dict()
    if weights.keys() != again.keys() or any(not torch.equal(weights[name], again[name]) for name in weights):
        yield (
            "two networks built after torch.manual_seed(0) differ; draw the weights from torch's global generator, not "
            "from NumPy's or from the time."
        )
    if not (isinstance(first.stride, int) and first.stride >= 1):
        yield f"stride is {first.stride!r}, expected a whole number of pixels >= 1."
    elif not (isinstance(first.halo, int) and first.halo >= 0 and first.halo % first.stride == 0):
        yield f"halo is {first.halo!r}, expected a whole number of pixels and a multiple of stride = {first.stride}."
    if not first.has_closed_form and not any(parameter.requires_grad for parameter in first.parameters()):
        yield "its network has no weights to train; register them as torch.nn.Parameter, or override fit_pairs."


def _build(backbone: Backbone, seed: int) -> Any:
    with seeded(seed):
        return backbone.build()


def _shared(first: Network, second: Network) -> bool:
    known = {tensor.data_ptr() for tensor in first.parameters() if tensor.numel()}
    return any(tensor.data_ptr() in known for tensor in second.parameters() if tensor.numel())


def check_pickle(subject: Subject) -> Iterator[str]:
    """backbone and network can be pickled for worker processes."""
    for what, thing in (("the backbone", subject.backbone), ("its network", subject.network())):
        try:
            pickle.loads(pickle.dumps(thing))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            yield (
                f"{what} cannot be pickled ({error}); define its classes and functions at the top level of a module, "
                "not inside a function, and store no lambdas or open files."
            )
