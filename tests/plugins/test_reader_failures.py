"""A plugin's reader that fails costs its file: the command reports it and goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ispfit import ISPModel
from ispfit.datasets import make_camera_pairs

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


def render(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ispfit", "render", "m.ispfit", "in", "-o", "out", "--jobs", "1", *options]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_other_files_are_rendered(folder: Path) -> None:
    done = render(folder)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.jpg", "z.jpg"]
    assert "3 of 5 failed:" in done.stderr
    assert "in/lzma.npy: the reader of ispfit-npy 1.0 failed: Input format not supported by decoder" in done.stderr
    assert "in/memory.npy: there is not enough memory for it" in done.stderr
    assert "in/module.npy: the reader of ispfit-npy 1.0 failed: ModuleNotFoundError: No module named" in done.stderr


def test_debug_shows_the_traceback_of_the_first(folder: Path) -> None:
    done = render(folder, "--debug")
    assert done.returncode == 1
    assert 'ispfit_npy.py", line' in done.stderr
    assert "LZMAError: Input format not supported by decoder" in done.stderr
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.jpg"]
