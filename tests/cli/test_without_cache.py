"""Commands work without a cache: no home folder, a folder that cannot be made, a full disk or a full cache."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ispfit.cli import main
from ispfit.datasets import make_camera_pairs, make_camera_roll
from ispfit.io import write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv

FIT = ["--backbone", "curve", "--overwrite", "--size", "64", "--jobs", "1"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """RAW files with JPEGs, and a table of pairs."""
    folder = tmp_path_factory.mktemp("files")
    make_camera_roll(folder / "roll", 2, image_size=(128, 192), random_state=0)
    rows = []
    (folder / "table").mkdir()
    for index, (raw, srgb) in enumerate(zip(*make_camera_pairs(2, image_size=32, random_state=0), strict=True)):
        write_linear(folder / "table" / f"{index}.tif", raw)
        write_srgb(folder / "table" / f"{index}.png", srgb)
        rows.append({"name": index, "raw": f"{index}.tif", "srgb": f"{index}.png"})
    write_pairs_csv(folder / "table" / "pairs.csv", rows)
    return {"roll": folder / "roll", "table": folder / "table"}


def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ISPFIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fail)
    return "the cache has no place (Could not determine home directory.); set ISPFIT_CACHE to a folder"


def no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "file" / "cache"))
    return f"{tmp_path}/file/cache: Not a directory"


def full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(np, "save", fail)
    return f"{tmp_path}/cache: No space left on device"


def full_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ISPFIT_CACHE_GB", "0")
    return f"{tmp_path}/cache: holds the 0 GB that it may; set ISPFIT_CACHE_GB to more"


@pytest.mark.parametrize("kind", ["table", "roll"])
@pytest.mark.parametrize("trouble", [no_home, no_folder, full_disk, full_cache])
def test_a_model_is_fitted_and_a_note_says_why(
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: Any,
    kind: str,
) -> None:
    if kind == "roll" and trouble in (no_home, full_disk):
        pytest.skip("a worker has no patches")
    reason = trouble(monkeypatch, tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(files[kind]), "-o", str(tmp_path / "m.ispfit"), *FIT])
    out, errors = capsys.readouterr()
    assert stop.value.code == 0
    assert "forward: fitted to 2 pairs" in out
    assert errors.count("Note: the cache cannot be used (") == 1
    assert f"the cache cannot be used ({reason}" in errors


def test_a_path_that_cannot_be_reached_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    with pytest.raises(SystemExit) as stop:
        main(["fit", str(tmp_path / "pairs"), "-o", str(tmp_path / "m.ispfit")])
    assert stop.value.code == 2
    assert ": Permission denied.\n" in capsys.readouterr().err
