"""What is to be done in training, and what was done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from ispfit.errors import InputError

__all__ = ["TrainingPlan", "TrainingRecord"]

_EVALUATIONS = 40
_PATIENCE = 12
_WARM_UP = 0.03
_FINAL_RATE = 0.01


@dataclass(frozen=True)
class TrainingPlan:
    """The settings of one training run; see `ispfit.ISPModel` for their meaning.

    `first_step` counts the steps of earlier runs that a warm start continues: their windows are not drawn again.
    Numbers of NumPy, such as a search's grid holds, become Python's, which a checkpoint can hold.
    """

    max_steps: int
    learning_rate: float
    batch_size: int
    windows_per_image: int
    window_size: int
    validation_fraction: float
    seed: int
    first_step: int = 0

    def __post_init__(self) -> None:
        for name in ("max_steps", "batch_size", "windows_per_image", "window_size"):
            least = 0 if name == "max_steps" else 1
            self._check(name, int, partial(_whole, least=least), f"a whole number >= {least}")
        self._check("learning_rate", float, lambda v: v > 0, "a number > 0")
        self._check("validation_fraction", float, lambda v: 0 <= v < 1, "a number in [0, 1)")

    def _check(self, name: str, kind: type[int | float], good: Callable[[float], bool], expected: str) -> None:
        value = getattr(self, name)
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and good(value)):
            raise InputError(f"{name}: expected {expected}, got {value!r}.")
        object.__setattr__(self, name, kind(value))

    def rate(self, step: int) -> float:
        """The learning rate at a step: a linear warm-up, then half a cosine down to a hundredth."""
        warm_up = max(1, round(_WARM_UP * self.max_steps))
        if step < warm_up:
            return self.learning_rate * (step + 1) / warm_up
        progress = (step - warm_up) / max(1, self.max_steps - warm_up)
        return self.learning_rate * (_FINAL_RATE + (1 - _FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress)))

    @property
    def validate_every(self) -> int:
        """Steps between two evaluations on the validation share."""
        return max(1, self.max_steps // _EVALUATIONS)

    @property
    def n_evaluations(self) -> int:
        """How many evaluations a run has that is not stopped early."""
        return -(-self.max_steps // self.validate_every)

    @property
    def patience(self) -> int:
        """Steps without a better validation PSNR after which training stops."""
        return _PATIENCE * self.validate_every

    def as_dict(self) -> dict[str, Any]:
        """The settings by name, for a checkpoint."""
        return asdict(self)


@dataclass
class TrainingRecord:
    """What happened in one training run.

    Parameters
    ----------
    n_train, n_validation : pairs trained on, pairs held out for early stopping.
    steps : steps done. As all steps here it counts from the start of the first run, where a warm start continued one.
    best_step : the step whose weights were kept.
    seconds : wall time, over all resumptions.
    stopped_early : whether the validation PSNR had ceased to rise.
    history : one entry an evaluation: step, mean training loss (MSE) since the last, validation PSNR in dB
        (None without validation pairs).
    """

    n_train: int
    n_validation: int
    steps: int = 0
    best_step: int = 0
    seconds: float = 0.0
    stopped_early: bool = False
    history: list[dict[str, float | None]] = field(default_factory=list, repr=False)

    @property
    def best_psnr(self) -> float | None:
        """The best validation PSNR in dB, or None without validation pairs."""
        values = [entry["psnr"] for entry in self.history if entry["psnr"] is not None]
        return max(values, default=None)

    def as_dict(self) -> dict[str, Any]:
        """The record by name, for a model file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingRecord:
        """The record that `as_dict` gave; what a later version added is left out."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in names})


def _whole(value: float, least: int) -> bool:
    return int(value) == value and value >= least
