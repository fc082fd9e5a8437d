"""Comparisons: what is done, done once, and said of it."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from ispfit.backbones.curve import Curve
from ispfit.backbones.mlp import MLP
from ispfit.cli import main
from ispfit.comparison import Budget, Camera, Comparison, Run, Statistic, data, distinct_names, prepare_camera, run_all
from ispfit.comparison import runs as runs_module
from ispfit.datasets import load_pairs
from ispfit.displays import ComparisonDisplay
from ispfit.errors import InputError, TrainingError
from ispfit.training import TrainingRecord

ROOT = Path(__file__).parents[2]
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
    with pytest.raises(
        InputError, match="needs different names of cameras and of backbones; there are two 'virtual-b mlp seed 0'"
    ):
        run_all([run, run], Path("nowhere"))


def test_a_result_says_what_was_spent_and_how_each_shot_came_out(done: Any) -> None:
    mlp, curve = done[2][0], done[2][2]
    assert mlp["steps"] == {"forward": 3, "inverse": 3}
    assert mlp["weights"] == 4 * 3 + 4 + 4 * 4 + 4 + 3 * 4 + 3
    assert curve["weights"] == 24
    assert mlp["n_fit"] == 8
    assert mlp["shots"] == curve["shots"]
    assert [len(values) for values in mlp["psnr"].values()] == [2, 2]


def test_the_same_wall_time_is_as_many_steps_as_fit_in(
    camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def fit(self: Any, X: Any, Y: Any, **_: Any) -> Any:
        """A start of three seconds, and half a second a step."""
        steps.append(self.max_steps)
        self.records_ = {"forward": TrainingRecord(1, 0, seconds=3 + 0.5 * self.max_steps)}
        return self

    monkeypatch.setattr(runs_module.ISPModel, "fit", fit)
    run = Run(camera, MLP(4), 0, Budget(seconds=60, batch_size=2, windows_per_image=2, window_size=8))
    assert run._steps(camera.load()[0], tmp_path) == 120
    assert run._steps(camera.load()[0], tmp_path) == 120, "measured once, so that a run that was stopped can go on"
    assert steps == [1, 1, 11]
    assert Run(camera, Curve(8), 0, Budget(seconds=60, max_steps=7))._steps(camera.load()[0], tmp_path) == 7


def test_a_time_that_is_lost_in_noise_is_measured_on_more_steps(
    camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of a hundredth of a second; each fit starts in a second, but the first in two, as on a busy machine."""
    starts = iter([1.0, 2.0, *[1.0] * 9])

    def fit(self: Any, X: Any, Y: Any, **_: Any) -> Any:
        self.records_ = {"forward": TrainingRecord(1, 0, seconds=next(starts) + 0.01 * self.max_steps)}
        return self

    monkeypatch.setattr(runs_module.ISPModel, "fit", fit)
    run = Run(camera, MLP(4), 0, Budget(seconds=60))
    assert 60 / 0.015 <= run._steps(camera.load()[0], tmp_path) <= 60 / 0.005


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
        "budget": Budget(10, learning_rate=3e-3 if backbone == "best" else 1e-2).about(),
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
    assert comparison.budget() == (
        "Budget: 10 steps a direction, each of 4 images x 16 windows of 32 pixels a side, learning rate best 0.003, "
        "other 0.01."
    )
    assert Comparison(results[:2]).budget().endswith("a side, learning rate 0.003.")
    assert comparison.cautions() == ["one: only 4 to test with; intervals of so few are narrower than they say."]
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
    command += ["--set", "mlp.learning_rate=0.01"]
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
    assert [entry["settings"] for entry in found["results"]] == [
        {"hidden": 3, "layers": 2, "initialisation": "torch"},
        {"nodes": 64},
    ]
    assert [entry["budget"]["learning_rate"] for entry in found["results"]] == [0.01, 0.002]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backbones", "mlp,histpyramyd"], "histpyramid"),
        (["--set", "hidden=3"], "expected BACKBONE.NAME=VALUE of one of mlp, got 'hidden'"),
        (["--set", "mlp.hidden=0"], "expected hidden to be a whole number >= 1, got 0"),
        (
            ["--set", "mlp.hiden=3"],
            "mlp has no parameter 'hiden'; it has hidden, initialisation, layers, learning_rate",
        ),
        (["--reference", "nobody"], "--reference: expected one of mlp, got 'nobody'"),
        (
            ["--backbones", "mlp,curve", "--set", "curve.learning_rate=1"],
            "curve is not trained by steps and has no learning",
        ),
        (["--set", "mlp.learning_rate=fast"], "--set mlp.learning_rate: expected a number > 0, got 'fast'"),
        (["--learning-rate", "-1"], "learning_rate: expected a number > 0, got -1.0"),
        (["--device", "warp"], "device: 'warp' cannot be used here"),
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


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "virtual-c",
            "virtual-c: no such folder, and no dataset of this name; there are .*Did you mean 'virtual-[ab]'",
        ),
        ("folder", "folder: no such folder, and no dataset of this name; there are synthetic-auto, .*virtual-b\\."),
    ],
)
def test_a_camera_that_is_not_there_is_named(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare_camera(source, tmp_path)


def test_several_processes_of_torchrun_do_not_all_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(SystemExit):
        main(["compare", "virtual-a", "-o", str(tmp_path / "out")])
    assert "torchrun is for `ispfit fit`; compare with --jobs" in capsys.readouterr().err


def copied(camera: Camera, folder: Path) -> Path:
    shutil.copytree(camera.pairs, folder)
    return folder


def test_cameras_of_one_name_are_told_apart_by_their_folders(camera: Camera, tmp_path: Path) -> None:
    places = [copied(camera, tmp_path / maker / "pairs") for maker in ("nikon", "canon")]
    cameras = distinct_names([*(prepare_camera(str(place), tmp_path) for place in places), camera])
    assert [each.name for each in cameras] == ["nikon/pairs", "canon/pairs", "virtual-b"]


def test_other_pairs_are_another_run(camera: Camera, tmp_path: Path) -> None:
    place = copied(camera, tmp_path / "pairs")
    before = Run(Camera("one", place), Curve(8), 0, BUDGET).key
    assert Run(Camera("one", place), Curve(8), 0, BUDGET).key == before
    lines = (place / "pairs.csv").read_text().splitlines()
    (place / "pairs.csv").write_text("\n".join(lines[:-1]))
    data._stamp.cache_clear()
    assert Run(Camera("one", place), Curve(8), 0, BUDGET).key != before


class Broken(MLP):
    """Fails when it is trained."""

    name = "broken"

    def initialise(self, network: Any, pairs: Any) -> None:
        raise KeyError("weight")


def test_a_backbone_that_fails_ends_no_other_run(camera: Camera, tmp_path: Path) -> None:
    runs = [Run(camera, backbone, 0, BUDGET, "cpu") for backbone in (Broken(4), Curve(8))]
    results, failures = run_all(runs, tmp_path, jobs=2)
    assert [each["backbone"] for each in results] == ["curve"]
    assert len(failures) == 1
    assert re.match(r"virtual-b broken seed 0: KeyError: 'weight' \(.*test_comparison\.py, line \d+\)", failures[0])


def test_a_run_that_was_stopped_goes_on(camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(camera, MLP(4), 0, Budget(seconds=0.4, batch_size=2, windows_per_image=2, window_size=8), "cpu")
    run._steps(camera.load()[0], tmp_path)
    transform = runs_module.ISPModel.psnr
    monkeypatch.setattr(runs_module.ISPModel, "psnr", lambda *_, **__: 1 / 0)
    with pytest.raises(TrainingError, match="ZeroDivisionError"):
        run.do(tmp_path)
    monkeypatch.setattr(runs_module.ISPModel, "psnr", transform)
    steps = run.do(tmp_path)["steps"]["forward"]
    assert steps == int((tmp_path / f"{run.key}.steps").read_text())
    assert run.result(tmp_path) is not None


def test_the_boxes_are_those_of_the_shots() -> None:
    results = [result(name, 0, [20.0, 30.0, 40.0, 50.0]) for name in ("best", "other")]
    figure = ComparisonDisplay(Comparison(results, "best")).plot().figure_
    forward, inverse = figure.axes
    assert [axis.get_title() for axis in (forward, inverse)] == ["one, raw to sRGB", "one, sRGB to raw"]
    assert [label.get_text() for label in forward.get_xticklabels()] == ["best", "other"]
    heights = {float(value) for line in forward.lines for value in line.get_ydata()}
    assert {20.0, 27.5, 35.0, 42.5, 50.0} <= heights


@pytest.mark.parametrize("script", ["table1.py", "ablation.py"])
def test_the_accuracy_benchmarks_run(camera: Camera, tmp_path: Path, script: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "accuracy" / script), str(camera.pairs), "-o", str(tmp_path)]
    command += ["--max-steps=1", "--batch-size=2", "--windows-per-image=1"]
    command += ["--backbones=curve"] if script == "table1.py" else ["--channels=2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    if script == "table1.py":
        assert "HCN (paper, Nikon D600)" in done.stdout
        assert "histpyramid as published" in done.stdout
        assert "HCN (paper, Nikon D600)" in (tmp_path / "comparison.md").read_text()
    else:
        assert "| paper, w = 0.2 |" in done.stdout
