"""Comparisons: what is done, done once, and said of it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from ispfit.backbones.curve import Curve
from ispfit.backbones.mlp import MLP
from ispfit.cli import main
from ispfit.comparison import Budget, Camera, Comparison, Run, Statistic, prepare_camera, run_all
from ispfit.comparison import runs as runs_module
from ispfit.datasets import load_pairs
from ispfit.errors import InputError

BUDGET = Budget(max_steps=3, batch_size=2, windows_per_image=2, window_size=8)


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Camera:
    return prepare_camera("virtual-b", tmp_path_factory.mktemp("data"), shots=10, size=32)


@pytest.fixture(scope="module")
def done(camera: Camera, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run], list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("runs")
    runs = [Run(camera, backbone, seed, BUDGET, "cpu") for backbone in (MLP(4), Curve(8)) for seed in (0, 1)]
    results, failures = run_all(runs, folder)
    assert failures == []
    return folder, runs, results


def test_one_scene_in_five_is_tested_with_where_nobody_said_which(camera: Camera) -> None:
    fit, test = camera.load()
    assert (len(fit[0]), len(test[0])) == (8, 2)
    names = [{image.shot.name for image in X} for X, _ in (fit, test)]
    assert not names[0] & names[1]
    assert camera.load()[1][0][0].shot == test[0][0].shot
    assert prepare_camera("virtual-b", camera.pairs.parent, shots=10, size=32) == camera, "made once"


def test_the_split_of_a_table_is_kept(shared_data: Path) -> None:
    camera = prepare_camera(str(shared_data / "nikon-d7000-auto"), Path("nowhere"))
    fit, test = camera.load()
    assert camera.name == "nikon-d7000-auto"
    assert (len(fit[0]), len(test[0])) == (83, 32)
    expected = {image.shot.name for image in load_pairs(camera.pairs, "test", lazy=True)[0]}
    assert {image.shot.name for image in test[0]} == expected


def test_pairs_without_two_scenes_are_refused(camera: Camera, tmp_path: Path) -> None:
    lines = (camera.pairs / "pairs.csv").read_text().splitlines()[:2]
    rows = [lines[0], *(f"{camera.pairs}/{cell}" if "." in cell else cell for cell in lines[1].split(","))]
    (tmp_path / "pairs.csv").write_text(f"{rows[0]}\n{','.join(rows[1:])}\n")
    with pytest.raises(InputError, match="expected pairs to fit with and pairs to test with, of two scenes at least"):
        Camera("one", tmp_path).load()


def test_each_run_is_done_once_and_kept(done: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, runs, results = done
    assert len(list(folder.glob("*.json"))) == len(results) == 4
    assert not list(folder.glob("*.checkpoint"))
    monkeypatch.setattr(runs_module, "run_jobs", lambda work, items, **_: runs_module.Outcome() if not items else 1 / 0)
    assert run_all(runs, folder)[0] == results


def test_another_budget_or_parameter_is_another_run(camera: Camera) -> None:
    run = Run(camera, MLP(4), 0, BUDGET)
    others = [Run(camera, MLP(5), 0, BUDGET), Run(camera, MLP(4), 1, BUDGET), Run(camera, MLP(4), 0, Budget())]
    assert len({run.key, *(other.key for other in others)}) == 4
    with pytest.raises(InputError, match="needs cameras of different names"):
        run_all([run, run], Path("nowhere"))


def test_a_result_says_what_was_spent_and_how_each_shot_came_out(done: Any) -> None:
    mlp, curve = done[2][0], done[2][2]
    assert mlp["steps"] == {"forward": 3, "inverse": 3}
    assert mlp["weights"] == 4 * 3 + 4 + 4 * 4 + 4 + 3 * 4 + 3
    assert curve["weights"] == 24
    assert mlp["n_fit"] == 8
    assert mlp["shots"] == curve["shots"]
    assert [len(values) for values in mlp["psnr"].values()] == [2, 2]


def test_the_same_wall_time_is_as_many_steps_as_fit_in(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 105.0])  # ten steps in five seconds
    monkeypatch.setattr(runs_module.time, "monotonic", lambda: next(clock))
    run = Run(camera, MLP(4), 0, Budget(seconds=60, batch_size=2, windows_per_image=2, window_size=8))
    steps: list[int] = []
    monkeypatch.setattr(runs_module.ISPModel, "fit", lambda self, X, Y, **_: steps.append(self.max_steps) or self)  # type: ignore[func-returns-value]
    assert run._steps_in(camera.load()[0], 60) == 120
    assert steps == [1, 10]
    assert Run(camera, Curve(8), 0, Budget(seconds=60, max_steps=7))._steps_in(camera.load()[0], 60) == 7


def result(backbone: str, seed: int, forward: list[float]) -> dict[str, Any]:
    return {
        "camera": "one",
        "backbone": backbone,
        "seed": seed,
        "n_fit": 5,
        "seconds": 2.0 + seed,
        "weights": 1234,
        "settings": {"width": 0.5, "weights": None} if backbone == "other" else {"bins": 6},
        "steps": {"forward": 10, "inverse": 10},
        "shots": ["a", "b", "c", "d"],
        "psnr": {"forward": forward, "inverse": [20.0, 20.0, 20.0, 20.0]},
    }


def test_statistics_are_over_shots_after_seeds_and_differences_are_paired() -> None:
    base = [20.0, 30.0, 40.0, 50.0]
    results = [result("best", seed, [value + 2 * seed for value in base]) for seed in (0, 1)]
    results += [result("other", seed, [value - 3 for value in base]) for seed in (0, 1)]
    comparison = Comparison(results, "best", {"a camera": {"forward": {"HCN": (1.0, 2.0, 3.0, 4.0)}}})
    np.testing.assert_allclose(comparison.psnr("one", "best", "forward"), [21, 31, 41, 51])
    difference = comparison.difference("one", "other", "forward")
    assert difference is not None
    np.testing.assert_allclose([difference.mean, difference.low, difference.high], -4, atol=1e-9)
    assert comparison.difference("one", "best", "forward") is None
    header, rows = comparison.table("one", "forward")
    assert header[:2] == ["raw to sRGB", "mean"]
    assert rows[0][:2] == ["best", "36.00"]
    assert rows[0][3:6] == ["36.00", "21.00", "51.00"]
    assert rows[1][6] == "-4.00 (-4.00 to -4.00)"
    assert rows[2] == ["HCN (paper, a camera)", "1.00", "", "2.00", "3.00", "4.00", *[""] * 5]
    assert "| other | 32.00 |" in comparison.markdown()
    assert comparison.parameters() == (
        "best (bins=6); other (width=0.5, weights=None; from random weights, not pretrained ones)"
    )
    lines = list(csv.DictReader(io.StringIO(comparison.csv())))
    assert len(lines) == 2 * 2 * 2 * 4
    assert lines[0] == {
        "camera": "one", "backbone": "best", "seed": "0", "direction": "forward", "shot": "a", "psnr": "20.0000",
    }  # fmt: skip


def test_the_interval_holds_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    intervals = [Statistic.of(rng.normal(30, 3, 40)) for _ in range(100)]
    assert 85 <= sum(interval.low < 30 < interval.high for interval in intervals) <= 100
    assert all(interval.low < interval.mean < interval.high for interval in intervals)


def test_the_command_writes_tables_and_a_picture(
    camera: Camera, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(camera.pairs), "-o", str(tmp_path), "--backbones", "mlp,curve", "--reference", "mlp"]
    command += ["--max-steps", "2", "--batch-size", "2", "--windows-per-image", "2", "--set", "mlp.hidden=3"]
    with pytest.raises(SystemExit) as stop:
        main(command)
    printed = capsys.readouterr().out
    assert stop.value.code == 0
    assert "against mlp" in printed
    assert "comparison.md" in printed
    with PILImage.open(tmp_path / "comparison.png") as picture:
        assert picture.size == (1100, 360)
    assert len((tmp_path / "comparison.csv").read_text().splitlines()) == 1 + 2 * 2 * 2
    with pytest.raises(SystemExit):
        main([*command, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [entry["settings"] for entry in found["results"]] == [{"hidden": 3, "layers": 2}, {"nodes": 64}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backbones", "mlp,histpyramyd"], "histpyramid"),
        (["--set", "hidden=3"], "expected BACKBONE.NAME=VALUE of one of mlp, got 'hidden'"),
        (["--set", "mlp.hidden=0"], "expected hidden to be a whole number >= 1, got 0"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["compare", "virtual-a", "-o", str(tmp_path / "out"), "--backbones", "mlp", *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
