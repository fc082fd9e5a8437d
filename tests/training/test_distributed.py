"""Processes that train together produce the weights of a single process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

import ispfit
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.errors import InputError, TrainingError
from ispfit.io import write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv
from ispfit.training.distributed import Distributed, _AllParameters, joined_ranks

SETTINGS = ["--direction=forward", "--learning-rate=0.003", "--jobs=1"]
DYING = """
import os, sys
import torch
from ispfit.backbones.mlp import MLPNetwork
from ispfit.cli import main
from ispfit.training.checkpoint import Checkpoint

Checkpoint.__init__.__defaults__ = (0.0,)  # writes after each step
render, calls = MLPNetwork.render, 0

def dying(*arguments):
    global calls
    calls += 1
    if os.environ["RANK"] == "1" and calls > int(os.environ["CALLS"]):  # torchrun sets RANK
        os._exit(9)
    return render(*arguments)

MLPNetwork.render = dying
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for index, (raw, srgb) in enumerate(zip(*make_camera_pairs(6, image_size=64, random_state=0), strict=True)):
        write_linear(folder / f"{index}.tif", raw)
        write_srgb(folder / f"{index}.png", srgb)
    rows = [{"name": str(i), "raw": f"{i}.tif", "srgb": f"{i}.png", "split": "train"} for i in range(6)]
    write_pairs_csv(folder / "pairs.csv", rows)
    return folder


PENDING = """
import sys
from ispfit.cli import main
from ispfit.training import losses
from ispfit.training.checkpoint import Checkpoint

Checkpoint.__init__.__defaults__ = (0.0,)
losses._READ_INTERVAL_STEPS["cpu"] = 7  # as on a GPU
main(sys.argv[1:])
"""


def fit_here(capsys: pytest.CaptureFixture[str], pairs: Path, output: Path, *arguments: str) -> str:
    """Run ``ispfit fit`` in this process, and return its standard error."""
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(pairs), "-o", str(output), *arguments])
    assert stop.value.code == 0
    return capsys.readouterr().err


def fit(pairs: Path, output: Path, *arguments: str, processes: int = 1, script: Path | None = None) -> str:
    """Run ``ispfit fit`` in processes of its own, under torchrun if there are several; return its standard error."""
    command = [sys.executable]
    if processes > 1:
        command += ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"]
        command += [f"--nproc-per-node={processes}"]
    command += [str(script)] if script else ["-m", "ispfit"]
    command += ["fit", str(pairs), "-o", str(output), *arguments]
    done = subprocess.run(
        command,
        env={"CALLS": "5"} | os.environ | {"OMP_NUM_THREADS": "1", "RANK": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode == 0:
        assert done.stdout.count(str(output)) == 1  # only the main process prints
    return done.stderr


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(ispfit.load(path).networks_["forward"].state_dict())


def assert_same(one: Path, other: Path, tolerance: float) -> None:
    expected, found = weights(one), weights(other)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=tolerance, msg=lambda text, n=name: f"{n}: {text}")


@pytest.mark.parametrize(
    "backbone",
    [
        ["histpyramid", "--set=channels=4"],
        pytest.param(["hypercolumn", "--set=width=0.05", "--set=samples_per_window=9"], marks=pytest.mark.slow),
    ],
)
def test_two_processes_make_the_model_of_one(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], backbone: list[str]
) -> None:
    steps = 4
    arguments = [f"--backbone={backbone[0]}", *backbone[1:], *SETTINGS, f"--max-steps={steps}"]
    arguments += ["--validation-fraction=0.4"]
    fit_here(capsys, pairs, tmp_path / "one.ispfit", *arguments)
    fit(pairs, tmp_path / "two.ispfit", *arguments, processes=2)
    assert_same(tmp_path / "one.ispfit", tmp_path / "two.ispfit", steps * 1e-6)
    records = [ispfit.load(tmp_path / f"{name}.ispfit").records_["forward"] for name in ("one", "two")]
    assert records[0].history[-1]["psnr"] == pytest.approx(records[1].history[-1]["psnr"], abs=1e-3)
    assert records[0].history[-1]["loss"] == pytest.approx(records[1].history[-1]["loss"], rel=1e-4)


