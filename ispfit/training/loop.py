"""The training loop."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ispfit.backbone import Network
from ispfit.errors import TrainingError
from ispfit.images import Image, ImagePairs, shots_of
from ispfit.metrics import psnr_from_mse
from ispfit.runtime import Runtime, keep_freed_memory, seeded
from ispfit.training.checkpoint import Checkpoint, Progress
from ispfit.training.interrupts import interruptible
from ispfit.training.objective import Objective
from ispfit.training.plan import TrainingPlan, TrainingRecord
from ispfit.training.ranks import Ranks
from ispfit.training.resident import ResidentImages
from ispfit.training.sampling import Batch, Draw, draw_windows, gather, split_pairs

__all__ = ["OnEvaluation", "train"]

OnEvaluation: TypeAlias = Callable[[TrainingRecord, dict[str, Tensor]], bool]

_CLIP = 1.0
_UNREAD = {"cpu": 1, "cuda": 32}  # losses that wait on the device: to read one, all work there must be done
_VALIDATION_SEED = 2**31


def train(
    network: Network,
    inputs: Sequence[Image],
    targets: Sequence[Image],
    plan: TrainingPlan,
    runtime: Runtime,
    *,
    checkpoint: Checkpoint | None = None,
    about: dict[str, Any] | None = None,
    label: str = "",
    verbose: bool = False,
    on_evaluation: OnEvaluation | None = None,
) -> TrainingRecord:
    """Train a network, in place, to map inputs to targets by Adam on the l2 error (Nam & Kim 2017, Eq. 2, 4.3, 5.1).

    Where a process group of torch.distributed is initialised, its processes share the images of each step and move
    alike; the first writes the checkpoint, which any number of processes can go on from.

    Parameters
    ----------
    network : on the runtime's device; it ends with the weights of the best evaluation.
    inputs, targets : images, pair by pair.
    plan : the settings.
    runtime : where and how to compute.
    checkpoint : where to continue from, if it exists, and to write to.
    about : what else a run must share with its checkpoint, such as the settings of its backbone; JSON values.
    label : what the progress bar is called.
    verbose : show a progress bar if the standard error is a terminal.
    on_evaluation : called after each evaluation with the record and the best weights so far; where it returns True
        the run ends, as where patience does.

    Raises
    ------
    TrainingError
        If the loss is not finite, or another process of the group has ended.
    CheckpointError
        If the checkpoint belongs to another run.
    KeyboardInterrupt
        On Ctrl-C, between two steps, after the checkpoint was written.
    """
    if network.has_closed_form:
        return _fit_directly(network, inputs, targets)
    keep_freed_memory()
    run = _Run(network, inputs, targets, plan, runtime)
    weights = sum(parameter.numel() for parameter in network.parameters())
    identity = plan.as_dict() | {
        "network": f"{type(network).__name__} of {weights} weights",
        "precision": str(runtime.dtype or torch.float32),
        "data": _digest(inputs, targets),
    }
    identity |= about or {}
    run.ranks.check_same(identity)
    saved = run.ranks.shared(checkpoint.read(identity) if checkpoint and run.ranks.leads else None)
    if saved is not None:
        run.restore(saved)
    elif checkpoint and run.ranks.leads:  # a folder that cannot be written to is found out now, not in an hour
        checkpoint.write(run.progress(), identity)
    with _bar(run, plan, label, verbose) as bar, interruptible() as interrupted, seeded(plan.seed):
        while not run.done:
            run.step()
            if on_evaluation and run.evaluated and run.ranks.any(on_evaluation(run.record, run.best)):
                run.done = run.record.stopped_early = True
            bar.update()
            bar.set_postfix(run.news, refresh=False)
            due = checkpoint is not None and checkpoint.due
            n_due, n_interrupted = run.ranks.total(float(due and run.ranks.leads), float(interrupted.is_set()))
            if run.done or n_due or n_interrupted:
                run.read_losses()
                if checkpoint and run.ranks.leads:
                    checkpoint.write(run.progress(), identity)
            if n_interrupted:
                raise KeyboardInterrupt
    network.load_state_dict(run.best)
    return run.record


class _Run:
    """A training run between two steps."""

    def __init__(
        self, network: Network, inputs: Sequence[Image], targets: Sequence[Image], plan: TrainingPlan, runtime: Runtime
    ) -> None:
        self.network, self.plan, self.runtime = network, plan, runtime
        self.pairs = (ResidentImages(inputs, runtime.device), ResidentImages(targets, runtime.device))
        self.ranks = Ranks.current()
        self.ranks.check_batch(plan.batch_size)
        network.load_state_dict(self.ranks.shared(network.state_dict()))  # what was fitted may be rounded otherwise
        self.training, self.validation = split_pairs([shot.scene for shot in shots_of(inputs)], plan)
        start = plan.first_step
        self.record = TrainingRecord(len(self.training), len(self.validation), steps=start, best_step=start)
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.objective = Objective(network, runtime)
        self.shared_objective = self.ranks.share(self.objective)
        self.optimizer = torch.optim.Adam(self.parameters, plan.learning_rate, fused=runtime.device.type == "cuda")
        self.scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.scales_gradients)
        self.best = deepcopy(network.state_dict())
        self.at = 0
        self.losses: list[float] = []
        self.unread: list[tuple[int, Tensor]] = []
        self.news: dict[str, str] = {}
        self.done = plan.max_steps == 0
        self._started = time.monotonic()

    @property
    def evaluated(self) -> bool:
        """Whether the last step ended with an evaluation."""
        return bool(self.record.history) and self.record.history[-1]["step"] == self.number

    @property
    def number(self) -> int:
        """The next step, counted from the start of the first run."""
        return self.plan.first_step + self.at

    def step(self) -> None:
        """Draw windows, go forward, go backward, move; evaluate when it is time."""
        plan, number = self.plan, self.number
        torch.manual_seed(hash((plan.seed, number)) & 0x7FFFFFFF)  # for networks that draw random numbers
        draw = draw_windows(
            len(self.training), number, plan, self.ranks.rank, self.ranks.world, self.network.samples_per_window
        )
        self.network.train()
        batch = self._gather(replace(draw, images=self.training[draw.images]))
        self.optimizer.zero_grad()
        with self.ranks.exchanging():
            loss = self.shared_objective(batch).sum() / plan.batch_size
        self.unread.append((number, loss.detach()))
        if len(self.unread) >= _UNREAD.get(self.runtime.device.type, _UNREAD["cuda"]):
            self.read_losses()
        with self.ranks.exchanging():  # each parameter gets the mean of its gradients in all processes
            self.scaler.scale(loss * self.ranks.world).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, _CLIP)
        self.optimizer.param_groups[0]["lr"] = plan.rate(self.at)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.at += 1
        self.done = self.at >= plan.max_steps
        if self.done or self.at % plan.validate_every == 0:
            self._evaluate()

    def _gather(self, draw: Draw) -> Batch:
        return gather(self.pairs, draw, self.network, self.plan.window_size, self.runtime.device)

    def read_losses(self) -> None:
        """Wait for the device, and see whether the losses of the last steps are finite; all ranks together."""
        if not self.unread:
            return
        steps, losses = zip(*self.unread, strict=True)
        self.unread = []
        for step, value in zip(steps, self.ranks.total(*torch.stack(losses).double().tolist()), strict=True):
            self.losses.append(value)
            self._check_finite("loss", value, step)

    def _evaluate(self) -> None:
        """Note the loss and the PSNR on the validation windows; keep the best weights; stop when they stay the best."""
        self.read_losses()
        self._check_finite("sum of the weights", sum(float(weight.detach().sum()) for weight in self.parameters))
        loss, psnr = float(np.mean(self.losses)), self._validation_psnr()
        previous = self.record.best_psnr
        self.record.history.append({"step": self.number, "loss": loss, "psnr": psnr})
        self.losses.clear()
        self.record.steps = self.number
        self.news = {"train": f"{psnr_from_mse(loss):.2f} dB"}
        if psnr is not None:
            self._check_finite("validation PSNR", psnr)
            self.news["val"] = f"{psnr:.2f} dB"
        if psnr is None or previous is None or psnr > previous:
            self.best, self.record.best_step = deepcopy(self.network.state_dict()), self.number
        elif not self.done and self.number - self.record.best_step >= self.plan.patience:
            self.done = self.record.stopped_early = True
        self.record.seconds += time.monotonic() - self._started
        self._started = time.monotonic()

    def _check_finite(self, name: str, value: float, step: int | None = None) -> None:
        if not np.isfinite(value):
            step = self.number if step is None else step
            raise TrainingError(
                f"the {name} is {value} at step {step}; lower learning_rate ({self.plan.learning_rate:g})."
            )

    def _validation_psnr(self) -> float | None:
        """Mean PSNR over the validation images, on the same windows each time."""
        if not len(self.validation):
            return None
        self.network.eval()
        places = np.random.default_rng([self.plan.seed, _VALIDATION_SEED]).random(
            (len(self.validation), self.plan.windows_per_image, 2)
        )
        mine = slice(self.ranks.rank, None, self.ranks.world)
        images, places = self.validation[mine], places[mine]
        errors: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(images), self.plan.batch_size):
                part = slice(start, start + self.plan.batch_size)
                errors += self.objective(self._gather(Draw(images[part], places[part]))).tolist()
        (total,) = self.ranks.total(sum(float(psnr_from_mse(error)) for error in errors))
        return total / len(self.validation)

    def progress(self) -> Progress:
        """Everything that the rest of the run depends on, the losses having been read."""
        self.record.seconds += time.monotonic() - self._started
        self._started = time.monotonic()
        record = self.record.as_dict() | {"losses": self.losses}
        state = self.optimizer.state_dict()["state"]
        scaler = self.scaler.state_dict()
        return Progress(self.at, self.network.state_dict(), self.best, state, record, scaler, self.done)

    def restore(self, saved: Progress) -> None:
        """Become the run that `progress` told of."""
        self.at, self.best, self.done = saved.step, saved.best, saved.done
        self.losses = saved.record.pop("losses")
        self.record = TrainingRecord(**saved.record)
        self.network.load_state_dict(saved.network)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": saved.optimizer, "param_groups": groups})
        if saved.scaler:
            self.scaler.load_state_dict(saved.scaler)


def _fit_directly(network: Network, inputs: Sequence[Image], targets: Sequence[Image]) -> TrainingRecord:
    started = time.monotonic()
    network.fit_pairs(ImagePairs(inputs, targets))
    return TrainingRecord(len(inputs), 0, seconds=time.monotonic() - started)


def _digest(inputs: Sequence[Image], targets: Sequence[Image]) -> str:
    """A fingerprint of the pairs: how many there are, and a thin grid of pixels of a few of them."""
    digest = hashlib.sha256(str(len(inputs)).encode())
    for index in np.unique(np.linspace(0, len(inputs) - 1, 8).astype(int)):
        for image in (inputs[int(index)], targets[int(index)]):
            digest.update(str(image.shape).encode() + np.asarray(image)[::31, ::31].tobytes())
    return digest.hexdigest()[:16]


def _bar(run: _Run, plan: TrainingPlan, label: str, verbose: bool) -> Any:
    return tqdm(
        total=plan.max_steps, initial=run.at, desc=label, unit="step", disable=None if verbose else True, leave=True
    )
