"""A budget of time: how many steps it buys, when they are known, and that a resumed fit keeps them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import LeastSquares, Line, quick, same, toy_pairs

from ispfit import ISPModel
from ispfit.errors import CheckpointError, InputError
from ispfit.estimator import schedule
from ispfit.estimator.schedule import check_budget
from ispfit.training import TrainingPlan, TrainingSpeed, steps_within

PLAN = TrainingPlan(1, 1e-3, 4, 16, 32, 0, seed=0)


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which a forward step takes 0.1 s and an inverse one 0.2 s, and no time passes in between."""
    found = iter(range(10**6))

    def measured(*arguments: Any) -> TrainingSpeed:
        return TrainingSpeed((0.1, 0.2)[next(found) % 2])

    monkeypatch.setattr(schedule, "measure_speed", measured)
    monkeypatch.setattr(schedule.time, "monotonic", lambda: 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit that begins at the time 0, as far as the budget is concerned."""
    from ispfit.estimator import model

    monkeypatch.setattr(model.time, "monotonic", lambda: 0.0)


@pytest.mark.parametrize("budget", ["5 mins", "5m", "-3s", "", " ", "min", 0, -1, np.inf, np.nan, True, [5], "1s1h"])
def test_a_budget_that_is_no_time_is_named(budget: Any) -> None:
    message = f"budget: expected a time such as '90s', '5min' or '1h30min', or seconds > 0, got {budget!r}."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        quick(budget=budget).fit(*toy_pairs())


def test_numbers_of_numpy_are_seconds() -> None:
    assert check_budget(np.int64(90)) == check_budget("1.5min") == 90


def test_evaluations_take_their_part_of_the_time() -> None:
    """400 steps of 0.1 s and 40 evaluations of 0.5 s take 60 s."""
    plan = TrainingPlan(400, 1e-3, 4, 16, 32, 0, seed=0)
    assert TrainingSpeed(0.1, 0.5).seconds(plan) == pytest.approx(60)
    assert steps_within(60, [TrainingSpeed(0.1, 0.5)], plan) == 400


def test_a_budget_that_is_too_short_buys_one_step() -> None:
    assert steps_within(0.01, [TrainingSpeed(0.1)], PLAN) == steps_within(-1, [TrainingSpeed(0.1)], PLAN) == 1


@pytest.mark.usefixtures("speeds", "clock")
def test_a_budget_is_shared_by_both_directions(capsys: pytest.CaptureFixture[str]) -> None:
    """0.3 s for a step in both directions: 3 s are ten steps in each."""
    model = quick(Line(), budget="3s", max_steps=7, verbose=1).fit(*toy_pairs())
    assert {record.steps for record in model.records_.values()} == {10}
    assert capsys.readouterr().err == (
        "line: 10 steps in each direction (forward and inverse) fit into 3 s; about 3 s of training on this machine\n"
    )


def test_a_budget_gives_the_model_of_as_many_steps() -> None:
    """Measuring draws no random numbers of the fit and trains no weight."""
    model = quick(Line(), budget=0.2, direction="forward").fit(*toy_pairs())
    steps = model.records_["forward"].steps
    assert steps >= 1
    assert same(model, quick(Line(), max_steps=steps, direction="forward").fit(*toy_pairs()))


@pytest.mark.usefixtures("speeds")
def test_the_estimate_stands_before_the_first_step(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []

    class Stopped(Exception): ...

    class Watch:
        def setup(self, estimator: Any, context: Any) -> None: ...

        def teardown(self, estimator: Any, context: Any) -> None: ...

        def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
            told.append(capsys.readouterr().err)
            raise Stopped

        def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
            return False

    with pytest.raises(Stopped):
        quick(Line(), max_steps=1000, verbose=1).set_callbacks(Watch()).fit(*toy_pairs())
    assert told[0] == (
        "line: 1000 steps in each direction (forward and inverse); about 5 min of training on this machine\n"
    )


@pytest.mark.parametrize(("verbose", "max_steps"), [(0, 150), (1, 99)])
def test_a_quiet_or_short_fit_is_not_measured(
    verbose: int, max_steps: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delattr(schedule, "measure_speed")
    quick(Line(), max_steps=max_steps, verbose=verbose, direction="forward").fit(*toy_pairs())
    assert capsys.readouterr().err == ""


def test_a_fit_in_closed_form_needs_no_budget(capsys: pytest.CaptureFixture[str]) -> None:
    model = quick(LeastSquares(), budget="1s", verbose=1).fit(*toy_pairs())
    assert {record.steps for record in model.records_.values()} == {0}
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("speeds")
def test_a_resumed_fit_keeps_its_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(Line(), budget="3s").fit(*toy_pairs(), checkpoint=tmp_path)
    steps = json.loads((tmp_path / "budget.json").read_text())["max_steps"]
    monkeypatch.delattr(schedule, "measure_speed")  # a machine that is now faster or slower is not measured
    again = quick(Line(), budget="3s").fit(*toy_pairs(), checkpoint=tmp_path)
    assert again.records_["inverse"].steps == steps


@pytest.mark.usefixtures("speeds")
def test_another_budget_is_another_run(tmp_path: Path) -> None:
    quick(Line(), budget="3s").fit(*toy_pairs(), checkpoint=tmp_path)
    message = f"{tmp_path}: belongs to a run with another budget (3.0 s, now 4 s); delete it to start a new run"
    with pytest.raises(CheckpointError, match=re.escape(message)):
        quick(Line(), budget="4s").fit(*toy_pairs(), checkpoint=tmp_path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[" * 100_000, '{"budget": 3.0}', '{"budget": 3.0, "max_steps": "x"}']
)
def test_a_damaged_number_of_steps_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "budget.json").write_text(text)
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path))):
        quick(Line(), budget="3s").fit(*toy_pairs(), checkpoint=tmp_path)


def test_a_budget_is_saved_with_the_model(tmp_path: Path) -> None:
    quick(budget=0.1, direction="forward").fit(*toy_pairs()).save(tmp_path / "m.ispfit")
    assert ISPModel.load(tmp_path / "m.ispfit").budget == 0.1
