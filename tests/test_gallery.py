"""The scripts of the gallery have a title, use public names alone, and run."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import ispfit

DOCS = Path(__file__).resolve().parents[1] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def imported_names(source: str) -> set[tuple[str, str]]:
    """The modules that a script imports from, and the names that it takes."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = {(alias.name, "") for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    taken = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return plain | {(str(node.module), alias.name) for node in taken for alias in node.names}


def is_public(module: str, name: str) -> bool:
    package, _, room = module.partition(".")
    if package != "ispfit":
        return True
    return room in {"", "report", *ispfit.__all__} and name in {"", *import_module(module).__all__}


def test_the_gallery_shows_all_examples() -> None:
    configured = re.findall(r'^    "(\w+)",$', (DOCS / "conf.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert {path.stem.removeprefix("plot_") for path in EXAMPLES} <= set(configured)
    assert all(path.name.startswith("plot_") for path in EXAMPLES)  # others are not run


@each_example
def test_an_example_has_a_title_and_says_what_it_shows(example: Path) -> None:
    tree = ast.parse(example.read_text(encoding="utf-8"))
    title, underline, _, *prose = str(ast.get_docstring(tree)).splitlines()
    assert underline == "=" * len(title)
    assert " ".join(prose).rstrip()[-1:] in {".", "?"}


@each_example
def test_an_example_imports_only_what_is_public(example: Path) -> None:
    names = imported_names(example.read_text(encoding="utf-8"))
    assert ("ispfit", "ISPModel") in names
    assert {name for name in names if not is_public(*name)} == set()


def test_what_is_private_is_told_from_what_is_public() -> None:
    assert is_public("ispfit.displays", "PSNRDisplay")
    assert is_public("torch.nn", "Linear")
    assert not is_public("ispfit.training", "train")
    assert not is_public("ispfit.backbones.histpyramid", "HistPyramid")
    assert not is_public("ispfit.io", "dng_tags")


@pytest.mark.slow
@each_example
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    settings = os.environ | {"MPLBACKEND": "agg"}
    subprocess.run([sys.executable, "-W", "error", str(example)], cwd=tmp_path, env=settings, check=True)


def test_links_out_of_the_documentation_lead_to_the_repository() -> None:
    pytest.importorskip("sphinx_gallery")
    rewrite = runpy.run_path(str(DOCS / "conf.py"))["link_to_the_repository"]

    class App:
        srcdir = str(DOCS)

    source = ["[a](../datasets/hdrplus/README.md) [b](../plugins) [c](speed.md)"]
    rewrite(App, "datasets", source)
    home = "https://github.com/ispfit/ispfit"
    assert source == [f"[a]({home}/blob/main/datasets/hdrplus/README.md) [b]({home}/tree/main/plugins) [c](speed.md)"]
    inner = ["[ablation](../ablation.md)"]
    rewrite(App, "backbones/histpyramid", inner)
    assert inner == ["[ablation](../ablation.md)"]