@pytest.mark.slow  # its relative below dies later
def test_a_rank_that_dies_early_ends_the_run_with_the_same_message(
    pairs: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    """It dies in its second step, whose forward pass communicates."""
    monkeypatch.setenv("CALLS", "1")
    script = tmp_path / "dying.py"
    script.write_text(DYING)
    arguments = ["--backbone=mlp", "--direction=forward", "--max-steps=20", "--jobs=1"]
    error = fit(pairs, tmp_path / "broken.ispfit", *arguments, processes=2, script=script)
    assert "another process of this run has ended or cannot be reached" in error
    assert "Warning" not in error


def test_a_rank_that_dies_ends_the_run_and_another_number_of_ranks_resumes_it(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "dying.py"
    script.write_text(DYING)
    arguments = ["--backbone=mlp", "--direction=forward", "--max-steps=20", "--learning-rate=0.003", "--jobs=1"]
    error = fit(pairs, tmp_path / "broken.ispfit", *arguments, processes=2, script=script)
    assert "another process of this run has ended or cannot be reached" in error
    assert "repeat the command to resume from the last checkpoint" in error
    assert not (tmp_path / "broken.ispfit").exists()
    with safe_open(tmp_path / "broken.ispfit.checkpoint" / "forward.safetensors", "pt") as file:
        assert 3 <= json.loads(file.metadata()["checkpoint"])["step"] <= 6
    assert "Resuming from" in fit_here(capsys, pairs, tmp_path / "broken.ispfit", *arguments)
    fit_here(capsys, pairs, tmp_path / "whole.ispfit", *arguments)
    assert_same(tmp_path / "whole.ispfit", tmp_path / "broken.ispfit", 20e-6)


@pytest.mark.slow  # six starts of torchrun; a quick test resumes a run by another number of processes
def test_two_processes_with_pending_losses_resume_the_run_of_one(pairs: Path, tmp_path: Path) -> None:
    dying, pending = tmp_path / "dying.py", tmp_path / "pending.py"
    dying.write_text(DYING)
    pending.write_text(PENDING)
    arguments = ["--backbone=mlp", "--direction=forward", "--max-steps=20", "--learning-rate=0.003", "--jobs=1"]
    fit(pairs, tmp_path / "broken.ispfit", *arguments, script=dying)
    assert "Resuming from" in fit(pairs, tmp_path / "broken.ispfit", *arguments, processes=2, script=pending)
    fit(pairs, tmp_path / "whole.ispfit", *arguments)
    assert_same(tmp_path / "whole.ispfit", tmp_path / "broken.ispfit", 20e-6)


def test_alone_nothing_is_communicated() -> None:
    with joined_ranks() as alone:
        assert alone == Distributed(0, 1)
        assert alone.is_main
        assert alone.all_reduce(1.5, 2) == [1.5, 2]
        assert alone.any(True)
        assert not alone.any(False)
        alone.barrier()
        alone.check_same({"seed": 0})
        assert alone.broadcast({"weights": 1}) == {"weights": 1}
        assert alone.n_cores() is None
        with alone.main_process_first():
            pass


def test_each_process_needs_an_image_of_a_batch() -> None:
    with pytest.raises(InputError, match="batch_size: expected at least one image for each of the 4 processes, got 3"):
        Distributed(1, 4).check_batch_size(3)


def test_an_unused_weight_gets_a_gradient_of_zero() -> None:
    """DistributedDataParallel waits for the gradient of every weight."""

    class Half(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused, self.frozen = (torch.nn.Parameter(torch.full((2,), 3.0)) for _ in range(3))
            self.frozen.requires_grad_(False)

        def forward(self, factor: float) -> torch.Tensor:
            return factor * self.used

    module = Half()
    output = _AllParameters(module)(2.0)
    assert output.tolist() == [6.0, 6.0]
    output.sum().backward()
    assert [weight.grad is not None and weight.grad.tolist() for weight in module.parameters()] == [
        [2, 2],
        [0, 0],
        False,
    ]


@pytest.mark.parametrize(
    ("text", "kind"), [("in the skip connection", RuntimeError), ("[gloo] Connection closed", TrainingError)]
)
def test_only_a_communication_error_is_blamed_on_another_process(text: str, kind: type[Exception]) -> None:
    with pytest.raises(RuntimeError) as caught, Distributed(0, 2).communication():
        raise RuntimeError(text)
    assert type(caught.value) is kind


def test_processes_with_different_data_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gather(others: list[object], mine: dict[str, object]) -> None:
        others[:] = [mine, mine | {"data": "b"}]

    monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
    with pytest.raises(TrainingError, match="ranks 0 and 1 differ in data; give every process the same pairs"):
        Distributed(0, 2).check_same({"seed": 0, "data": "a"})
