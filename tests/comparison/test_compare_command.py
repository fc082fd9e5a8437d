"""`ispfit compare`, and the benchmarks that are built on it."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image as PILImage

from ispfit.cli import main
from ispfit.comparison import PairSet
from ispfit.datasets import make_camera_roll

ROOT = Path(__file__).parents[2]


def test_the_command_writes_tables_and_a_picture(
    pair_set: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(pair_set.path), "-o", str(tmp_path), "--backbones", "mlp,curve", "--reference", "mlp"]
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
    assert [entry["budget"]["validation_fraction"] for entry in found["results"]] == [0, 0]


def test_with_folds_every_pair_is_tested(pair_set: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", str(pair_set.path), "-o", str(tmp_path), "--backbones", "curve,parametric", "--folds", "3"]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--json"])
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out)["results"]
    assert [entry["backbone"] for entry in found] == ["curve", "parametric"]
    for entry in found:
        assert (entry["camera"], entry["n_fit"], entry["n_folds"]) == (pair_set.path.name, 7, 3)
        assert sorted(entry["shots"]) == [f"{index:04d}" for index in range(10)]
        assert len(entry["psnr"]["forward"]) == 10
    written = (tmp_path / "comparison.md").read_text()
    assert "7 training pairs in each of 3 folds, 10 test pairs" in written
    assert len(list((tmp_path / "runs").glob("*.json"))) == 6


def test_raw_files_are_compared_without_registration_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_camera_roll(tmp_path / "roll", 3, image_size=(64, 96), random_state=0)  # too small to be registered
    command = ["compare", str(tmp_path / "roll"), "-o", str(tmp_path / "out"), "--backbones", "curve", "--json"]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--no-register"])
    assert stop.value.code == 0
    [result] = json.loads(capsys.readouterr().out)["results"]
    assert (result["n_fit"], len(result["shots"])) == (2, 1)
    with pytest.raises(SystemExit):
        main(command)
    assert "none of its pairs (3) can be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--backbones", "mlp,histpyramyd"], "histpyramid"),
        (["--set", "hidden=3"], "expected BACKBONE.NAME=VALUE of one of mlp, got 'hidden'"),
        (["--set", "mlp.hidden=0"], "expected hidden to be a whole number from 1 to 4096, got 0"),
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
        (["--batch-size", "0"], "0 is not in the range x>=1"),
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


def test_several_processes_of_torchrun_do_not_all_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(SystemExit):
        main(["compare", "virtual-a", "-o", str(tmp_path / "out")])
    assert "torchrun is for `ispfit fit`; compare with --jobs" in capsys.readouterr().err


@pytest.mark.parametrize("script", ["table1.py", pytest.param("ablation.py", marks=pytest.mark.slow)])
def test_the_accuracy_benchmarks_run(
    pair_set: PairSet, tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", str(pair_set.path)] if script == "table1.py" else [str(pair_set.path)]
    command = [script, *data, "-o", str(tmp_path)]
    command += ["--max-steps=1", "--batch-size=2", "--windows-per-image=1"]
    command += ["--backbones=curve"] if script == "table1.py" else ["--channels=2"]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "accuracy"))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "benchmarks" / "accuracy" / script), run_name="__main__")
    printed, errors = capsys.readouterr()
    assert stop.value.code == 0, errors
    if script == "table1.py":
        assert "HCN (paper, Nikon D600)" in printed
        assert "histpyramid as published" in printed
        assert "no published numbers beside it: no published method reports PSNR on it" in errors
        assert "HCN (paper, Nikon D600)" in (tmp_path / "comparison.md").read_text()
    else:
        assert "| paper, w = 0.2 |" in (tmp_path / "comparison.md").read_text()
