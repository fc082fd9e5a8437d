"""The runs of a comparison: each fits one backbone to one camera with one seed, and is done once."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ispfit.backbone import Backbone
from ispfit.comparison.data import Camera
from ispfit.errors import InputError
from ispfit.estimator import ISPModel
from ispfit.files import atomic_path
from ispfit.jobs import Outcome, run_jobs

__all__ = ["Budget", "Run", "run_all"]

_TRIAL = 10  # steps by which the time of a step is measured
_DAYS = 30 * 24 * 3600.0  # the longest that a run may take


@dataclass(frozen=True)
class Budget:
    """What each backbone may spend: the same windows seen, or the same wall time.

    Parameters
    ----------
    max_steps : training steps a direction, where `seconds` is None.
    seconds : wall time a direction; each backbone takes as many steps as it does in this time, measured on the
        machine on a few steps. Networks that fit themselves are not bound.
    learning_rate, batch_size, windows_per_image, window_size : as of `ispfit.ISPModel`; the same for all.
    """

    max_steps: int = 1000
    seconds: float | None = None
    learning_rate: float = 2e-3
    batch_size: int = 4
    windows_per_image: int = 16
    window_size: int = 32

    def model(self, backbone: Backbone, seed: int, device: str, steps: int) -> ISPModel:
        """The estimator of a run; nothing is held out, so that all train to the end."""
        given = {name: value for name, value in asdict(self).items() if name not in ("max_steps", "seconds")}
        return ISPModel(backbone, max_steps=steps, validation_fraction=0, random_state=seed, device=device, **given)


@dataclass(frozen=True)
class Run:
    """One backbone, one camera, one seed.

    Parameters
    ----------
    label : what the backbone is called in tables, by default its name; variants of one backbone need one each.
    """

    camera: Camera
    backbone: Backbone
    seed: int
    budget: Budget
    device: str = "auto"
    label: str = ""

    @property
    def name(self) -> str:
        """What the backbone is called."""
        return self.label or self.backbone.name

    def __str__(self) -> str:
        return f"{self.camera.name} {self.name} seed {self.seed}"

    @property
    def key(self) -> str:
        """What tells this run from all others; in the names of its files."""
        settings = [self.backbone.settings(), asdict(self.budget), str(self.camera.pairs.resolve())]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=list).encode()).hexdigest()[:8]
        return f"{self.camera.name}-{self.name}-{self.seed}-{digest}".replace("/", "_").replace(" ", "_")

    def result(self, folder: Path) -> dict[str, Any] | None:
        """What came of the run, if it has been done."""
        try:
            found: dict[str, Any] = json.loads((folder / f"{self.key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    def do(self, folder: Path) -> dict[str, Any]:
        """Fit and test, going on from the run's checkpoint; the result is kept in `folder`."""
        fit, test = self.camera.load()
        steps = self.budget.max_steps if self.budget.seconds is None else self._steps_in(fit, self.budget.seconds)
        model = self.budget.model(self.backbone, self.seed, self.device, steps)
        started, checkpoint = time.monotonic(), folder / f"{self.key}.checkpoint"
        model.fit(*fit, checkpoint=checkpoint)
        seconds = time.monotonic() - started
        result = {
            "camera": self.camera.name,
            "backbone": self.name,
            "settings": self.backbone.settings(),
            "seed": self.seed,
            "n_fit": len(fit[0]),
            "seconds": seconds,
            "weights": sum(tensor.numel() for tensor in model.networks_["forward"].state_dict().values()),
            "steps": {name: record.steps for name, record in model.records_.items()},
            "shots": [image.shot.name for image in test[0]],
            "psnr": {
                direction: model.psnr(*test, direction=direction).tolist() for direction in ("forward", "inverse")
            },
        }
        with atomic_path(folder / f"{self.key}.json") as temporary:
            temporary.write_text(json.dumps(result, indent=1), encoding="utf-8")
        shutil.rmtree(checkpoint, ignore_errors=True)
        return result

    def _steps_in(self, fit: tuple[list[Any], list[Any]], seconds: float) -> int:
        if self.backbone.build().fits_pairs:
            return self.budget.max_steps
        trial = self.budget.model(self.backbone, self.seed, self.device, 1).set_params(direction="forward")
        trial.fit(*fit)  # the first step is slower
        started = time.monotonic()
        trial.set_params(max_steps=_TRIAL).fit(*fit)
        return max(1, round(seconds * _TRIAL / (time.monotonic() - started)))


def run_all(runs: Sequence[Run], folder: Path, jobs: int | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """Do the runs that have not been done; all results in the order of the runs, and what failed.

    Parameters
    ----------
    folder : where results and checkpoints are kept; a run that is there already is not done again.
    jobs : processes that share the cores; None is one after the other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [run.key for run in runs]
    if len(set(names)) < len(names):
        raise InputError("a comparison needs cameras of different names; rename a folder.")
    todo = [run for run in runs if run.result(folder) is None]
    outcome: Outcome[Any] = run_jobs(
        partial(Run.do, folder=folder), todo, jobs=jobs or 1, time_limit=_DAYS, label="comparing", unit="run"
    )
    return [result for run in runs if (result := run.result(folder)) is not None], outcome.failures
