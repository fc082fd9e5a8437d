"""The code blocks of the README run, top to bottom, on files as the reader would have them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PIL import Image as PILImage

from ispfit.datasets import make_camera_roll

ROOT = Path(__file__).resolve().parents[1]


def code_blocks(page: Path) -> str:
    """The Python blocks of a page as one program, with few training steps."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks, f"{page} has no Python blocks"
    return re.sub(r"max_steps=\d+", "max_steps=2", "\n".join(blocks))


def test_the_readme_s_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = make_camera_roll("shots", 6, image_size=(64, 96), random_state=0)
    for raw, srgb in files[:1]:
        for path in (raw, srgb):
            path.rename(Path("shots") / f"shot000{path.suffix}")
    program = code_blocks(ROOT / "README.md").replace("size=512", "size=32")
    exec(compile(program, "README.md", "exec"), {"__name__": "its_module"})
    with PILImage.open("rendered.jpg") as picture:
        assert picture.size in {(96, 64), (64, 96)}
    assert Path("derendered.tif").exists()
    assert Path("camera.ispfit").exists()


def test_the_readme_is_finished() -> None:
    assert "<!--" not in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_that_the_readme_names_exists() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_the_readme_s_backbone_keeps_the_contract() -> None:
    source = (ROOT / "README.md").read_text(encoding="utf-8")
    [plugin] = [
        block for block in re.findall(r"^```python\n(.*?)^```", source, re.DOTALL | re.MULTILINE) if "hookimpl" in block
    ]
    assert len([line for line in plugin.splitlines() if line.strip()]) <= 25
    assert "its_module" not in sys.modules
