"""Checkpoints: the complete state of a training run in one file, which is replaced atomically."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from ispfit.errors import CheckpointError, explain, printable
from ispfit.files import make_folder
from ispfit.tensor_files import TensorFile, open_tensor_file, write_tensor_file
from ispfit.training.plan import TrainingRecord

__all__ = ["Checkpoint", "Progress"]

_KEY = "checkpoint"
_PARTS = ("network", "best")


@dataclass
class Progress:
    """The state of a run between two steps.

    Parameters
    ----------
    step : number of completed steps.
    network, best : current weights, and weights of the best evaluation so far, by name.
    optimizer : Adam's state by parameter number.
    record : fields of the `TrainingRecord`, the losses since the last evaluation, and the validation PSNR of each
        evaluation and scene; JSON data.
    scaler : state of the gradient scaler; JSON data.
    done : whether the run has ended.
    parameters : what the optimizer trains, in its order; not written.
    n_scenes : number of validation scenes; not written.
    """

    step: int
    network: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    record: dict[str, Any]
    scaler: dict[str, float] = field(default_factory=dict)
    done: bool = False
    parameters: Sequence[Tensor] = ()
    n_scenes: int = 0


class Checkpoint:
    """The file that holds the `Progress` of a run.

    Parameters
    ----------
    path : a safetensors file, which need not exist.
    every : seconds between two writes; 0, with which tests need not wait, writes after each step.
    """

    def __init__(self, path: str | Path, every: float = 30.0) -> None:
        self.path, self.every = Path(path), every
        self._written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether `every` seconds have passed since the last write."""
        return time.monotonic() - self._written >= self.every

    def write(self, progress: Progress, identity: dict[str, Any]) -> None:
        """Replace the file.

        Parameters
        ----------
        progress : the state to write.
        identity : the settings and the data of the run, as JSON data; `read` compares them.
        """
        tensors = {f"network.{name}": tensor for name, tensor in progress.network.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in progress.best.items()}
        for index, state in progress.optimizer.items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in state.items()}
        about = {
            "step": progress.step,
            "record": progress.record,
            "scaler": progress.scaler,
            "done": progress.done,
            "identity": identity,
        }
        make_folder(self.path.parent)
        write_tensor_file(self.path, _KEY, json.dumps(about), tensors)
        self._written = time.monotonic()

    def read(self, identity: dict[str, Any], start: Progress) -> Progress | None:
        """Return the state of the run, its tensors on the CPU, or None if there is no file.

        Parameters
        ----------
        identity : the settings and the data of the run, which the file must agree with.
        start : the state of the run before its first step: its tensors have the shapes that the file must have.

        Raises
        ------
        CheckpointError
            If the file is damaged, whatever it holds, or belongs to a run with other settings or data.
        """
        try:
            if not self.path.exists():
                return None
            with open_tensor_file(self.path, _KEY) as file:
                self._check(dict(file.about["identity"]), identity)
                return _read_progress(file, start, identity.get("max_steps", 0))
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"{self.path}: not a checkpoint of ispfit ({shorten(printable(explain(error)), 200)}); delete it to "
                "start a new run."
            ) from error

    def _check(self, found: dict[str, Any], expected: dict[str, Any]) -> None:
        expected = json.loads(json.dumps(expected))
        names = [name for name in expected if found.get(name) != expected[name]]
        if names:
            differences = "; ".join(
                f"{name} was {shorten(printable(str(found.get(name))), 200)}, is {expected[name]}" for name in names
            )
            raise CheckpointError(
                f"{self.path}: belongs to another training run ({differences}); "
                "delete it to start a new run, or choose another file."
            )


def _read_progress(file: TensorFile, start: Progress, most_steps: int) -> Progress:
    """Return what a checkpoint holds; raise an error if it is no state of the run that began as `start`."""
    weights = {f"{part}.{name}": tensor for part in _PARTS for name, tensor in getattr(start, part).items()}
    moments = _moments(file, start)
    file.check_shapes({name: tuple(tensor.shape) for name, tensor in (weights | moments).items()})
    found = {name: file.read(name, tensor.dtype) for name, tensor in (weights | moments).items()}
    network, best = ({name: found[f"{part}.{name}"] for name in getattr(start, part)} for part in _PARTS)
    optimizer: dict[int, dict[str, Tensor]] = {}
    for key in moments:
        _, index, name = key.split(".")
        optimizer.setdefault(int(index), {})[name] = found[key]
    about = file.about
    step, record, scaler, done = (about[name] for name in ("step", "record", "scaler", "done"))
    TrainingRecord.from_dict(record)
    losses = record["losses"]
    if not (type(step) is int and 0 <= step <= most_steps and isinstance(done, bool)):
        raise TypeError(f"step is {step!r:.60}, done is {done!r:.60}")
    if not (isinstance(losses, list) and isinstance(scaler, dict)) or not all(
        isinstance(number, int | float) for number in (*losses, *scaler.values())
    ):
        raise TypeError("its losses or its scaler hold more than numbers")
    _check_scene_psnrs(record["scene_psnrs"], start.n_scenes, len(record["history"]))
    return Progress(step, network, best, optimizer, record, scaler, done)


def _check_scene_psnrs(psnrs: Any, n_scenes: int, n_evaluations: int) -> None:
    """Raise a `TypeError` unless this is a number for each evaluation and validation scene."""
    n_rows = n_evaluations if n_scenes else 0
    if not (isinstance(psnrs, list) and len(psnrs) == n_rows) or not all(
        isinstance(row, list) and len(row) == n_scenes and all(isinstance(psnr, int | float) for psnr in row)
        for row in psnrs
    ):
        raise TypeError(f"its validation PSNRs are not {n_scenes} numbers for each of {n_evaluations} evaluations")


def _moments(file: TensorFile, start: Progress) -> dict[str, Tensor]:
    """Return tensors like those of Adam's state that the file must hold: of all parameters that it names.

    A parameter that has had no gradient yet has no state.
    """
    indices = {name.split(".")[1] for name in file.shapes if name.startswith("optimizer.")}
    likes = {str(index): tensor for index, tensor in enumerate(start.parameters)}
    unknown = indices - likes.keys()
    if unknown:
        raise ValueError(f"its optimizer has a state of an unknown parameter, {min(unknown)[:60]!r}")
    step = torch.zeros((), dtype=torch.float32)
    return {
        f"optimizer.{index}.{name}": like
        for index in sorted(indices)
        for name, like in (("step", step), ("exp_avg", likes[index]), ("exp_avg_sq", likes[index]))
    }
