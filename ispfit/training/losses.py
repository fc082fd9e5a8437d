"""The losses of training steps, read from the device only now and then."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ispfit.errors import TrainingError
from ispfit.training.distributed import Distributed
from ispfit.training.plan import TrainingPlan

__all__ = ["StepLosses", "check_finite"]

_READ_INTERVAL_STEPS = {"cpu": 1, "cuda": 32}  # reading a loss of a GPU waits until all its work is done


class StepLosses:
    """The losses of the steps since the last evaluation.

    Parameters
    ----------
    plan : the settings of the run.
    distributed : the processes over which losses are summed.
    device : where the losses are computed.

    Attributes
    ----------
    values : the losses that were read.
    pending_losses : global steps and their losses on the device, not yet read.
    """

    def __init__(self, plan: TrainingPlan, distributed: Distributed, device: torch.device) -> None:
        self._plan, self._distributed = plan, distributed
        self._interval = _READ_INTERVAL_STEPS.get(device.type, _READ_INTERVAL_STEPS["cuda"])
        self.values: list[float] = []
        self.pending_losses: list[tuple[int, Tensor]] = []

    def add(self, step: int, loss: Tensor) -> None:
        """Note the loss of a step, and read the pending ones if there are many."""
        self.pending_losses.append((step, loss.detach()))
        if len(self.pending_losses) >= self._interval:
            self.read()

    def read(self) -> None:
        """Read the pending losses; all processes must call this together.

        Raises
        ------
        TrainingError
            If a loss is not finite.
        """
        if not self.pending_losses:
            return
        steps, losses = zip(*self.pending_losses, strict=True)
        self.pending_losses = []
        totals = self._distributed.all_reduce(*torch.stack(losses).double().tolist())
        for step, value in zip(steps, totals, strict=True):
            self.values.append(value)
            check_finite("loss", value, step, self._plan)


def check_finite(name: str, value: float, step: int, plan: TrainingPlan) -> None:
    """Raise a `TrainingError` that names the value and the step if the value is not finite."""
    if not math.isfinite(value) and step == plan.first_step and name == "loss":
        raise TrainingError(
            f"the loss is {value} at the first step, before any weight was trained: the network renders NaN or "
            "infinite values, or has such weights; its backbone is at fault, or the run that a warm start continues."
        )
    if not math.isfinite(value):
        raise TrainingError(f"the {name} is {value} at step {step}; lower learning_rate ({plan.learning_rate:g}).")
