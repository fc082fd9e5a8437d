"""Runs: each is executed once, resumes, and fails alone."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ispfit import get_backbone
from ispfit.backbones.curve import Curve
from ispfit.backbones.mlp import MLP
from ispfit.comparison import Budget, PairSet, Run, RunResult, plan_runs, run_all
from ispfit.comparison.runs import _source
from ispfit.errors import InputError, TrainingError
from ispfit.estimator import ISPModel
from ispfit.training import TrainingRecord

SMALL_STEPS = {"batch_size": 2, "windows_per_image": 2, "window_size": 8}
BUDGET = Budget({"max_steps": 3, **SMALL_STEPS})


@pytest.fixture(scope="module")
def executed(pair_set: PairSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run], list[RunResult]]:
    folder = tmp_path_factory.mktemp("runs")
    runs = plan_runs([pair_set], {"mlp": MLP(4), "curve": Curve(8)}, BUDGET, n_seeds=2, device="cpu")
    results, failures = run_all(runs, folder)
    assert failures == []
    return folder, runs, results


def test_each_run_is_executed_once_and_kept(executed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, runs, results = executed
    assert len(list(folder.glob("*.json"))) == len(results) == 4
    assert not list(folder.glob("*.checkpoint"))
    monkeypatch.setattr(Run, "execute", lambda *_: 1 / 0)
    assert run_all(runs, folder) == (results, [])


def test_a_file_that_holds_no_result_is_no_result(executed: Any, tmp_path: Path) -> None:
    run = executed[1][0]
    for text in ("", "[]", '{"camera": "of an older format"}'):
        (tmp_path / f"{run.key}.json").write_text(text)
        assert run.result(tmp_path) is None


def test_another_budget_or_parameter_is_another_run(pair_set: PairSet) -> None:
    run = Run(pair_set, MLP(4), 0, BUDGET)
    others = [Run(pair_set, MLP(5), 0, BUDGET), Run(pair_set, MLP(4), 1, BUDGET), Run(pair_set, MLP(4), 0, Budget())]
    assert len({run.key, *(other.key for other in others)}) == 4
    with pytest.raises(
        InputError, match="expected different names of cameras and of backbones, got two runs 'virtual-b mlp seed 0'"
    ):
        run_all([run, run], Path("nowhere"))


def test_each_seed_draws_its_own_training_pairs(pair_set: PairSet, tmp_path: Path) -> None:
    few = replace(pair_set, n_fit=2)
    runs = plan_runs([few], {"curve": Curve(8)}, BUDGET, n_seeds=2, device="cpu")
    first, second = (run.execute(tmp_path) for run in runs)
    assert (first.n_fit, second.n_fit) == (2, 2)
    assert first.psnr["forward"] != second.psnr["forward"]
    fit, test = few.load(draw=1)
    model = ISPModel(Curve(8), validation_fraction=0, device="cpu").fit(*fit)
    assert second.psnr["forward"] == model.psnr(*test, direction="forward").tolist()


def test_a_budget_that_says_a_default_is_the_same_run(pair_set: PairSet) -> None:
    said = BUDGET.with_parameters(learning_rate=ISPModel().learning_rate)
    assert Run(pair_set, MLP(4), 0, said).key == Run(pair_set, MLP(4), 0, BUDGET).key


def test_a_budget_is_an_estimator_with_its_parameters() -> None:
    model = BUDGET.model("mlp", device="cpu")
    assert model.get_params(deep=False) == ISPModel(
        "mlp", max_steps=3, **SMALL_STEPS, validation_fraction=0, device="cpu"
    ).get_params(deep=False)
    assert Budget({"max_steps": 7}).settings()["max_steps"] == 7
    assert "max_steps" not in Budget({"max_steps": 7}, seconds=1.0).settings()
    with pytest.raises(InputError, match="batch_size: expected a whole number >= 1, got 0"):
        Budget({"batch_size": 0}).check()


def test_a_result_says_what_was_spent_and_how_each_shot_came_out(executed: Any) -> None:
    mlp, curve = executed[2][0], executed[2][2]
    assert mlp.steps == {"forward": 3, "inverse": 3}
    assert mlp.weights == 4 * 3 + 4 + 4 * 4 + 4 + 3 * 4 + 3
    assert curve.weights == 24
    assert mlp.n_fit == 8
    assert mlp.shots == curve.shots
    assert [len(values) for values in mlp.psnr.values()] == [2, 2]


def test_the_same_wall_time_is_as_many_steps_as_fit_in(
    pair_set: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def fit(self: Any, X: Any, Y: Any, **_: Any) -> Any:
        """A start of three seconds, and half a second a step."""
        steps.append(self.max_steps)
        self.records_ = {"forward": TrainingRecord(1, 0, seconds=3 + 0.5 * self.max_steps)}
        return self

    monkeypatch.setattr(ISPModel, "fit", fit)
    run = Run(pair_set, MLP(4), 0, Budget(SMALL_STEPS, seconds=60))
    assert run._steps(pair_set.load()[0], tmp_path) == 120
    assert run._steps(pair_set.load()[0], tmp_path) == 120, "measured once, so that a stopped run can resume"
    assert steps == [1, 1, 11]
    assert Run(pair_set, Curve(8), 0, Budget({"max_steps": 7}, seconds=60))._steps(pair_set.load()[0], tmp_path) == 7


def test_a_time_that_is_lost_in_noise_is_measured_on_more_steps(
    pair_set: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of a hundredth of a second; each fit starts in a second, but the first in two, as on a busy machine."""
    starts = iter([1.0, 2.0, *[1.0] * 9])

    def fit(self: Any, X: Any, Y: Any, **_: Any) -> Any:
        self.records_ = {"forward": TrainingRecord(1, 0, seconds=next(starts) + 0.01 * self.max_steps)}
        return self

    monkeypatch.setattr(ISPModel, "fit", fit)
    run = Run(pair_set, MLP(4), 0, Budget(seconds=60))
    assert 60 / 0.015 <= run._steps(pair_set.load()[0], tmp_path) <= 60 / 0.005


