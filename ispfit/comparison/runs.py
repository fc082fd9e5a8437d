"""The runs of a comparison: each fits one backbone to one pair set with one seed, and is executed once."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ispfit.backbone import Backbone
from ispfit.comparison.budget import Budget
from ispfit.comparison.pair_sets import Pairs, PairSet
from ispfit.comparison.results import RunResult
from ispfit.directions import DIRECTIONS
from ispfit.errors import InputError, InputWarning, IspfitError, TrainingError
from ispfit.estimator import ISPModel
from ispfit.files import atomic_path, file_fingerprint, make_folder
from ispfit.jobs import run_jobs
from ispfit.plugins.manager import origin_of

__all__ = ["Run", "plan_runs", "run_all"]

_RESULT_FORMAT = 3
_MIN_TIMED_STEPS, _MAX_TIMED_STEPS = 10, 640
_MIN_TIMED_SHARE = 0.25  # of the start-up time: steps that take less time are lost in its noise
_MAX_RUN_SECONDS = 30 * 24 * 3600.0
_CRASH_MESSAGE = "the worker process died: it crashed, or memory ran out."


@dataclass
class Run:
    """One backbone, one pair set, one seed.

    Parameters
    ----------
    pair_set : PairSet
        The training and test pairs.
    backbone : Backbone
        The backbone to fit in both directions.
    seed : int
        Random state of the estimator, and number of the draw if `pair_set` draws training pairs.
    budget : Budget
        The training of each direction.
    device : str
        `device` of `ispfit.ISPModel`.
    label : str
        Name of the backbone in tables, by default `backbone.name`. Variants of one backbone need different labels.
    """

    pair_set: PairSet
    backbone: Backbone
    seed: int
    budget: Budget
    device: str = "auto"
    label: str = ""
    source: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.label = self.label or self.backbone.name
        self.source = _source(self.backbone)  # read here: a worker process cannot find the source of a script

    def __str__(self) -> str:
        return f"{self.pair_set.name} {self.label} seed {self.seed}"

    @cached_property
    def key(self) -> str:
        """Name of the run's files: it changes with the pairs, the budget, the backbone's parameters and its source.

        Cached: files that change while the run is executed do not rename its result.
        """
        about = [_RESULT_FORMAT, self.backbone.settings(), self.budget.settings(), self.pair_set.fingerprint]
        about += [self.source]
        about += [file_fingerprint(Path(value)) for value in self.backbone.settings().values() if _is_file(value)]
        digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=list).encode()).hexdigest()[:12]
        return f"{self.pair_set.name}-{self.label}-{self.seed}-{digest}".replace("/", "_").replace(" ", "_")

    def result(self, folder: Path) -> RunResult | None:
        """Return the result in `folder`, or None if the run has not been executed."""
        return RunResult.read(folder / f"{self.key}.json")

    def fitted_model(self, folder: Path) -> ISPModel:
        """Return the model of the run from its file in `folder`; fit it and write the file if there is none."""
        file = folder / f"{self.key}.ispfit"
        if not file.exists():
            self.fit(self.pair_set.load(draw=self.seed)[0], folder).save(file)
        return ISPModel.load(file, device=self.device)

    def execute(self, folder: Path) -> RunResult:
        """Fit and test; resume from the run's checkpoint in `folder`, and write the result there.

        Raises
        ------
        IspfitError
            If the run fails for any reason: a backbone that is still in development does not stop the other runs.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", InputWarning)  # reported when the pairs were first loaded
                return self._execute(folder)
        except (IspfitError, OSError, MemoryError):
            raise
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            raise TrainingError(f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno}).") from error

    def fit(self, pairs: Pairs, folder: Path) -> ISPModel:
        """Return the model, fitted to pairs; resume from the run's checkpoint in `folder`."""
        model = self._model(self._steps(pairs, folder))
        model.fit(*pairs, checkpoint=self._checkpoint(folder))
        return model

    def _checkpoint(self, folder: Path) -> Path:
        return folder / f"{self.key}.checkpoint"

    def _execute(self, folder: Path) -> RunResult:
        fit, test = self.pair_set.load(draw=self.seed)
        model = self.fit(fit, folder)
        result = RunResult(
            camera=self.pair_set.name,
            backbone=self.label,
            settings=self.backbone.settings(),
            budget=self.budget.settings(),
            seed=self.seed,
            n_fit=len(fit[0]),
            seconds=sum(record.seconds for record in model.records_.values()),
            weights=sum(tensor.numel() for tensor in model.networks_["forward"].state_dict().values()),
            steps={name: record.steps for name, record in model.records_.items()},
            shots=self.pair_set.names(test[0]),
            psnr={direction: model.psnr(*test, direction=direction).tolist() for direction in DIRECTIONS},
        )
        result.write(folder / f"{self.key}.json")
        shutil.rmtree(self._checkpoint(folder), ignore_errors=True)
        return result

    def _model(self, max_steps: int, **parameters: Any) -> ISPModel:
        parameters |= {"max_steps": max_steps, "random_state": self.seed, "device": self.device}
        return self.budget.model(self.backbone, **parameters)

    def _steps(self, fit: Pairs, folder: Path) -> int:
        """Return the number of steps per direction; for a wall time it is measured once and kept for a resumed run."""
        if self.budget.seconds is None or self.backbone.build().has_closed_form:
            return int(self.budget.model().max_steps)
        measured = folder / f"{self.key}.steps"
        if not measured.exists():
            with atomic_path(measured) as temporary:
                temporary.write_text(str(max(1, round(self.budget.seconds / self._seconds_per_step(fit)))))
        return int(measured.read_text())

    def _seconds_per_step(self, fit: Pairs) -> float:
        trial = self._model(1, direction="forward")
        trial.fit(*fit)  # the first step of a process is slower

        def seconds(max_steps: int) -> float:
            return float(trial.set_params(max_steps=max_steps).fit(*fit).records_["forward"].seconds)

        start_up, steps = seconds(1), _MIN_TIMED_STEPS
        while (timed := seconds(1 + steps) - start_up) < _MIN_TIMED_SHARE * start_up and steps < _MAX_TIMED_STEPS:
            steps *= 4
            start_up = min(start_up, seconds(1))
        return max(timed, _MIN_TIMED_SHARE * start_up) / steps


