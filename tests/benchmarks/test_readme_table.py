"""The table of backbones in README is what the command beside it prints."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ispfit.comparison import RunResult, prepare_pair_set

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "accuracy"))
    return import_module("readme_table")


@pytest.fixture(scope="module")
def section() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8").split("## Backbones\n")[1].split("\n## ")[0]


@pytest.fixture(scope="module")
def table(section: str) -> str:
    return "".join(f"{line}\n" for line in section.splitlines() if line.startswith("|"))


def results_of(table: str, smaller: dict[str, dict[str, Any]]) -> list[RunResult]:
    """Return results that have the numbers of a table, camera by camera."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    found = []
    for camera in (0, 1):
        for name, _, *psnr, weights, seconds, _ in rows:
            backbone, number = name.strip("[`]"), int(weights.replace(",", ""))
            means = {"forward": [float(psnr[camera])], "inverse": [float(psnr[2 + camera])]}
            time = 1e4 if camera else float(seconds)  # only the time of the first camera is in the table
            settings = smaller.get(backbone, {})
            found.append(RunResult(str(camera), backbone, settings, {}, 0, 1, time, number, {}, ["shot"], means))
    return found


def test_the_table_has_the_form_that_the_command_prints(script: Any, table: str) -> None:
    assert len(table.splitlines()) == 2 + len(script.LOOKS_AT)
    assert script.readme_table(results_of(table, script.SMALLER)) == table


def test_the_command_and_its_settings_stand_beside_the_table(script: Any, section: str) -> None:
    text = " ".join(section.split())
    assert "python benchmarks/accuracy/readme_table.py D7000 -o " in text
    assert "300 steps of 4 images x 8 windows in each direction, at a learning rate of 3e-3" in text
    assert (
        "`histpyramid` had 32 channels (default: 64); `hypercolumn` and `fcn` had a quarter of VGG-16's width" in text
    )
    assert script.BUDGET.parameters == {
        "max_steps": 300,
        "batch_size": 4,
        "windows_per_image": 8,
        "learning_rate": 3e-3,
    }
    assert script.SMALLER == {"histpyramid": {"channels": 32}, "hypercolumn": {"width": 0.25}, "fcn": {"width": 0.25}}


def test_a_backbone_that_failed_on_one_camera_has_no_row(script: Any, table: str) -> None:
    results = results_of(table, script.SMALLER)
    del results[len(script.LOOKS_AT) + list(script.LOOKS_AT).index("fcn")]
    lines = [line for line in table.splitlines(keepends=True) if not line.startswith("| [`fcn`]")]
    assert script.readme_table(results) == "".join(lines)


def test_the_command_prints_the_table(
    script: Any, table: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pairs = prepare_pair_set("virtual-b", tmp_path, n_samples=10, image_size=32).path
    options = ["-o", str(tmp_path / "out"), "--shots=10", "--size=32"]
    assert script.main.main([str(pairs), *options, "--backbones=curve"], standalone_mode=False) == 0
    *head, row = capfd.readouterr().out.splitlines()
    assert head == table.splitlines()[:2]
    name, looks_at, *psnr, weights, _, halo = row.split(" | ")
    assert (name, looks_at, weights, halo) == ("| [`curve`]", "one channel of the pixel", "192", "0 |")
    assert len(set(psnr)) == 4  # two cameras, two directions
    assert all(10 < float(each) < 60 for each in psnr)


def test_an_unknown_backbone_is_refused(script: Any) -> None:
    with pytest.raises(Exception, match=r"--backbones: expected names of histpyramid, .*, got affine\.$"):
        script.main.main(["pairs", "-o", "out", "--backbones=affine,curve"], standalone_mode=False)
