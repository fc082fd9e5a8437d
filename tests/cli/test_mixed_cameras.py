"""No model of a mean of cameras, no test pair in the training, no shot of another camera without a word."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import quick, toy_pairs

import ispfit
from ispfit.cli import main
from ispfit.datasets import load_pairs, make_camera_roll
from ispfit.errors import InputWarning
from ispfit.io import write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv
from ispfit.synthetic.camera_files import CAMERAS

QUICK = ["--backbone", "mlp", "--max-steps", "3", "--windows-per-image", "2", "--window-size", "8", "--device", "cpu"]


def write_table(folder: Path, cameras: list[str], styles: list[str], splits: list[str]) -> Path:
    """Write a pair for each camera, style and split."""
    folder.mkdir(exist_ok=True)
    rows = []
    for index, (raw, srgb) in enumerate(zip(*toy_pairs(len(cameras), size=16), strict=True)):
        write_linear(folder / f"{index}.tif", np.asarray(raw))
        write_srgb(folder / f"{index}.png", np.asarray(srgb))
        row = {"name": f"shot{index}", "raw": f"{index}.tif", "srgb": f"{index}.png", "split": splits[index]}
        rows.append(row | {"make": "Acme", "model": cameras[index], "style": styles[index]})
    write_pairs_csv(folder / "pairs.csv", rows)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command in this process; returns exit code, output and errors."""

    def run(*arguments: object) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([*map(str, arguments)])
        return (stop.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Three cameras and styles in one table."""
    return write_table(
        tmp_path / "mixed", ["One", "One", "One", "Two", "Two"], ["vivid"] * 2 + ["flat"] + [""] * 2, ["train"] * 5
    )


def test_fit_refuses_a_table_of_several_cameras_and_names_the_tables(run: Any, mixed: Path, tmp_path: Path) -> None:
    code, _, errors = run("fit", mixed, "-o", tmp_path / "m.ispfit", *QUICK)
    assert code == 2
    assert (
        "expected shots of one camera and picture style, got acme-one-flat (1), acme-one-vivid (2), acme-two (2)"
        in errors
    )
    assert "make a table of each with `ispfit pairs`, add --per-camera" in errors
    (mixed / "pairs-acme-two.csv").touch()
    assert f"give one of {mixed / 'pairs-acme-two.csv'}, add" in run("fit", mixed, "-o", tmp_path / "m", *QUICK)[2]
    assert not (tmp_path / "m.ispfit").exists()


def test_one_model_for_each_camera(run: Any, mixed: Path, tmp_path: Path) -> None:
    code, output, _ = run("fit", mixed, "-o", tmp_path / "m.ispfit", "--per-camera", "--json", *QUICK)
    assert code == 0
    names = ["m-acme-one-flat.ispfit", "m-acme-one-vivid.ispfit", "m-acme-two.ispfit"]
    assert [Path(each["model"]).name for each in json.loads(output)] == names
    models = [ispfit.load(tmp_path / name) for name in names]
    assert [model.camera_ for model in models] == ["Acme One", "Acme One", "Acme Two"]
    assert [model.records_["forward"].n_train for model in models] == [1, 2, 2]


def test_one_model_for_all_if_it_is_asked_for(run: Any, mixed: Path, tmp_path: Path) -> None:
    assert run("fit", mixed, "-o", tmp_path / "m.ispfit", "--mixed", *QUICK)[0] == 0
    assert ispfit.load(tmp_path / "m.ispfit").records_["forward"].n_train == 5


def test_python_warns_of_a_mix(mixed: Path) -> None:
    X, Y = load_pairs(mixed)
    assert [image.shot.style for image in X] == ["vivid", "vivid", "flat", None, None]
    with pytest.warns(InputWarning) as warned:
        quick().fit(X, Y)
    assert [str(each.message).partition(";")[0] for each in warned] == [
        "X: its shots are of 2 cameras (Acme One, Acme Two)",
        "X: its shots are of 2 picture styles (flat, vivid)",
    ]


def test_a_misspelt_split_is_not_trained_on(run: Any, tmp_path: Path) -> None:
    folder = write_table(tmp_path / "pairs", ["One"] * 3, [""] * 3, ["train", "train", "tset"])
    code, _, errors = run("fit", folder, "-o", tmp_path / "m.ispfit", *QUICK)
    assert code == 2
    assert "expected the splits train, validation, test, got 'tset'; rename them in the table, or choose one" in errors
    assert run("fit", folder, "-o", tmp_path / "m.ispfit", "--split", "train", *QUICK)[0] == 0
    assert (
        "has no pairs of split 'tets'; it has train, tset"
        in run("score", tmp_path / "m.ispfit", folder, "--split", "tets")[2]
    )


def test_score_takes_the_test_pairs_and_names_the_worst(run: Any, tmp_path: Path) -> None:
    folder = write_table(tmp_path / "pairs", ["One"] * 7, [""] * 7, ["train"] * 2 + ["test"] * 5)
    model = tmp_path / "m.ispfit"
    quick().fit(*load_pairs(folder, "train")).save(model)
    code, output, errors = run("score", model, folder)
    assert code == 0
    assert output.startswith("5 pairs\n")
    assert "taking 5 pairs of the split 'test'; --split all takes all" in errors
    psnrs = ispfit.load(model).psnr(*load_pairs(folder, "test"))
    first, *_ = np.argsort(psnrs)
    assert f"worst shots, raw to sRGB, dB: shot{first + 2} {psnrs[first]:.2f}, shot" in output
    assert "SSIM 0." in output
    assert run("score", model, folder, "--split", "all")[1].startswith("7 pairs\n")
    images = json.loads(run("score", model, folder, "--json")[1])["directions"]["forward"]["images"]
    [rendered] = ispfit.load(model).transform(load_pairs(folder, "test")[0][:1])
    expected = ispfit.metrics.ciede2000(load_pairs(folder, "test")[1][0], rendered)
    assert images[0]["name"] == "shot2"
    assert images[0]["ciede2000"] == pytest.approx(expected)


def test_shots_of_another_camera_are_noted(run: Any, tmp_path: Path) -> None:
    one = write_table(tmp_path / "one", ["One"] * 2, [""] * 2, [""] * 2)
    quick().fit(*load_pairs(one)).save(tmp_path / "m.ispfit")
    other = write_table(tmp_path / "two", ["One", "Two"], [""] * 2, [""] * 2)
    note = "Note: the model was fitted to Acme One, but 1 of 2 shots are of another camera: Acme Two (1)."
    assert note in run("score", tmp_path / "m.ispfit", other)[2]
    assert "Note: the model" not in run("score", tmp_path / "m.ispfit", one)[2]
    roll = tmp_path / "roll"
    make_camera_roll(roll, 1, image_size=(32, 48), camera=replace(CAMERAS["Virtual A"], model="Three"), random_state=0)
    errors = run("render", tmp_path / "m.ispfit", roll, "-o", tmp_path / "out", "--jobs", "1")[2]
    assert "but 1 of 1 shots are of another camera: " in errors


def test_the_table_of_pairs_keeps_the_style(mixed: Path) -> None:
    with (mixed / "pairs.csv").open() as file:
        assert [row["style"] for row in csv.DictReader(file)][:3] == ["vivid", "vivid", "flat"]
