"""Checkpoints: a run that ended early resumes bit for bit, and a file of another run is refused."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from runs import CPU, PLAN, Stopped, after_renders, equal, fit, step_of, stop
from torch import Tensor
from toys import Line, LineNetwork, Restless, toy_pairs

from ispfit.errors import CheckpointError, FileError
from ispfit.training import Checkpoint, TrainingRecord, train


@pytest.fixture(scope="module")
def whole() -> tuple[dict[str, Tensor], TrainingRecord]:
    return fit(None)


@pytest.mark.parametrize("count", [0, 1, 2, 11, 40, 47])
def test_a_run_resumes_from_any_step_bit_for_bit(tmp_path: Path, count: int, whole: Any) -> None:
    with pytest.raises(Stopped):
        fit(tmp_path / "a", network=after_renders(count, stop))
    assert equal(fit(tmp_path / "a", every=3600), whole)


def test_losses_since_the_last_evaluation_are_kept(tmp_path: Path) -> None:
    plan = replace(PLAN, max_steps=80)
    assert plan.validate_every == 2
    with pytest.raises(Stopped):
        fit(tmp_path / "a", plan, network=after_renders(1, stop))
    assert equal(fit(tmp_path / "a", plan, every=3600), fit(None, plan))


def test_steps_since_the_last_write_are_repeated(tmp_path: Path, whole: Any) -> None:
    with pytest.raises(Stopped):
        fit(tmp_path / "a", every=3600, network=after_renders(20, stop))
    assert step_of(tmp_path / "a") == 0
    assert equal(fit(tmp_path / "a", every=3600), whole)


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    done = fit(tmp_path / "a")
    assert step_of(tmp_path / "a") == PLAN.max_steps
    assert equal(fit(tmp_path / "a", network=after_renders(0, stop)), done)


def test_a_checkpoint_is_written_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    checkpoint = Checkpoint(tmp_path / "a", every=30)
    assert not checkpoint.due
    clock[0] += 30
    assert checkpoint.due


# Checkpoints of something else


def begin(path: Path) -> None:
    """Write the checkpoint of a run that ended in its first step."""
    with pytest.raises(Stopped):
        fit(path, network=after_renders(0, stop))


@pytest.mark.parametrize(
    ("name", "value"), [("seed", 4), ("max_steps", 25), ("learning_rate", 0.5), ("window_size", 4), ("first_step", 9)]
)
def test_another_plan_is_another_run(tmp_path: Path, name: str, value: float) -> None:
    begin(tmp_path / "a")
    message = (
        f"{tmp_path / 'a'}: belongs to another training run ({name} was {getattr(PLAN, name)}, is {value}); "
        "delete it to start a new run, or choose another file."
    )
    with pytest.raises(CheckpointError, match=re.escape(message)):
        fit(tmp_path / "a", replace(PLAN, **{name: value}))


@pytest.mark.parametrize("pairs", [toy_pairs(5), toy_pairs(6, 23), toy_pairs(seed=1), toy_pairs(gain=0.5)])
def test_other_pairs_are_another_run(tmp_path: Path, pairs: Any) -> None:
    begin(tmp_path / "a")
    with pytest.raises(CheckpointError, match=r"belongs to another training run \(data was \w+, is \w+\)"):
        train(Restless().build(), *pairs, PLAN, CPU, checkpoint=Checkpoint(tmp_path / "a"))


def test_other_validation_pairs_are_another_run(tmp_path: Path) -> None:
    validation = toy_pairs(2)
    for pairs in (validation, validation):
        train(Line().build(), *toy_pairs(), PLAN, CPU, validation=pairs, checkpoint=Checkpoint(tmp_path / "a"))
    for other in (toy_pairs(2, seed=1), None):
        with pytest.raises(CheckpointError, match=r"belongs to another training run \(validation was \w+, is \w+\)"):
            train(Line().build(), *toy_pairs(), PLAN, CPU, validation=other, checkpoint=Checkpoint(tmp_path / "a"))


def test_another_network_is_another_run(tmp_path: Path) -> None:
    begin(tmp_path / "a")
    message = r"\(network was RestlessNetwork of 453 weights, is LineNetwork of 12 weights\)"
    with pytest.raises(CheckpointError, match=message):
        fit(tmp_path / "a", network=Line().build())


def test_other_hyper_parameters_are_another_run(tmp_path: Path) -> None:
    class Wider(LineNetwork):
        def __init__(self, width: int) -> None:
            super().__init__(1)
            self.conv = torch.nn.Sequential(torch.nn.Conv2d(3, width, 1), torch.nn.Conv2d(width, 3, 1))  # type: ignore[assignment]

    fit(tmp_path / "a", replace(PLAN, max_steps=0), network=Wider(4))
    with pytest.raises(CheckpointError, match=r"network was Wider of 31 weights, is Wider of 38 weights"):
        fit(tmp_path / "a", replace(PLAN, max_steps=0), network=Wider(5))


@pytest.mark.parametrize("kept", [0, 1, 7, 100, 1000, -1])
def test_a_damaged_checkpoint_says_that_it_can_be_deleted(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a"
    begin(path)
    path.write_bytes(path.read_bytes()[:kept])
    message = rf"^{re.escape(str(path))}: not a checkpoint of ispfit \(.+\); delete it to start a new run\.$"
    with pytest.raises(CheckpointError, match=message):
        fit(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"other": "x"},
        {"checkpoint": "no JSON"},
        {"checkpoint": "[]"},
        {"checkpoint": "{}"},
        {"checkpoint": '{"identity": 3}'},
    ],
)
def test_a_foreign_file_is_no_checkpoint(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "a", metadata)
    with pytest.raises(CheckpointError, match=r"not a checkpoint of ispfit \(.+\); delete it to start a new run"):
        fit(tmp_path / "a", every=3600)


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a checkpoint of ispfit"):
        fit(tmp_path)


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    begin(tmp_path / "new" / "folder" / "a")
    assert step_of(tmp_path / "new" / "folder" / "a") == 0


def test_a_folder_that_cannot_be_made_is_reported_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"file: the folder cannot be made"):
        fit(tmp_path / "file" / "a", network=after_renders(0, stop))
