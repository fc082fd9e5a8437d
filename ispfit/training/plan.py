"""The settings of a training run, and the record of one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from ispfit.errors import InputError

__all__ = ["TrainingPlan", "TrainingRecord"]

_N_EVALUATIONS = 40
_WARM_UP_FRACTION = 0.03  # of max_steps
_FINAL_RATE_FRACTION = 0.01  # of learning_rate
_FALLEN_RATE_FRACTION = 0.25  # of learning_rate


@dataclass(frozen=True)
class TrainingPlan:
    """The settings of one training run; `ispfit.ISPModel` explains those of the same name.

    NumPy numbers, such as those of a search grid, are converted to Python's: a checkpoint stores JSON.

    Parameters
    ----------
    seed : determines the validation pairs, the windows of each step and the network's random numbers.
    first_step : number of steps of the earlier runs that a warm start continues; their windows are not drawn again.

    Raises
    ------
    InputError
        If a setting is out of range.
    """

    max_steps: int
    learning_rate: float
    batch_size: int
    windows_per_image: int
    window_size: int
    validation_fraction: float | str
    seed: int
    first_step: int = 0

    def __post_init__(self) -> None:
        for name in ("max_steps", "batch_size", "windows_per_image", "window_size"):
            least = 0 if name == "max_steps" else 1
            self._check(name, int, partial(_is_whole, least=least), f"a whole number >= {least}")
        self._check("learning_rate", float, lambda v: v > 0, "a number > 0")
        if self.validation_fraction != "auto":
            self._check("validation_fraction", float, lambda v: 0 <= v < 1, "'auto' or a number in [0, 1)")

    def _check(self, name: str, kind: type[int | float], good: Callable[[float], bool], expected: str) -> None:
        value = getattr(self, name)
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and good(value)):
            raise InputError(f"{name}: expected {expected}, got {value!r}.")
        object.__setattr__(self, name, kind(value))

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: a linear warm-up, then half a cosine down to a hundredth."""
        warm_up = max(1, round(_WARM_UP_FRACTION * self.max_steps))
        if step < warm_up:
            return self.learning_rate * (step + 1) / warm_up
        progress = (step - warm_up) / max(1, self.max_steps - warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return self.learning_rate * (_FINAL_RATE_FRACTION + (1 - _FINAL_RATE_FRACTION) * cosine)

    @property
    def validate_every(self) -> int:
        """Steps between two evaluations."""
        return max(1, self.max_steps // _N_EVALUATIONS)

    @property
    def usual_evaluations(self) -> int:
        """Number of evaluations of a long run, up to rounding."""
        return _N_EVALUATIONS

    @property
    def n_evaluations(self) -> int:
        """Number of evaluations of a run that is not stopped early."""
        return -(-self.max_steps // self.validate_every)

    def rate_has_fallen(self, step: int) -> bool:
        """Whether the learning rate has decayed to a quarter, in the last third of the run."""
        return 2 * step > self.max_steps and self.rate(step) <= _FALLEN_RATE_FRACTION * self.learning_rate


@dataclass
class TrainingRecord:
    """The course of one training run. Step numbers include the steps of earlier runs that a warm start continued.

    Parameters
    ----------
    n_train, n_validation : numbers of pairs for training and for validation.
    steps : number of completed steps.
    best_step : the step whose weights were kept: the last one, unless validation proved an earlier one better.
    seconds : wall time, over all resumptions.
    stopped_early : whether training ended before `max_steps`: the validation PSNR fell, or a callback stopped it.
    history : one entry for each evaluation: the step, the mean training loss (MSE) since the last evaluation, and the
        validation PSNR in dB (None without validation pairs).
    notes : sentences of the network about its fit, see `ispfit.Network.notes`.
    """

    n_train: int
    n_validation: int
    steps: int = 0
    best_step: int = 0
    seconds: float = 0.0
    stopped_early: bool = False
    history: list[dict[str, float | None]] = field(default_factory=list, repr=False)
    notes: list[str] = field(default_factory=list, repr=False)

    @property
    def best_psnr(self) -> float | None:
        """Validation PSNR in dB of the weights that were kept, or None without validation pairs."""
        return next((entry["psnr"] for entry in self.history if entry["step"] == self.best_step), None)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrainingRecord:
        """Return the record whose `dataclasses.asdict` this was; fields that a later version added are ignored.

        Raises
        ------
        TypeError
            If a field is missing, or is of another kind.
        """
        names = {field.name for field in fields(cls)}
        record = cls(**{name: value for name, value in data.items() if name in names})
        counts = (record.n_train, record.n_validation, record.steps, record.best_step)
        good = (
            all(isinstance(count, int) and count >= 0 for count in counts)
            and isinstance(record.seconds, int | float)
            and isinstance(record.stopped_early, bool)
            and isinstance(record.history, list)
            and all(isinstance(entry, dict) and {"step", "loss", "psnr"} <= entry.keys() for entry in record.history)
            and all(isinstance(value, int | float | None) for entry in record.history for value in entry.values())
            and isinstance(record.notes, list)
            and all(isinstance(note, str) for note in record.notes)
        )
        if not good:
            raise TypeError("its training record has fields of the wrong kind")
        return record


def _is_whole(value: float, least: int) -> bool:
    return int(value) == value and value >= least
