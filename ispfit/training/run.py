"""One training run: its state, a step, an evaluation."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.backbone import Network
from ispfit.metrics import psnr_from_mse
from ispfit.runtime import Runtime
from ispfit.training.checkpoint import Progress
from ispfit.training.data import ImageLists, TrainingData
from ispfit.training.distributed import Distributed
from ispfit.training.losses import StepLosses, check_finite
from ispfit.training.objective import Objective
from ispfit.training.plan import TrainingPlan, TrainingRecord
from ispfit.training.sampling import Batch, Draw, Pairs, draw_windows, gather
from ispfit.training.stopping import Verdict, judge

__all__ = ["TrainingRun"]

_MAX_GRAD_NORM = 1.0
_VALIDATION_STEP = 2**31  # seeds the validation windows; above the number of any step


class TrainingRun:
    """A training run between two steps.

    Attributes
    ----------
    record : the course of the run so far.
    best : weights of the best evaluation so far, by the mean of several evaluations.
    scene_psnrs : validation PSNR of each evaluation and scene in dB.
    local_step : number of completed steps of this run.
    done : whether the run has ended.
    progress_text : the last evaluation, for a progress bar.
    """

    def __init__(
        self, network: Network, pairs: ImageLists, validation: ImageLists | None, plan: TrainingPlan, runtime: Runtime
    ) -> None:
        self.network, self.plan, self.runtime = network, plan, runtime
        self.distributed = Distributed.current()
        self.distributed.check_batch_size(plan.batch_size)
        # Initial weights fitted by least squares may differ in their last bits between processes.
        network.load_state_dict(self.distributed.broadcast(network.state_dict()))

        self.data = TrainingData(pairs, validation, plan, runtime.device)
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.objective = Objective(network, runtime)
        self.parallel_objective = self.distributed.wrap(self.objective)
        self.optimizer = torch.optim.Adam(self.parameters, plan.learning_rate, fused=runtime.device.type == "cuda")
        self.scaler = torch.amp.GradScaler(runtime.device.type, enabled=runtime.scales_gradients)

        start = plan.first_step
        self.record = TrainingRecord(len(self.data.training), len(self.data.validation), steps=start, best_step=start)
        self.losses = StepLosses(plan, self.distributed, runtime.device)
        self.best = deepcopy(network.state_dict())
        self.scene_psnrs: list[list[float]] = []
        self.local_step = 0
        self.done = plan.max_steps == 0
        self.progress_text: dict[str, str] = {}
        self._started = time.monotonic()

    @property
    def global_step(self) -> int:
        """Number of completed steps, including those of earlier runs that a warm start continued."""
        return self.plan.first_step + self.local_step

    @property
    def evaluation_is_due(self) -> bool:
        """Whether the last step ends an interval between two evaluations."""
        return self.done or self.local_step % self.plan.validate_every == 0

    def step(self) -> None:
        """Make one training step."""
        plan = self.plan

        # sample
        batch = self._sample()

        # forward: a process has its share of the images, the divisor counts them all
        self.network.train()
        self.optimizer.zero_grad()
        loss = self.parallel_objective(batch).sum() / plan.batch_size
        self.losses.add(self.global_step, loss)

        # backward
        self.distributed.backward(self.scaler.scale(loss))

        # update
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, _MAX_GRAD_NORM)
        self.optimizer.param_groups[0]["lr"] = plan.rate(self.local_step)
        self.scaler.step(self.optimizer)
        self.scaler.update()

        self.local_step += 1
        self.done = self.local_step >= plan.max_steps

    def _sample(self) -> Batch:
        """Draw and cut the windows of the next step; seed the random numbers of networks that draw any."""
        step, plan = self.global_step, self.plan
        torch.manual_seed(hash((plan.seed, step)) & 0x7FFFFFFF)
        rank, world_size = self.distributed.rank, self.distributed.world_size
        draw = draw_windows(len(self.data.training), step, plan, rank, world_size, self.network.samples_per_window)
        return self._gather(self.data.pairs, replace(draw, images=self.data.training[draw.images]))

    def _gather(self, pairs: Pairs, draw: Draw) -> Batch:
        return gather(pairs, draw, self.network, self.plan.window_size, self.runtime.device)

    def evaluate(self) -> None:
        """Record training loss and validation PSNR, and end the run if it evidently got worse at a low rate."""
        self.losses.read()
        total = sum(float(parameter.detach().sum()) for parameter in self.parameters)
        check_finite("sum of the weights", total, self.global_step, self.plan)
        loss, psnr = float(np.mean(self.losses.values)), self._validation_psnr()
        self.losses.values.clear()
        self.record.steps = self.global_step
        self.record.history.append({"step": self.global_step, "loss": loss, "psnr": psnr})
        self.progress_text = {"train": f"{psnr_from_mse(loss):.2f} dB"}
        if psnr is not None:
            check_finite("validation PSNR", psnr, self.global_step, self.plan)
            self.progress_text["val"] = f"{psnr:.2f} dB"
        self.record.best_step = self.global_step
        if verdict := self._verdict():
            if verdict.best == len(self.scene_psnrs) - 1:
                self.best = deepcopy(self.network.state_dict())
            if verdict.is_worse:
                self.record.best_step = int(self.record.history[verdict.best]["step"] or 0)
                if not self.done and self.plan.rate_has_fallen(self.local_step):
                    self.stop_early()
        self._take_time()

    def _verdict(self) -> Verdict | None:
        return judge(self.scene_psnrs) if self.scene_psnrs else None

    @property
    def kept(self) -> dict[str, Tensor]:
        """The weights of the last evaluation, or of the best one if the last is evidently worse."""
        verdict = self._verdict()
        return self.best if verdict and verdict.is_worse else self.network.state_dict()

    def stop_early(self) -> None:
        """End the run before its last step."""
        self.done = self.record.stopped_early = True

    def _validation_psnr(self) -> float | None:
        """Return the mean PSNR in dB over the validation images, on the same windows in every evaluation."""
        n_images = len(self.data.validation)
        if not n_images:
            return None
        rng = np.random.default_rng([self.plan.seed, _VALIDATION_STEP])
        positions = rng.random((n_images, self.plan.windows_per_image, 2))
        own = slice(self.distributed.rank, None, self.distributed.world_size)
        psnrs = np.zeros(n_images)
        psnrs[own] = self._psnrs(self.data.validation[own], positions[own])
        psnrs = np.array(self.distributed.all_reduce(*psnrs.tolist()))  # each image is of one process
        scenes = self.data.validation_scenes
        self.scene_psnrs.append((np.bincount(scenes, psnrs) / np.bincount(scenes)).tolist())
        return float(psnrs.mean())

    def _psnrs(self, images: npt.NDArray[np.int64], positions: npt.NDArray[np.float64]) -> list[float]:
        self.network.eval()
        errors: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(images), self.plan.batch_size):
                part = slice(start, start + self.plan.batch_size)
                batch = self._gather(self.data.validation_pairs, Draw(images[part], positions[part]))
                errors += self.objective(batch).tolist()
        return [float(psnr_from_mse(error)) for error in errors]

    def progress(self) -> Progress:
        """Return the state of the run; pending losses must have been read."""
        self._take_time()
        return Progress(
            step=self.local_step,
            network=self.network.state_dict(),
            best=self.best,
            optimizer=self.optimizer.state_dict()["state"],
            record=asdict(self.record) | {"losses": self.losses.values, "scene_psnrs": self.scene_psnrs},
            scaler=self.scaler.state_dict(),
            done=self.done,
            parameters=self.parameters,
            n_scenes=len(np.unique(self.data.validation_scenes)),
        )

    def restore(self, saved: Progress) -> None:
        """Restore the state that `progress` returned."""
        self.local_step, self.best, self.done = saved.step, saved.best, saved.done
        record = dict(saved.record)
        self.losses.values = record.pop("losses")
        self.scene_psnrs = record.pop("scene_psnrs")
        self.record = TrainingRecord.from_dict(record)
        self.network.load_state_dict(saved.network)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": saved.optimizer, "param_groups": groups})
        if saved.scaler:
            self.scaler.load_state_dict(saved.scaler)

    def _take_time(self) -> None:
        """Add the time since the last call to the record."""
        now = time.monotonic()
        self.record.seconds += now - self._started
        self._started = now
