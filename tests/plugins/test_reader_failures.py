"""A plugin's reader that fails costs its file: the command reports it and goes on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ispfit import ISPModel
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.errors import FileError

READER = """
    import lzma
    import numpy as np
    import ispfit
    from ispfit.images import Image

    def read(path):
        if "memory" in path.name:
            raise MemoryError
        if "lzma" in path.name:
            lzma.decompress(b"no such data")
        if "module" in path.name:
            import there_is_no_such_module
        return Image(np.load(path))

    @ispfit.hookimpl
    def ispfit_raw_readers():
        return {".npy": read}
"""


@pytest.fixture
def folder(tmp_path: Path, install: Callable[..., None]) -> Path:
    """Raw files for a plugin, of which those with some names fail, and a model."""
    install("ispfit-npy", READER)
    X, Y = make_camera_pairs(2, image_size=24, random_state=0)
    ISPModel("curve", direction="forward").fit(X, Y).save(tmp_path / "m.ispfit")
    (tmp_path / "in").mkdir()
    for name in ("a", "lzma", "memory", "module", "z"):
        np.save(tmp_path / "in" / f"{name}.npy", X[0])
    return tmp_path


@pytest.fixture
def arguments(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command that renders the files in a worker that is new: those that wait do not know the plugin."""
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("ISPFIT_DEBUG", "0")  # to be put back as it was
    monkeypatch.setattr("ispfit.jobs._idle", {})
    monkeypatch.chdir(folder)
    return ["render", "m.ispfit", "in", "-o", "out", "--jobs", "1"]


def test_the_other_files_are_rendered(folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 1
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.jpg", "z.jpg"]
    assert "3 of 5 failed:" in errors
    assert "in/lzma.npy: the reader of ispfit-npy 1.0 failed: Input format not supported by decoder" in errors
    assert "in/memory.npy: there is not enough memory for it" in errors
    assert "in/module.npy: the reader of ispfit-npy 1.0 failed: ModuleNotFoundError: No module named" in errors


def test_debug_shows_the_traceback_of_the_first(folder: Path, arguments: list[str]) -> None:
    with pytest.raises(FileError) as caught:
        main([*arguments, "--debug"])
    shown = "".join(traceback.format_exception(caught.value))  # as the interpreter ends with it
    assert 'ispfit_npy.py", line' in shown
    assert "LZMAError: Input format not supported by decoder" in shown
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.jpg"]
