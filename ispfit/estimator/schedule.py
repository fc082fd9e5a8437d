"""How many steps a fit makes and how long it will take, both known before its first step."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from ispfit.backbone import Network
from ispfit.errors import CheckpointError, InputError
from ispfit.files import atomic_path, make_folder
from ispfit.runtime import Runtime
from ispfit.training import (
    Distributed,
    ImageLists,
    TrainingPlan,
    TrainingSpeed,
    duration_text,
    measure_speed,
    steps_within,
    tell,
)

__all__ = ["Training", "check_budget", "schedule"]

_UNITS = {"s": 1, "min": 60, "h": 3600}
_TIME = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?) ?h)? ?(?:(?P<min>\d+(?:\.\d+)?) ?min)? ?(?:(?P<s>\d+(?:\.\d+)?) ?s)?")
_LONGEST_MEASUREMENT = 0.03  # of the budget, for each direction
_FEWEST_ESTIMATED_STEPS = 100  # a shorter run is not worth measuring unless it has a budget


@dataclass(frozen=True)
class Training:
    """The training of one direction: the network, built, and its pairs as inputs and targets."""

    network: Network
    pairs: ImageLists
    validation: ImageLists | None


def check_budget(budget: Any) -> float | None:
    """Return the seconds of a budget, or None for none.

    Raises
    ------
    InputError
        If it is neither a number of seconds > 0 nor a time such as "5min".

    Examples
    --------
    >>> [check_budget(budget) for budget in ("5min", "1h30min", "90 s", 45, None)]
    [300.0, 5400.0, 90.0, 45.0, None]
    """
    if budget is None:
        return None
    seconds = 0.0
    if isinstance(budget, str):
        found = _TIME.fullmatch(budget.strip())
        seconds = sum(float(found[unit] or 0) * factor for unit, factor in _UNITS.items()) if found else 0.0
    elif not isinstance(budget, bool):
        try:
            seconds = float(budget)
        except (TypeError, ValueError):
            seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InputError(f"budget: expected a time such as '90s', '5min' or '1h30min', or seconds > 0, got {budget!r}.")
    return seconds


def schedule(
    trainings: Mapping[str, Training],
    plan: TrainingPlan,
    runtime: Runtime,
    *,
    budget: float | None,
    started: float,
    checkpoint: str | PathLike[str] | None,
    label: str | None,
) -> TrainingPlan:
    """Return the plan with the number of steps of each direction, and tell how long the fit will take.

    Parameters
    ----------
    trainings : what is trained, by direction; networks that are fitted in closed form take no steps.
    plan : the settings.
    runtime : where and how to compute.
    budget : seconds for all directions, since `started`, in place of `plan.max_steps`.
    started : `time.monotonic()` when the fit began.
    checkpoint : folder of checkpoints, which keeps the number of steps of a budget: a resumed run has the same.
    label : name of the backbone; None tells nothing.

    Raises
    ------
    CheckpointError
        If the folder belongs to a run with another budget.
    """
    todo = {way: each for way, each in trainings.items() if not each.network.has_closed_form}
    processes = Distributed.current()
    tells = processes.any(label is not None)  # measuring takes all processes
    file = None if checkpoint is None else Path(checkpoint, "budget.json")
    if not todo or (budget is None and (not tells or plan.max_steps < _FEWEST_ESTIMATED_STEPS)):
        return plan
    known = processes.broadcast(_read_steps(file, budget) if file and budget and processes.is_main else None)
    if known is not None:
        return replace(plan, max_steps=known)
    seconds = 1.0 if budget is None else _LONGEST_MEASUREMENT * budget
    speeds = {
        way: measure_speed(each.network.to(runtime.device), each.pairs, each.validation, plan, runtime, seconds)
        for way, each in todo.items()
    }
    if budget is not None:
        left = budget - (time.monotonic() - started)
        n_steps = processes.broadcast(steps_within(left, list(speeds.values()), plan))
        plan = replace(plan, max_steps=n_steps)
        if file and processes.is_main:
            _write_steps(file, budget, n_steps)
    if label is not None:
        tell(_estimate_text(label, speeds, plan, budget))
    return plan


def _estimate_text(label: str, speeds: Mapping[str, TrainingSpeed], plan: TrainingPlan, budget: float | None) -> str:
    """Return the number of steps and the expected time of all directions in one line."""
    total = duration_text(sum(speed.seconds(plan) for speed in speeds.values()))
    ways = " and ".join(speeds)
    steps = f"{plan.max_steps} step{'' if plan.max_steps == 1 else 's'}"
    each = f"{steps} in each direction ({ways})" if len(speeds) > 1 else f"{steps} ({ways})"
    why = "" if budget is None else f" fit into {duration_text(budget)}"
    return f"{label}: {each}{why}; about {total} of training on this machine"


def _read_steps(file: Path, budget: float) -> int | None:
    """Return the number of steps that `_write_steps` wrote, or None if there is no such file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        seconds, n_steps = found["budget"], found["max_steps"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"{file}: not a file of ispfit; delete the folder to start a new run.") from error
    if seconds != budget or type(n_steps) is not int or n_steps < 1:
        raise CheckpointError(
            f"{file.parent}: belongs to a run with another budget ({seconds!r:.40} s, now {budget:g} s); delete it to "
            "start a new run, or choose another folder."
        )
    return n_steps


def _write_steps(file: Path, budget: float, n_steps: int) -> None:
    make_folder(file.parent)
    with atomic_path(file) as temporary:
        temporary.write_text(json.dumps({"budget": budget, "max_steps": n_steps}), encoding="utf-8")
