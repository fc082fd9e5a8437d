"""One training run: its state, a step, an evaluation."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import asdict, replace

import numpy as np
import numpy.typing as npt
import torch

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

__all__ = ["TrainingRun"]

_MAX_GRAD_NORM = 1.0
_VALIDATION_STEP = 2**31  # seeds the validation windows; above the number of any step


class TrainingRun:
    """A training run between two steps.

    Attributes
    ----------
    record : the course of the run so far.
    best : weights of the best evaluation so far.
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
        """Record training loss and validation PSNR, keep the best weights, end the run if patience is exhausted."""
        self.losses.read()
        total = sum(float(parameter.detach().sum()) for parameter in self.parameters)
        check_finite("sum of the weights", total, self.global_step, self.plan)
        loss, psnr, previous = float(np.mean(self.losses.values)), self._validation_psnr(), self.record.best_psnr
        self.losses.values.clear()
        self.record.steps = self.global_step
        self.record.history.append({"step": self.global_step, "loss": loss, "psnr": psnr})
        self.progress_text = {"train": f"{psnr_from_mse(loss):.2f} dB"}
        if psnr is not None:
            check_finite("validation PSNR", psnr, self.global_step, self.plan)
            self.progress_text["val"] = f"{psnr:.2f} dB"
        if psnr is None or previous is None or psnr > previous:
            self.best, self.record.best_step = deepcopy(self.network.state_dict()), self.global_step
        elif not self.done and self.global_step - self.record.best_step >= self.plan.patience:
            self.stop_early()
        self._take_time()

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
        (total,) = self.distributed.all_reduce(self._sum_of_psnrs(self.data.validation[own], positions[own]))
        return total / n_images

    def _sum_of_psnrs(self, images: npt.NDArray[np.int64], positions: npt.NDArray[np.float64]) -> float:
        self.network.eval()
        errors: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(images), self.plan.batch_size):
                part = slice(start, start + self.plan.batch_size)
                batch = self._gather(self.data.validation_pairs, Draw(images[part], positions[part]))
                errors += self.objective(batch).tolist()
        return sum(float(psnr_from_mse(error)) for error in errors)

    def progress(self) -> Progress:
        """Return the state of the run; pending losses must have been read."""
        self._take_time()
        return Progress(
            step=self.local_step,
            network=self.network.state_dict(),
            best=self.best,
            optimizer=self.optimizer.state_dict()["state"],
            record=asdict(self.record) | {"losses": self.losses.values},
            scaler=self.scaler.state_dict(),
            done=self.done,
            parameters=self.parameters,
        )

    def restore(self, saved: Progress) -> None:
        """Restore the state that `progress` returned."""
        self.local_step, self.best, self.done = saved.step, saved.best, saved.done
        record = dict(saved.record)
        self.losses.values = record.pop("losses")
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
