"""The plugin pages of the docs: their code runs, and every hook is there with its exact signature."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ispfit
from ispfit.datasets import list_datasets, load_dataset
from ispfit.errors import BackboneError
from ispfit.plugins import specs
from ispfit.testing import check_backbone

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str = "python") -> list[str]:
    return [code for found, code in FENCE.findall((DOCS / page).read_text()) if found == language]


@pytest.mark.parametrize("hook", specs.HOOKS)
def test_every_hook_is_in_the_docs_with_its_signature(hook: str) -> None:
    function = getattr(specs, hook)
    assert f"### `{hook}{str(inspect.signature(function)).replace(chr(39), '')}`" in (DOCS / "plugins.md").read_text()


def test_every_hook_of_the_specs_is_listed_and_no_other_in_the_docs() -> None:
    assert set(specs.HOOKS) == {name for name in vars(specs) if name.startswith("ispfit_")}
    assert re.findall(r"^### `(\w+)\(", (DOCS / "plugins.md").read_text(), re.MULTILINE) == list(specs.HOOKS)


@pytest.mark.parametrize("number", range(2))
def test_the_plugins_of_the_docs_work(install: Callable[..., None], tmp_path: Path, number: int) -> None:
    install("ispfit-docs", blocks("plugins.md")[number])
    if number == 0:
        np.save(tmp_path / "shot.npy", np.full((2, 3, 3), 0.5))
        assert ispfit.read_raw(tmp_path / "shot.npy").shot.camera == "My camera"
    else:
        assert list_datasets()[-1] == "my-camera"
        assert len(load_dataset("my-camera", n=1)[0]) == 1


@pytest.fixture
def glow(install: Callable[..., None], tmp_path: Path) -> Path:
    """The tutorial's files, where it says that they are."""
    for code in blocks("write-a-backbone.md") + blocks("write-a-backbone.md", "toml"):
        path = tmp_path / "ispfit-glow" / code.splitlines()[0].removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return tmp_path / "ispfit-glow"


@pytest.mark.slow
def test_the_tutorial_from_the_first_line_to_the_search(glow: Path) -> None:
    run(glow, "-m", "pip", "install", *PIP, "--target", str(glow / "site"), str(glow))
    (glow / "ispfit_glow.py").unlink()  # what is used from now on is what was installed
    code = "import sys, pytest, runpy; pytest.main(['-q', '-p', 'no:cacheprovider', 'tests']) and sys.exit(1); "
    output = run(glow, "-c", code + "runpy.run_path('search.py')")
    assert "2 passed" in output
    assert "'backbone':" in output


PIP = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]


def run(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder / "site"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("change", "to", "quoted"),
    [
        ("    halo = 1\n", "    halo = 0\n", "GlowNetwork.render returned shape"),
        ("halo = 1\n", "halo = 0\n", "render reads 1 pixels around a pixel"),
    ],
    ids=["forgotten", "padded"],
)
def test_the_messages_that_the_tutorial_quotes(install: Callable[..., None], change: str, to: str, quoted: str) -> None:
    code = blocks("write-a-backbone.md")[0].replace(change, to)
    if "reads" in quoted:
        code = code.replace("nn.Conv2d(3, channels, 3)", "nn.Conv2d(3, channels, 3, padding=1)")
    install("ispfit-glow", code)
    with pytest.raises(BackboneError) as caught:
        check_backbone(ispfit.get_backbone("glow")())
    page = " ".join((DOCS / "write-a-backbone.md").read_text().split())
    assert str(caught.value).removeprefix("Glow: ") in page
    assert quoted in str(caught.value)
