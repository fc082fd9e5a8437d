"""The training loop."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ispfit.backbone import Network
from ispfit.images import Image, ImagePairs
from ispfit.runtime import Runtime, keep_freed_memory, seeded
from ispfit.splits import evenly_spaced
from ispfit.training.checkpoint import Checkpoint
from ispfit.training.data import ImageLists
from ispfit.training.interrupts import interruptible
from ispfit.training.plan import TrainingPlan, TrainingRecord
from ispfit.training.progress import ProgressDisplay
from ispfit.training.run import TrainingRun

__all__ = ["OnEvaluation", "train"]

OnEvaluation: TypeAlias = Callable[[TrainingRecord, dict[str, Tensor]], bool]


def train(
    network: Network,
    inputs: Sequence[Image],
    targets: Sequence[Image],
    plan: TrainingPlan,
    runtime: Runtime,
    *,
    validation: ImageLists | None = None,
    checkpoint: Checkpoint | None = None,
    about: dict[str, Any] | None = None,
    progress_label: str | None = None,
    on_evaluation: OnEvaluation | None = None,
) -> TrainingRecord:
    """Train a network in place to map inputs to targets: Adam on the squared error (Nam & Kim 2017, Eq. 2, 4.3, 5.1).

    In a process group of torch.distributed each process computes its share of the images of a step, and all make the
    same update. The main process writes the checkpoint, from which any number of processes can continue.

    Parameters
    ----------
    network : moved to the runtime's device; it ends with the weights of the last step, or of the best evaluation if the
        validation pairs prove that it was better.
    inputs, targets : images, pair by pair.
    plan : the settings.
    runtime : where and how to compute.
    validation : inputs and targets to validate on; by default a share of the pairs, `validation_fraction`.
    checkpoint : where to write checkpoints, and to continue from if the file exists.
    about : further JSON data that must agree with the checkpoint, such as the settings of the backbone.
    progress_label : what to call the run in a progress bar on a terminal or in a notebook, and elsewhere in a line a
        minute; None shows neither.
    on_evaluation : called after each evaluation with the record and the weights to keep so far; training ends if it
        returns True.

    Raises
    ------
    TrainingError
        If the loss is not finite, or another process of the group has ended.
    CheckpointError
        If the checkpoint belongs to another run.
    KeyboardInterrupt
        On Ctrl-C, after the current step and after the checkpoint was written.
    """
    if network.has_closed_form:
        return _fit_in_closed_form(network, inputs, targets, runtime)
    network.to(runtime.device)
    keep_freed_memory()
    pairs = (inputs, targets)
    run = TrainingRun(network, pairs, validation, plan, runtime)
    identity = _identity(network, pairs, validation, plan, runtime) | (about or {})
    run.distributed.check_same(identity)
    checkpoint = checkpoint if run.distributed.is_main else None  # the others neither read nor write
    _resume(run, checkpoint, identity)
    display = ProgressDisplay(progress_label, plan.max_steps, run.local_step)
    with display, interruptible() as interrupted, seeded(plan.seed):
        while not run.done:
            run.step()
            if run.evaluation_is_due:
                run.evaluate()
                if on_evaluation and run.distributed.any(on_evaluation(run.record, run.kept)):
                    run.stop_early()
            display.step(run.progress_text)
            save_due = checkpoint is not None and checkpoint.due
            save, stop = run.distributed.all_reduce(save_due, interrupted.is_set())
            if save or stop or run.done:
                run.losses.read()
                if checkpoint:
                    checkpoint.write(run.progress(), identity)
            if stop:
                raise KeyboardInterrupt
    network.load_state_dict(run.kept)
    return run.record


def _fit_in_closed_form(
    network: Network, inputs: Sequence[Image], targets: Sequence[Image], runtime: Runtime
) -> TrainingRecord:
    """Fit on the CPU, where the small problems of a closed form are fastest; the model is the same on every device."""
    started = time.monotonic()
    network.cpu().fit_pairs(ImagePairs(inputs, targets))
    network.to(runtime.device)
    return TrainingRecord(len(inputs), 0, seconds=time.monotonic() - started, notes=network.notes())


def _identity(
    network: Network, pairs: ImageLists, validation: ImageLists | None, plan: TrainingPlan, runtime: Runtime
) -> dict[str, Any]:
    """Return everything that a run must share with its checkpoint, and with the other processes."""
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    return asdict(plan) | {
        "network": f"{type(network).__name__} of {n_weights} weights",
        "precision": str(runtime.dtype or torch.float32),
        "data": _digest(*pairs),
        "validation": _digest(*validation) if validation else None,
    }


def _digest(inputs: Sequence[Image], targets: Sequence[Image]) -> str:
    """Return a hash of the number of pairs and of a coarse grid of pixels of at most eight of them."""
    digest = hashlib.sha256(str(len(inputs)).encode())
    for index in evenly_spaced(len(inputs), 8):
        for image in (inputs[index], targets[index]):
            digest.update(str(image.shape).encode() + np.asarray(image)[::31, ::31].tobytes())
    return digest.hexdigest()[:16]


def _resume(run: TrainingRun, checkpoint: Checkpoint | None, identity: dict[str, Any]) -> None:
    """Restore the run from the main process's checkpoint, or write its first one."""
    saved = run.distributed.broadcast(checkpoint.read(identity, run.progress()) if checkpoint else None)
    if saved is not None:
        run.restore(saved)
    elif checkpoint:  # an unwritable folder is reported now, not after an hour
        checkpoint.write(run.progress(), identity)
