"""Files whose names are not UTF-8, or hold control characters, are files like others; a bad one costs itself."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import ispfit
from ispfit.cli import main
from ispfit.datasets import load_pairs, make_camera_roll
from ispfit.errors import ModelFileError

pytestmark = pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="file names are Unicode there")

NOT_UTF8 = os.fsdecode(b"caf\xe9")
RED = "\x1b[31mred"


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A folder of four shots: an odd name, a control character, a plain one, and an odd one that is damaged."""
    roll = make_camera_roll(tmp_path / "roll", 4, image_size=(128, 192), random_state=0)
    folder = tmp_path / "shots"
    folder.mkdir()
    for name, files in zip([NOT_UTF8, RED, "plain", f"bad{NOT_UTF8}"], roll, strict=True):
        for file in files:
            shutil.copy(file, folder / f"{name}{file.suffix}")
    (folder / f"bad{NOT_UTF8}.dng").write_bytes((folder / f"bad{NOT_UTF8}.dng").read_bytes()[:3000])
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return (stop.value.code, *capsys.readouterr())


def test_every_command_takes_them(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, options = tmp_path / f"{NOT_UTF8}.ispfit", ["--size", "64", "--jobs", "1"]
    outputs = [
        run(capsys, "pairs", shots, "-o", tmp_path / "pairs", *options),
        run(capsys, "fit", shots, "-o", model, "--backbone", "curve", *options),
        run(capsys, "score", model, shots, *options),
        run(capsys, "render", model, shots, "-o", tmp_path / "out", "--jobs", "1"),
    ]
    for code, out, errors in outputs:
        assert code == 1
        assert "1 of 4" in errors
        assert r"bad" in errors
        assert r"caf\xe9.dng: LibRaw cannot read it: " in errors
        assert not {"\x1b", "\udce9"} & set(out + errors)
    assert {file.stem for file in (tmp_path / "out").iterdir()} == {NOT_UTF8, RED, "plain"}
    assert len(load_pairs(tmp_path / "pairs")[0]) == 3


def test_a_damaged_model_file_of_such_a_name_is_named(tmp_path: Path) -> None:
    path = tmp_path / f"{NOT_UTF8}.ispfit"
    path.write_bytes(bytes(100))
    with pytest.raises(ModelFileError, match=r"caf.\.ispfit: not a model file of ispfit"):
        ispfit.load(path)


def test_an_argument_that_does_not_exist_is_one_failure(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "m.ispfit"
    run(capsys, "fit", shots / "plain.dng", "-o", model, "--backbone", "curve", "--size", "64")
    code, out, errors = run(capsys, "render", model, shots / "plain.dng", shots / "gone.dng", "-o", tmp_path / "out")
    assert (code, out) == (1, f"1 written to {tmp_path / 'out'}\n")
    assert errors == f"1 of 2 failed:\n  {shots / 'gone.dng'}: no such file or folder.\n"