def _source(backbone: Backbone) -> str:
    """Return the distribution and the source of a backbone, so that changed code invalidates results.

    It is that of its module and of the modules that it is made of: the parts of the built-ins, the whole package of a
    plugin, and the same of each backbone that it is a variant of.
    """
    kinds = [kind for kind in type(backbone).__mro__ if issubclass(kind, Backbone) and kind is not Backbone]
    try:
        files = {file for kind in kinds for file in _source_files(kind)}
        text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(files))
    except (OSError, TypeError):  # a class of a notebook
        text = type(backbone).__qualname__
    return f"{origin_of(backbone.name)} {text}"


def _source_files(kind: type[Backbone]) -> set[Path]:
    module = Path(inspect.getfile(kind))
    in_package = (module.parent / "__init__.py").exists()
    shared = "parts/*.py" if kind.__module__.startswith("ispfit.") else "**/*.py"
    return {module, *(module.parent.glob(shared) if in_package else ())}


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_file()


def plan_runs(
    pair_sets: Sequence[PairSet],
    backbones: Mapping[str, Backbone],
    budgets: Budget | Mapping[str, Budget],
    *,
    n_seeds: int = 1,
    device: str = "auto",
) -> list[Run]:
    """Return the runs of all backbones on all pair sets.

    Parameters
    ----------
    pair_sets : sequence of PairSet
        The pairs of each camera.
    backbones : dict of str to Backbone
        The backbones, by their names in tables.
    budgets : Budget, or dict of str to Budget
        One budget for all backbones, or the budget of each.
    n_seeds : int
        Number of runs of each backbone on each pair set; their seeds count from 0.
    device : str
        `device` of `ispfit.ISPModel`.
    """
    each = dict.fromkeys(backbones, budgets) if isinstance(budgets, Budget) else budgets
    return [
        Run(pair_set, backbone, seed, each[label], device, label)
        for pair_set in pair_sets
        for label, backbone in backbones.items()
        for seed in range(n_seeds)
    ]


def run_all(runs: Sequence[Run], folder: Path, n_jobs: int | None = None) -> tuple[list[RunResult], list[str]]:
    """Execute the runs that have no result yet; return all results in the order of the runs, and the failures.

    Parameters
    ----------
    runs : sequence of Run
        Runs of different names.
    folder : Path
        Where results and checkpoints are kept.
    n_jobs : int, optional
        Number of processes; they share the cores. None executes one run at a time.
    """
    names = [str(run) for run in runs]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise InputError(f"expected different names of cameras and of backbones, got two runs {duplicates[0]!r}.")
    make_folder(folder)
    todo = [run for run in runs if run.result(folder) is None]
    failures = run_jobs(
        partial(Run.execute, folder=folder),
        todo,
        n_jobs=n_jobs or 1,
        time_limit=_MAX_RUN_SECONDS,
        label="comparing",
        unit="run",
        crash_message=_CRASH_MESSAGE,
    ).failures
    return [result for run in runs if (result := run.result(folder)) is not None], failures
