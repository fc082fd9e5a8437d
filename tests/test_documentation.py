"""The code blocks of the README run, top to bottom, on files as the reader would have them."""

from __future__ import annotations

import csv
import re
import runpy
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from PIL import Image as PILImage

from ispfit import get_backbone, list_backbones
from ispfit.datasets import make_camera_roll

ROOT = Path(__file__).resolve().parents[1]


def code_blocks(page: Path) -> str:
    """The Python blocks of a page as one program, with few training steps."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks, f"{page} has no Python blocks"
    return re.sub(r"max_steps=\d+", "max_steps=2", "\n".join(blocks))


@pytest.mark.usefixtures("brief_photofinish")
def test_the_readme_s_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_camera_roll("shots", 6, image_size=(192, 288), random_state=0)  # large enough to be registered
    program = code_blocks(ROOT / "README.md").replace("size=512", "size=64").replace("-12", "-2")
    exec(compile(program, "README.md", "exec"), {"__name__": "its_module"})
    with PILImage.open("rendered.jpg") as picture:
        assert picture.size in {(288, 192), (192, 288)}
    assert Path("derendered.tif").exists()
    assert Path("camera.ispfit").exists()


def test_the_readme_is_finished() -> None:
    assert "<!--" not in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_that_the_readme_names_exists() -> None:
    """By address: a package index shows the README without its neighbours."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    links = dict(re.findall(r"^\[(.+)\]: (\S+)$", page, re.MULTILINE))
    home = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Homepage"]
    for address in links.values():
        kind, target = re.fullmatch(rf"{home}/(blob|tree|raw)/main/([^#]+)(?:#.*)?", address).groups()  # type: ignore[union-attr]
        assert (ROOT / target).exists(), target
        assert (kind == "tree") == (ROOT / target).is_dir()
    prose = re.sub(r"^```.*?^```|`[^`\n]+`(?!\])", "", page, flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"\]\((?!https://)[^)]*\)", prose) == []
    used = {last or first for first, last in re.findall(r"(?<!\^)\[([^\]\[]+)\](?:\[([^\]]+)\])?(?!:)", prose)}
    assert set(links) <= used
    assert {name for name in used if "/" in name or name == "plugins"} <= set(links)


def test_the_readme_s_backbone_keeps_the_contract() -> None:
    source = (ROOT / "README.md").read_text(encoding="utf-8")
    [plugin] = [
        block for block in re.findall(r"^```python\n(.*?)^```", source, re.DOTALL | re.MULTILINE) if "hookimpl" in block
    ]
    assert len([line for line in plugin.splitlines() if line.strip()]) <= 25
    assert "its_module" not in sys.modules


def test_the_example_of_model_selection_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["model_selection.py", str(tmp_path)])
    source = (ROOT / "docs" / "model_selection.py").read_text(encoding="utf-8")
    source = source.replace("SHOTS, SIDE, STEPS = 60, 256, 150", "SHOTS, SIDE, STEPS = 6, 32, 1")
    source = source.replace("n_jobs=2", "n_jobs=1")
    exec(compile(source, "model_selection.py", "exec"), {"__name__": "__main__"})
    assert len((tmp_path / "model-selection.csv").read_text().splitlines()) == 7
    with PILImage.open(tmp_path / "model-selection.png") as picture:
        assert picture.size == (800, 320)


def test_the_page_on_model_selection_shows_what_was_run() -> None:
    page = (ROOT / "docs" / "model-selection.md").read_text(encoding="utf-8")
    script = (ROOT / "docs" / "model_selection.py").read_text(encoding="utf-8")
    [block] = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert all(line.strip() in script for line in block.splitlines())
    with (ROOT / "docs" / "model-selection.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            first, second = (f"{row[name]} ± {row[f'{name}_error']}" for name in ("forward", "inverse"))
            assert f"| {row['backbone__bins']} | {row['learning_rate']} | {first} | {second} |" in page


PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "plugins").glob("*/README.md")})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_no_wider_than_code(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 120 and not line.startswith("|")] == []


def test_the_diagrams_are_what_the_script_draws() -> None:
    drawings: dict[str, str] = runpy.run_path(str(ROOT / "docs" / "draw.py"))["drawings"]()
    assert set(drawings) == {path.name for path in (ROOT / "docs").glob("*.svg")}
    for name, svg in drawings.items():
        message = f"docs/{name} is out of date; run `python docs/draw.py`"
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == svg, message
        assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"


def test_every_diagram_stands_on_a_page() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for path in (ROOT / "docs").glob("*.svg"):
        assert f"{path.name})" in pages


@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_has_its_page_and_its_row_in_the_readme(name: str) -> None:
    page = (ROOT / "docs" / "backbones" / f"{name}.md").read_text(encoding="utf-8")
    for parameter, value in get_backbone(name)().settings().items():
        shown = list(value) if isinstance(value, tuple) else value
        assert f"`{parameter}={shown}`" in page, f"{parameter}={shown}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"| [`{name}`] |" in readme
    assert re.search(rf"^\[`{name}`\]: https://\S+/docs/backbones/{name}\.md$", readme, re.MULTILINE)


def test_contributing_shows_the_floors_that_are_enforced() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [layers] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    rows = [
        f"| {len(layers) - 1 - index} | {', '.join(f'`{room}`' for room in layer.split(' | '))} |"
        for index, layer in enumerate(layers)
    ]
    table = "| floor | rooms |\n|---|---|\n" + "\n".join(rows) + "\n\n"
    assert table in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_room_is_on_a_floor_and_every_floor_s_room_exists() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = {room for line in re.findall(r"^\| \d+ \| (.*) \|$", page, re.MULTILINE) for room in line.split("`")[1::2]}
    found = {
        path.stem for path in (ROOT / "ispfit").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert named == found - {"__init__", "__main__"}
