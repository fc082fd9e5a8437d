"""Checkpoints: everything that the rest of a training run depends on, in one file that is replaced atomically."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from ispfit.errors import CheckpointError, FileError
from ispfit.files import atomic_path

__all__ = ["Checkpoint", "Progress"]


@dataclass
class Progress:
    """The state of a run between two steps.

    Parameters
    ----------
    step : the next step to do.
    network, best : weights by name; `best` are those of the best evaluation so far.
    optimizer : Adam's moments, by parameter number.
    record, scaler : JSON data.
    done : whether the run has ended.
    """

    step: int
    network: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[int, dict[str, Tensor]]
    record: dict[str, Any]
    scaler: dict[str, float] = field(default_factory=dict)
    done: bool = False


class Checkpoint:
    """A checkpoint file.

    Parameters
    ----------
    path : where it lies, a safetensors file.
    every : seconds between two writes; 0 writes after each step.
    """

    def __init__(self, path: str | Path, every: float = 30.0) -> None:
        self.path, self.every = Path(path), every
        self._written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written >= self.every

    def write(self, progress: Progress, identity: dict[str, Any]) -> None:
        """Replace the file. `identity` says which run this is: its settings and its data."""
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
        tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{self.path.parent}: this folder cannot be made: {error.strerror}.") from error
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(safetensors.torch.save(tensors, {"checkpoint": json.dumps(about)}))
        self._written = time.monotonic()

    def read(self, identity: dict[str, Any]) -> Progress | None:
        """The state of the run, on the CPU, or None where no file is.

        Raises
        ------
        CheckpointError
            If the file is damaged, or belongs to a run with other settings or other data.
        """
        if not self.path.exists():
            return None
        try:
            with safetensors.safe_open(self.path, "pt", device="cpu") as file:
                about = json.loads(file.metadata()["checkpoint"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
            found, progress = dict(about["identity"]), _progress(about, tensors)
        except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.path}: not a checkpoint of ispfit ({error}); delete it to start anew."
            ) from error
        self._check(found, identity)
        return progress

    def remove(self) -> None:
        """Delete the file, if it is there."""
        self.path.unlink(missing_ok=True)

    def _check(self, found: dict[str, Any], expected: dict[str, Any]) -> None:
        expected = json.loads(json.dumps(expected))
        names = [name for name in expected if found.get(name) != expected[name]]
        if names:
            differences = "; ".join(f"{name} was {found.get(name)}, is {expected[name]}" for name in names)
            raise CheckpointError(
                f"{self.path}: belongs to another training run ({differences}); "
                "delete it to start anew, or name another."
            )


def _progress(about: dict[str, Any], tensors: dict[str, Tensor]) -> Progress:
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "best": {}, "optimizer": {}}
    for key, tensor in tensors.items():
        part, name = key.split(".", 1)
        parts[part][name] = tensor
    optimizer: dict[int, dict[str, Tensor]] = {}
    for key, tensor in parts["optimizer"].items():
        index, name = key.split(".", 1)
        optimizer.setdefault(int(index), {})[name] = tensor
    return Progress(
        about["step"], parts["network"], parts["best"], optimizer, about["record"], about["scaler"], about["done"]
    )
