"""The runs of a comparison: each fits one backbone to one camera with one seed, and is done once."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ispfit.backbone import Backbone
from ispfit.comparison.data import Camera
from ispfit.errors import InputError, InputWarning, IspfitError, TrainingError
from ispfit.estimator import ISPModel
from ispfit.files import atomic_path, file_fingerprint
from ispfit.jobs import Outcome, run_jobs
from ispfit.plugins.manager import origin_of
from ispfit.training import TrainingPlan

__all__ = ["Budget", "Run", "run_all"]

_TRIAL, _MOST_TRIALS = 10, 640  # steps by which the time of a step is measured
_CLEAR = 0.25  # of the time that a fit takes to start: what steps must take to be told from it
_FORMAT = 2  # of the results
_CRASH = "ended its process: it crashed, or there was not enough memory."
_DAYS = 30 * 24 * 3600.0  # the longest that a run may take


@dataclass(frozen=True)
class Budget:
    """What each backbone may spend: the same windows seen, or the same wall time.

    Parameters
    ----------
    max_steps : training steps a direction, where `seconds` is None.
    seconds : wall time a direction; each backbone takes as many steps as it does in this time, measured on the
        machine on a few steps. Networks that fit themselves are not bound.
    learning_rate, batch_size, windows_per_image, window_size : as of `ispfit.ISPModel`.
    """

    max_steps: int = 1000
    seconds: float | None = None
    learning_rate: float = 2e-3
    batch_size: int = 4
    windows_per_image: int = 16
    window_size: int = 32

    def check(self) -> None:
        """Raise an `InputError` if a number is out of range."""
        names = ("learning_rate", "batch_size", "windows_per_image", "window_size")
        TrainingPlan(self.max_steps, validation_fraction=0, seed=0, **{name: getattr(self, name) for name in names})

    def about(self) -> dict[str, Any]:
        """What a run depends on."""
        return {name: value for name, value in asdict(self).items() if name != "max_steps" or self.seconds is None}

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
    code: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", _code(self.backbone))  # a worker does not see a script's text

    @property
    def name(self) -> str:
        """What the backbone is called."""
        return self.label or self.backbone.name

    def __str__(self) -> str:
        return f"{self.camera.name} {self.name} seed {self.seed}"

    @cached_property
    def key(self) -> str:
        """What tells this run from all others, data and the backbone's code included; in the names of its files.

        As they were when it was first asked for.
        """
        about = [_FORMAT, self.backbone.settings(), self.budget.about(), self.camera.stamp, self.code]
        about += [file_fingerprint(Path(value)) for value in self.backbone.settings().values() if _is_file(value)]
        digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=list).encode()).hexdigest()[:12]
        return f"{self.camera.name}-{self.name}-{self.seed}-{digest}".replace("/", "_").replace(" ", "_")

    def result(self, folder: Path) -> dict[str, Any] | None:
        """What came of the run, if it has been done."""
        try:
            found: dict[str, Any] = json.loads((folder / f"{self.key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found

    def do(self, folder: Path) -> dict[str, Any]:
        """Fit and test, going on from the run's checkpoint; the result is kept in `folder`.

        Raises
        ------
        IspfitError
            Whatever goes wrong: a backbone that somebody is working on does not end the others' runs.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InputWarning)  # the pairs were loaded before, and it was said
                return self._do(folder)
        except (IspfitError, OSError, MemoryError):
            raise
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise TrainingError(f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno}).") from error

    def _do(self, folder: Path) -> dict[str, Any]:
        fit, test = self.camera.load()
        model = self.budget.model(self.backbone, self.seed, self.device, self._steps(fit, folder))
        checkpoint = folder / f"{self.key}.checkpoint"
        model.fit(*fit, checkpoint=checkpoint)
        result = {
            "camera": self.camera.name,
            "backbone": self.name,
            "settings": self.backbone.settings(),
            "budget": self.budget.about(),
            "seed": self.seed,
            "n_fit": len(fit[0]),
            "seconds": sum(record.seconds for record in model.records_.values()),
            "weights": sum(tensor.numel() for tensor in model.networks_["forward"].state_dict().values()),
            "steps": {name: record.steps for name, record in model.records_.items()},
            "shots": self.camera.names(test[0]),
            "psnr": {
                direction: model.psnr(*test, direction=direction).tolist() for direction in ("forward", "inverse")
            },
        }
        with atomic_path(folder / f"{self.key}.json") as temporary:
            temporary.write_text(json.dumps(result, indent=1), encoding="utf-8")
        shutil.rmtree(checkpoint, ignore_errors=True)
        return result

    def _steps(self, fit: tuple[list[Any], list[Any]], folder: Path) -> int:
        """Training steps of each direction; those of a wall time are measured once, so that a stopped run can go on."""
        if self.budget.seconds is None or self.backbone.build().has_closed_form:
            return self.budget.max_steps
        measured = folder / f"{self.key}.steps"
        if not measured.exists():
            with atomic_path(measured) as temporary:
                temporary.write_text(str(max(1, round(self.budget.seconds / self._seconds_a_step(fit)))))
        return int(measured.read_text())

    def _seconds_a_step(self, fit: tuple[list[Any], list[Any]]) -> float:
        trial = self.budget.model(self.backbone, self.seed, self.device, 1).set_params(direction="forward")
        trial.fit(*fit)  # the first step is slower

        def seconds(steps: int) -> float:
            return float(trial.set_params(max_steps=steps).fit(*fit).records_["forward"].seconds)

        start, steps = seconds(1), _TRIAL
        while (took := seconds(1 + steps) - start) < _CLEAR * start and steps < _MOST_TRIALS:
            steps *= 4  # what they took may still be noise of the start, even less than nothing
            start = min(start, seconds(1))
        return max(took, _CLEAR * start) / steps


def _code(backbone: Backbone) -> str:
    """The distribution that a backbone came with, and the text of its module: results of another text are others."""
    try:
        text = Path(inspect.getfile(type(backbone))).read_text(encoding="utf-8")
    except (OSError, TypeError):  # of a notebook
        text = type(backbone).__qualname__
    return f"{origin_of(backbone.name)} {text}"


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_file()


def run_all(runs: Sequence[Run], folder: Path, jobs: int | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """Do the runs that have not been done; all results in the order of the runs, and what failed.

    Parameters
    ----------
    folder : where results and checkpoints are kept; a run that is there already is not done again.
    jobs : processes that share the cores; None is one after the other.
    """
    names = [str(run) for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"a comparison needs different names of cameras and of backbones; there are two {twice[0]!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    todo = [run for run in runs if run.result(folder) is None]
    outcome: Outcome[Any] = run_jobs(
        partial(Run.do, folder=folder),
        todo,
        jobs=jobs or 1,
        time_limit=_DAYS,
        label="comparing",
        unit="run",
        crash=_CRASH,
    )
    return [result for run in runs if (result := run.result(folder)) is not None], outcome.failures
