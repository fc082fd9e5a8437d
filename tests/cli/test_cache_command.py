"""`ispfit cache` shows, checks and empties the cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ispfit.cache import cache_entry, store_image
from ispfit.cli import main
from ispfit.images import Image


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command beside a cache of two entries, of which one is damaged; returns exit code, output and errors."""
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ISPFIT_CACHE_GB", "2")
    for name in ("whole", "cut"):
        store_image(cache_entry(name, ".npy"), Image(np.zeros((10, 10, 3), np.float32)))
    cache_entry("cut", ".npy").write_bytes(b"")

    def run(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["cache", *arguments])
        return (stop.value.code, *capsys.readouterr())

    return run


def test_it_shows_the_folder_its_size_and_its_bound(run: Any, tmp_path: Path) -> None:
    assert run() == (0, f"{tmp_path / 'cache'}: 2 entries, 0.000 GB of 2 GB at most\n", "")
    found = json.loads(run("--json")[1])
    assert found == {
        "folder": str(tmp_path / "cache"),
        "entries": 2,
        "bytes": cache_entry("whole", ".npy").stat().st_size,
        "limit": 2 * 10**9,
        "removed": [],
        "cleared": False,
    }


def test_it_removes_damaged_entries(run: Any) -> None:
    code, out, _ = run("--check")
    assert code == 0
    assert f"removed {cache_entry('cut', '.npy')}: it was damaged\n" in out
    assert "1 entry, " in out
    assert "1 damaged file\n" in out
    assert cache_entry("whole", ".npy").exists()


def test_it_empties_the_cache(run: Any, tmp_path: Path) -> None:
    assert "cache: removed 2 entries, 0.000 GB\n" in run("--clear")[1]
    assert list((tmp_path / "cache").iterdir()) == []


def test_it_refuses_to_check_what_it_clears(run: Any) -> None:
    code, _, errors = run("--check", "--clear")
    assert code == 2
    assert "--check: with --clear nothing is left to check; leave one out." in errors


def test_a_cache_without_a_place_is_told(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISPFIT_CACHE", "/proc/none")
    code, _, errors = run()
    assert code == 2
    assert errors.startswith("Error: /proc/none: the folder cannot be made: ")
    assert errors.endswith("; set ISPFIT_CACHE to another folder.\n")
