"""`parametric` beside a model: on which pairs it is fitted, and what is printed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toys import LeastSquares, quick, toy_pairs

import ispfit
from ispfit import ISPModel
from ispfit.cli import main
from ispfit.cli.baseline import comparison_table
from ispfit.comparison.baseline import baseline_of
from ispfit.comparison.pair_sets import write_pair_set
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image

QUICK = ["--backbone", "mlp", "--max-steps", "5", "--windows-per-image", "2", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pairs: four to train with, one to validate, one to test."""
    folder = tmp_path_factory.mktemp("pairs")
    X, Y = make_camera_pairs(6, image_size=32, random_state=0)
    write_pair_set(folder, list("abcdef"), X, Y, ["train"] * 4 + ["validation", "test"])
    return folder


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 0
    return capsys.readouterr().out


def parametric(folder: Path, direction: str, split: str) -> Any:
    model = ISPModel("parametric", device="cpu").fit(*ispfit.datasets.load_pairs(folder, "train"))
    return model.psnr(*ispfit.datasets.load_pairs(folder, split), direction=direction)


def test_fit_prints_parametric_beside_the_model(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = call(capsys, "fit", folder, "-o", tmp_path / "m.ispfit", *QUICK).splitlines()
    begin = next(index for index, line in enumerate(lines) if line.startswith("PSNR in dB, 1 validation pair "))
    assert [line.split("  ")[0] for line in lines[begin + 1 : begin + 5]] == [
        *("forward, mlp", "forward, parametric", "inverse, mlp", "inverse, parametric")
    ]
    assert lines[begin + 4].split()[2] == f"{parametric(folder, 'inverse', 'validation')[0]:.2f}"
    assert lines[begin + 5] == "parametric, for comparison, is fitted to 4 training pairs."
    without = call(capsys, "fit", folder, "-o", tmp_path / "n.ispfit", *QUICK, "--validation-fraction", "0")
    assert "PSNR in dB, 5 training pairs" in without


def test_score_fits_parametric_to_the_training_pairs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "fit", folder, "-o", tmp_path / "m.ispfit", *QUICK)
    found = json.loads(call(capsys, "score", tmp_path / "m.ispfit", folder, "--split", "test", "--json"))
    assert found["baseline"]["fitted_to"] == "4 training pairs"
    for direction in ("forward", "inverse"):
        expected = float(parametric(folder, direction, "test")[0])
        assert found["baseline"]["directions"][direction]["mean"] == pytest.approx(expected)
    text = call(capsys, "score", tmp_path / "m.ispfit", folder, "--split", "train")
    assert "parametric, for comparison, is fitted to the other pairs, in 4 parts." in text


def test_a_cross_validation_keeps_the_shots_of_a_scene_together() -> None:
    """With two scenes there are two parts; each is measured by the fit to the other."""
    model = quick()
    raws, srgbs = toy_pairs(6)
    raws = [Image(raw, replace(raw.shot, scene="ab"[index % 2])) for index, raw in enumerate(raws)]
    baseline = baseline_of(model.fit(raws, srgbs), (raws, srgbs), None)
    assert baseline is not None
    assert baseline.fitted_to == "the other pairs, in 2 parts"
    other = ISPModel("parametric", device="cpu").fit(raws[1::2], srgbs[1::2])
    assert baseline.psnrs["forward"][::2] == pytest.approx(other.psnr(raws[::2], srgbs[::2]).tolist())


def test_there_is_no_baseline_of_itself_nor_of_a_single_pair() -> None:
    pairs = toy_pairs(2)
    assert baseline_of(ISPModel("parametric", device="cpu").fit(*pairs), pairs, pairs) is None
    one = (pairs[0][:1], pairs[1][:1])
    assert baseline_of(quick(LeastSquares()).fit(*pairs), one, None) is None
    assert comparison_table("PSNR in dB", "mlp", {"forward": [30.0]}, None).splitlines()[1].split() == [
        *("forward", "30.00", "30.00", "30.00", "30.00")
    ]


def test_pairs_that_a_model_in_closed_form_was_fitted_to_are_training_pairs_of_parametric_too(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "fit", folder, "-o", tmp_path / "m.ispfit", "--backbone", "curve")
    found = json.loads(call(capsys, "score", tmp_path / "m.ispfit", folder, "--split", "test", "--json"))
    assert found["baseline"]["fitted_to"] == "5 training pairs"
