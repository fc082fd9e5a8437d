"""Checkpoints: the complete state of a training run in one file, which is replaced atomically."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from ispfit.errors import CheckpointError
from ispfit.files import atomic_path, make_folder

__all__ = ["Checkpoint", "Progress"]


@dataclass
class Progress:
    """The state of a run between two steps.

    Parameters
    ----------
    step : number of completed steps.
    network, best : current weights, and weights of the best evaluation so far, by name.
    optimizer : Adam's state by parameter number.
    record : fields of the `TrainingRecord`, and the losses since the last evaluation; JSON data.
    scaler : state of the gradient scaler; JSON data.
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
        tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        make_folder(self.path.parent)
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(safetensors.torch.save(tensors, {"checkpoint": json.dumps(about)}))
        self._written = time.monotonic()

    def read(self, identity: dict[str, Any]) -> Progress | None:
        """Return the state of the run, its tensors on the CPU, or None if there is no file.

        Raises
        ------
        CheckpointError
            If the file is damaged, or belongs to a run with other settings or data.
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
                f"{self.path}: not a checkpoint of ispfit ({error}); delete it to start a new run."
            ) from error
        self._check(found, identity)
        return progress

    def _check(self, found: dict[str, Any], expected: dict[str, Any]) -> None:
        expected = json.loads(json.dumps(expected))
        names = [name for name in expected if found.get(name) != expected[name]]
        if names:
            differences = "; ".join(f"{name} was {found.get(name)}, is {expected[name]}" for name in names)
            raise CheckpointError(
                f"{self.path}: belongs to another training run ({differences}); "
                "delete it to start a new run, or choose another file."
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
