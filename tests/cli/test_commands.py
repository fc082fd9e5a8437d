"""The command line as a user calls it: exit codes, files, messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import tifffile
from PIL import Image as PILImage

import ispfit
from ispfit import cli
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs, make_camera_roll
from ispfit.errors import FileError
from ispfit.io import read_raw, read_srgb, write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv

QUICK = ["--backbone", "mlp", "--max-steps", "20", "--learning-rate", "0.01", "--windows-per-image", "4"]


class Run:
    """What a command printed, and its exit code."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> None:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        self.code = stop.value.code
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *arguments)


@pytest.fixture(scope="module")
def roll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("roll")
    make_camera_roll(folder, 4, image_size=(128, 192), random_state=0)
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    rows = []
    for index, (raw, srgb) in enumerate(zip(*make_camera_pairs(4, image_size=48, random_state=0), strict=True)):
        write_linear(folder / f"{index}.tif", raw)
        write_srgb(folder / f"{index}.png", srgb)
        split = "test" if index == 3 else "train"
        rows.append({"name": index, "raw": f"{index}.tif", "srgb": f"{index}.png", "split": split})
    write_pairs_csv(folder / "pairs.csv", rows)
    return folder


@pytest.fixture(scope="module")
def model(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    X, Y = ispfit.datasets.load_pairs(pairs)
    path = tmp_path_factory.mktemp("model") / "camera.ispfit"
    ispfit.ISPModel("mlp", max_steps=20, learning_rate=1e-2, random_state=0).fit(X, Y).save(path)
    return path


def test_fit_and_score_a_pairs_csv(run: Any, pairs: Path, tmp_path: Path) -> None:
    output = tmp_path / "camera.ispfit"
    fitted = run("fit", pairs, "-o", output, "--split", "train", *QUICK)
    assert fitted.code == 0
    assert "forward: 20 steps on 3 pairs" in fitted.out
    assert not (tmp_path / "camera.ispfit.checkpoint").exists()
    scored = run("score", output, pairs, "--split", "test")
    assert scored.code == 0
    assert "1 pair\n" in scored.out
    numbers = run("score", output, pairs / "pairs.csv", "--split", "all", "--json").json
    assert [image["name"] for image in numbers["directions"]["inverse"]["images"]] == ["0", "1", "2", "3"]
    X, Y = ispfit.datasets.load_pairs(pairs)
    expected = ispfit.load(output).score(X, Y)
    assert numbers["directions"]["forward"]["mean"] == pytest.approx(expected)


def test_fit_a_folder_of_raw_files(run: Any, roll: Path, tmp_path: Path) -> None:
    output = tmp_path / "camera.ispfit"
    fitted = run("fit", roll, "-o", output, "--size", "48", "--json", "--jobs", "1", *QUICK)
    assert fitted.code == 0
    assert fitted.json["records"]["forward"]["n_train"] == 4
    assert fitted.json["camera"]


def test_fit_takes_parameters_of_the_backbone(run: Any, pairs: Path, tmp_path: Path) -> None:
    output = tmp_path / "camera.ispfit"
    assert run("fit", pairs, "-o", output, "--set", "hidden=8", *QUICK).code == 0
    assert ispfit.load(output).backbone_.hidden == 8
    wrong = run("fit", pairs, "-o", output, "--overwrite", "--set", "hiden=8", *QUICK)
    assert wrong.code == 2
    assert "has no parameter 'hiden'; it has hidden, initialisation, layers" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere", "-o", "m.ispfit"], "no such file or folder"),
        (["fit", "nowhere"], "Missing option '-o'"),
        (["score", "nowhere.ispfit", "."], "no such model file"),
        (["render", "nowhere.ispfit", ".", "-o", "out"], "no such model file"),
        (["fit", ".", "-o", "m.ispfit", "--backbone", "histpyramit"], "Did you mean 'histpyramid'?"),
        (["fit", ".", "-o", "no/m.ispfit"], "there is no folder no"),
        (
            ["render", "m.ispfit", ".", "-o", "out", "--jobs=2", "--cluster=tcp://here"],
            "--jobs: with --cluster its workers",
        ),
        (["paint"], "No such command 'paint'"),
    ],
)
def test_wrong_usage_is_2(
    run: Any, arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.code == 2
    assert message in result.err


def test_an_output_is_not_replaced_unasked(run: Any, pairs: Path, model: Path) -> None:
    before = model.read_bytes()
    result = run("fit", pairs, "-o", model, *QUICK)
    assert result.code == 2
    assert "exists; use --overwrite" in result.err
    assert model.read_bytes() == before


def test_render_and_derender(run: Any, model: Path, roll: Path, tmp_path: Path) -> None:
    assert run("render", model, roll, "-o", tmp_path / "srgb", "--jobs", "1").code == 0
    assert run("derender", model, roll, "-o", tmp_path / "raw", "--dtype", "float32", "--jobs", "1").code == 0
    fitted = ispfit.load(model)
    raw, srgb = sorted(roll.glob("*.dng"))[0], sorted(roll.glob("*.jpg"))[0]
    [expected] = fitted.transform([raw])
    assert np.abs(read_srgb(tmp_path / "srgb" / f"{raw.stem}.jpg") - expected).mean() < 0.01
    [linear] = fitted.inverse_transform([srgb])
    assert np.allclose(read_raw(tmp_path / "raw" / f"{srgb.stem}.tif"), linear, atol=1e-6)


def test_the_precision_of_rendering(run: Any, model: Path, roll: Path, tmp_path: Path) -> None:
    outputs = []
    for precision in ("fp32", "bf16"):
        run("derender", model, roll, "-o", tmp_path / precision, "--precision", precision, "--dtype", "float32")
        outputs.append(tifffile.imread(sorted((tmp_path / precision).iterdir())[0]))
    assert 0 < np.abs(outputs[0] - outputs[1]).max() < 0.05


def test_bad_files_sink_nothing_and_are_1(run: Any, model: Path, roll: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = sorted(roll.glob("*.dng"))[0]
    (folder / "good.dng").write_bytes(good.read_bytes())
    (folder / "empty.dng").touch()
    (folder / "text.dng").write_text("not a RAW file")
    for jobs in ("1", "2"):
        result = run("render", model, folder, "-o", tmp_path / f"out{jobs}", "--jobs", jobs)
        assert result.code == 1
        assert "2 of 3 failed" in result.err
        assert "empty.dng: the file is empty" in result.err
        assert "text.dng" in result.err
        assert [path.name for path in (tmp_path / f"out{jobs}").iterdir()] == ["good.jpg"]


@pytest.mark.parametrize("command", ["render", "fit"])
def test_debug_raises_the_error_of_a_file(
    run: Any, model: Path, roll: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ISPFIT_DEBUG", raising=False)
    (tmp_path / "a.dng").write_text("not a RAW file")
    arguments = {"render": [model, roll, tmp_path / "a.dng"], "fit": [roll, tmp_path / "a.dng", "--size", "48"]}[
        command
    ]
    with pytest.raises(FileError, match=r"a\.dng: LibRaw cannot read it") as caught:
        run(command, *arguments, "-o", tmp_path / "out", "--debug", "--jobs", "1")
    assert "in open_raw\n" in str(caught.value.__cause__), "the worker's traceback"
    assert not os.environ.get("ISPFIT_DEBUG"), "later commands do not debug"


def test_a_bad_pair_does_not_sink_a_fit(run: Any, roll: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for path in roll.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    sorted(folder.glob("*.dng"))[0].write_bytes(b"")
    result = run("fit", folder, "-o", tmp_path / "m.ispfit", "--size", "48", "--jobs", "1", *QUICK)
    assert result.code == 1
    assert "1 of 4 failed" in result.err
    assert ispfit.load(tmp_path / "m.ispfit").records_["forward"].n_train == 3


def test_a_full_disk_is_told_and_leaves_nothing(run: Any, model: Path, roll: Path, tmp_path: Path) -> None:
    out, one = tmp_path / "out", sorted(roll.glob("*.jpg"))[0]
    script = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        f"from ispfit.cli import main; main(['derender', {str(model)!r}, {str(one)!r}, '-o', {str(out)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert list(out.rglob("*")) == []


def test_backbones(run: Any) -> None:
    listed = run("backbones", "--json").json
    assert {entry["name"] for entry in listed} >= {"histpyramid", "mlp"}
    assert "halo 8 px" in run("backbones").out


def test_help_does_not_import_torch() -> None:
    script = """
import sys
from ispfit.cli import main
try:
    main(["--help"])
except SystemExit:
    assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def default_signals() -> None:
    """A shell's `&` has Ctrl-C ignored, and nohup SIGHUP."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_system_s_signals_are_ctrl_c_while_a_command_runs(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # nohup has SIGHUP ignored
    try:
        with pytest.raises(SystemExit) as stop:
            cli.run(click.Command("ended", callback=lambda: signal.raise_signal(number)), [])
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert stop.value.code == 130
    assert "Repeat the command to resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGHUP))],
)
def test_ctrl_c_keeps_the_checkpoint_and_the_same_command_goes_on(pairs: Path, tmp_path: Path, number: int) -> None:
    output = tmp_path / "camera.ispfit"
    command = [sys.executable, "-m", "ispfit", "fit", str(pairs), "-o", str(output), "--backbone", "mlp"]
    command += ["--max-steps", "100000", "--direction", "forward"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=default_signals
    )
    checkpoint = tmp_path / "camera.ispfit.checkpoint" / "forward.safetensors"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Repeat the command to resume" in err
    assert checkpoint.exists()
    assert not output.exists()
    assert "\r" not in err, "no progress bar in a pipe"


def test_a_note_on_an_input_is_no_failure(run: Any, model: Path, pairs: Path, tmp_path: Path) -> None:
    for path in pairs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with PILImage.open(pairs / "0.png") as picture:
        exif = PILImage.Exif()
        exif.get_ifd(0x8769).update({0xA001: 65535, 0xA005: {0x0001: "R03"}})  # DCF's mark of Adobe RGB
        picture.save(tmp_path / "0.jpg", exif=exif, quality=95)
    csv = (tmp_path / "pairs.csv").read_text().replace("0.png", "0.jpg")
    (tmp_path / "pairs.csv").write_text(csv)
    result = run("score", model, tmp_path, "--split", "all")
    assert result.code == 0
    assert "4 pairs" in result.out
    assert "Note: " in result.err
    assert "Adobe RGB" in result.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--jobs", "-1"], "-1 is not in the range"),
        (["--seed", "-1"], "random_state: expected a whole number >= 0, got -1"),
        (["--set", "hidden=abc"], "expected hidden to be a whole number from 1 to 4096, got 'abc'"),
        (["--set", "hidden=-2"], "expected hidden to be a whole number from 1 to 4096, got -2"),
    ],
)
def test_parameters_out_of_range_are_2(run: Any, pairs: Path, tmp_path: Path, options: list[str], message: str) -> None:
    result = run("fit", pairs, "-o", tmp_path / "m.ispfit", *QUICK, *options)
    assert result.code == 2
    assert message in result.err


def test_folders_and_files_are_not_mixed_up(run: Any, model: Path, pairs: Path, tmp_path: Path) -> None:
    assert "expected a file to write, got a folder" in run("fit", pairs, "-o", tmp_path, "--overwrite", *QUICK).err
    (tmp_path / "file").touch()
    assert "expected a folder to write to, got a file" in run("render", model, pairs, "-o", tmp_path / "file").err


def test_a_failure_names_its_file(run: Any, model: Path, roll: Path, tmp_path: Path) -> None:
    result = run("render", model, sorted(roll.glob("*.dng"))[0], "-o", tmp_path, "--size", "400", "--square")
    assert result.code == 1
    assert sorted(roll.glob("*.dng"))[0].name in result.err


def test_the_model_knows_its_camera(run: Any, pairs: Path, tmp_path: Path) -> None:
    run("fit", pairs, "-o", tmp_path / "m.ispfit", *QUICK)
    assert ispfit.load(tmp_path / "m.ispfit").camera_ == "ispfit Virtual A"


def test_a_direction_that_was_not_fitted_is_named_with_the_file(run: Any, pairs: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.ispfit"
    assert run("fit", pairs, "-o", model, *QUICK, "--direction", "forward").code == 0
    result = run("derender", model, pairs / "0.png", "-o", tmp_path / "out")
    assert result.code == 2
    assert f"{model}: it was fitted in the forward direction alone" in result.err


def test_a_run_that_goes_on_says_from_where(run: Any, pairs: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.ispfit"
    options = ["fit", pairs, "-o", model, *QUICK, "--direction", "forward", "--overwrite"]
    assert "Resuming from" not in run(*options).err
    ispfit.ISPModel(
        "mlp", direction="forward", max_steps=20, learning_rate=0.01, windows_per_image=4, random_state=0
    ).fit(*ispfit.datasets.load_pairs(pairs, lazy=True), checkpoint=f"{model}.checkpoint")
    assert f"Resuming from {model}.checkpoint" in run(*options).err
    assert "Resuming from" not in run(*options, "--restart").err


def test_fit_uses_the_splits_of_a_table(run: Any, pairs: Path, tmp_path: Path) -> None:
    rows = [line.split(",") for line in (pairs / "pairs.csv").read_text().splitlines()]
    splits = ["split", "train", "validation", "", "test"]
    table = tmp_path / "pairs.csv"
    text = [
        ",".join([row[0], str(pairs / row[1]), str(pairs / row[2]), split])
        for row, split in zip(rows, splits, strict=True)
    ]
    table.write_text("\n".join([f"name,raw,srgb,{splits[0]}", *text[1:]]))
    arguments = ["fit", table, "-o", tmp_path / "m.ispfit", "--overwrite", "--json", *QUICK]

    def counts(*more: str) -> tuple[int, int]:
        record = run(*arguments, *more).json["records"]["forward"]
        return record["n_train"], record["n_validation"]

    assert counts() == (2, 1)  # a pair without a split is trained on
    assert counts("--split", "train") == (1, 1)
    assert counts("--validation-fraction", "0") == (3, 0)
    assert counts("--backbone", "curve") == (3, 0)  # has no early stopping
    table.write_text("\n".join([f"name,raw,srgb,{splits[0]}", text[4]]))
    stopped = run(*arguments)
    assert stopped.code == 2
    assert "no pairs are left to train on; its splits are test" in stopped.err


@pytest.mark.usefixtures("brief_photofinish")
def test_fit_recommends_the_closed_form_if_there_are_few_shots(run: Any, pairs: Path, tmp_path: Path) -> None:
    hint = "with fewer than 500 shots, also try --backbone photofinish"
    assert hint in run("fit", pairs, "-o", tmp_path / "a.ispfit", *QUICK).err
    fitted = run("fit", pairs, "-o", tmp_path / "b.ispfit", "--backbone", "photofinish")
    assert fitted.code == 0
    assert hint not in fitted.err
    assert "both directions: fitted to" in fitted.out
