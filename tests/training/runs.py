"""Small runs with checkpoints, which the tests of checkpoints share; some end early."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from toys import Restless, toy_pairs

from ispfit import Network
from ispfit.runtime import Runtime
from ispfit.training import Checkpoint, TrainingPlan, TrainingRecord, train

CPU = Runtime(torch.device("cpu"))
PLAN = TrainingPlan(24, 3e-2, batch_size=2, windows_per_image=2, window_size=8, validation_fraction=0.2, seed=3)
LONG = replace(PLAN, max_steps=40)


def fit(
    path: Path | None, plan: TrainingPlan = PLAN, every: float = 0, network: Network | None = None
) -> tuple[dict[str, Tensor], TrainingRecord]:
    if network is None:
        torch.manual_seed(0)
        network = Restless().build()
    record = train(network, *toy_pairs(), plan, CPU, checkpoint=Checkpoint(path, every) if path else None)
    return network.state_dict(), replace(record, seconds=0)


def equal(one: tuple[dict[str, Tensor], Any], other: tuple[dict[str, Tensor], Any]) -> bool:
    return (
        one[0].keys() == other[0].keys()
        and all(torch.equal(tensor, other[0][name]) for name, tensor in one[0].items())
        and one[1] == other[1]
    )


def step_of(path: Path) -> int:
    with safetensors.safe_open(path, "pt") as file:
        return int(json.loads(file.metadata()["checkpoint"])["step"])


def after_renders(count: int, act: Callable[[], None]) -> Network:
    """Return a network that calls `act` in its forward pass number `count`."""
    torch.manual_seed(0)
    network = Restless().build()
    render, calls = network.render, iter(range(10**6))

    def acting(*arguments: Any) -> Tensor:
        if next(calls) == count:
            act()
        return render(*arguments)

    network.render = acting  # type: ignore[method-assign]
    return network


class Stopped(Exception):
    """Stands for any exception that ends a run."""


def stop() -> None:
    raise Stopped
