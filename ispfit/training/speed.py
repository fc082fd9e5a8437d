"""How long a training run will take on this machine, measured by a few of its steps."""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import dataclass, replace

from ispfit.backbone import Network
from ispfit.runtime import Runtime, keep_freed_memory, seeded
from ispfit.training.data import ImageLists
from ispfit.training.plan import TrainingPlan
from ispfit.training.run import TrainingRun

__all__ = ["TrainingSpeed", "measure_speed", "steps_within"]

_FEWEST_TIMED_STEPS = 3
_MOST_TIMED_STEPS = 200
_ENDLESS = 2**31


@dataclass(frozen=True)
class TrainingSpeed:
    """The time of a step and of an evaluation in seconds."""

    step: float
    evaluation: float = 0.0

    def seconds(self, plan: TrainingPlan) -> float:
        """Return how long a run of this plan takes."""
        return plan.max_steps * self.step + plan.n_evaluations * self.evaluation


def measure_speed(
    network: Network,
    pairs: ImageLists,
    validation: ImageLists | None,
    plan: TrainingPlan,
    runtime: Runtime,
    seconds: float = 1.0,
) -> TrainingSpeed:
    """Return the speed of a run, measured on a copy of the network; the generators of random numbers are restored.

    In a process group all processes must call this together; they return the same.

    Parameters
    ----------
    network, pairs, validation, plan, runtime : as for `ispfit.training.train`.
    seconds : how long to measure. At least four steps are made and at most 201, the first of which is slower and not
        counted.
    """
    keep_freed_memory()
    with seeded(plan.seed):
        run = TrainingRun(deepcopy(network), pairs, validation, replace(plan, max_steps=_ENDLESS), runtime)
        _timed_steps(run, 1)
        step = _timed_steps(run, _FEWEST_TIMED_STEPS)
        more = min(_MOST_TIMED_STEPS, math.ceil(seconds / max(step, 1e-9))) - _FEWEST_TIMED_STEPS
        more = run.distributed.broadcast(max(0, more))
        if more:
            step = _timed_steps(run, more)
        evaluation = 0.0
        if run.record.n_validation:
            started = time.perf_counter()
            run.evaluate()
            evaluation = time.perf_counter() - started
    return TrainingSpeed(*run.distributed.broadcast((step, evaluation)))


def _timed_steps(run: TrainingRun, n_steps: int) -> float:
    """Make steps and return the seconds of each."""
    started = time.perf_counter()
    for _ in range(n_steps):
        run.step()
    run.losses.read()  # waits for a GPU
    return (time.perf_counter() - started) / n_steps


def steps_within(seconds: float, speeds: list[TrainingSpeed], plan: TrainingPlan) -> int:
    """Return a number of steps, at least 1, such that runs at these speeds fill a time together.

    Parameters
    ----------
    seconds : the time for all runs.
    speeds : the speed of each run.
    plan : settings of the runs; their `max_steps` is ignored.

    Examples
    --------
    >>> plan = TrainingPlan(1, 1e-3, 4, 16, 32, 0, seed=0)
    >>> steps_within(60, [TrainingSpeed(0.1), TrainingSpeed(0.2)], plan)
    200
    """

    evaluations = plan.usual_evaluations * sum(speed.evaluation for speed in speeds)
    return max(1, int((seconds - evaluations) / sum(speed.step for speed in speeds) * (1 + 1e-9)))