class Broken(MLP):
    """Fails when it is trained."""

    name = "broken"

    def initialise(self, network: Any, pairs: Any) -> None:
        raise KeyError("weight")


def test_a_backbone_that_fails_ends_no_other_run(pair_set: PairSet, tmp_path: Path) -> None:
    runs = plan_runs([pair_set], {"broken": Broken(4), "curve": Curve(8)}, BUDGET, device="cpu")
    results, failures = run_all(runs, tmp_path, n_jobs=2)
    assert [each.backbone for each in results] == ["curve"]
    assert len(failures) == 1
    assert re.match(r"virtual-b broken seed 0: KeyError: 'weight' \(.*test_runs\.py, line \d+\)", failures[0])


def test_a_run_that_was_stopped_resumes(pair_set: PairSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(pair_set, MLP(4), 0, Budget(SMALL_STEPS, seconds=0.4), "cpu")
    run._steps(pair_set.load()[0], tmp_path)
    psnr = ISPModel.psnr
    monkeypatch.setattr(ISPModel, "psnr", lambda *_, **__: 1 / 0)
    with pytest.raises(TrainingError, match="ZeroDivisionError"):
        run.execute(tmp_path)
    monkeypatch.setattr(ISPModel, "psnr", psnr)
    steps = run.execute(tmp_path).steps["forward"]
    assert steps == int((tmp_path / f"{run.key}.steps").read_text())
    assert run.result(tmp_path) is not None


def test_a_changed_module_of_a_plugin_s_package_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "itspackage"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from ispfit.backbones.curve import Curve\n\nclass Its(Curve):\n    name = 'its'\n"
    )
    (package / "part.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("ispfit.comparison.runs.origin_of", lambda name: "its 1.0")
    its = importlib.import_module("itspackage").Its()
    before = _source(its)
    (package / "part.py").write_text("VALUE = 2\n")
    assert _source(its) != before


def test_the_parts_of_a_built_in_backbone_are_its_source() -> None:
    assert "class SceneRegression" in _source(get_backbone("photofinish")())
    assert "class HistPyramid(" not in _source(get_backbone("photofinish")())


def test_a_variant_has_the_source_of_what_it_varies() -> None:
    assert "class MLP(" in _source(Broken(4))
    assert "class Broken(MLP)" in _source(Broken(4))
