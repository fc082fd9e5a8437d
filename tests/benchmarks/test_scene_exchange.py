"""The benchmark of scene exchange: what it measures, and that it writes its tables and figures."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ACCURACY = Path(__file__).parents[2] / "benchmarks" / "accuracy"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ACCURACY))
    return import_module("scene_exchange")


def test_the_quarters_of_a_raw_are_its_shadows_and_highlights(script: Any) -> None:
    raw = np.repeat(np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4, 1), 3, axis=2)
    before = np.full_like(raw, 0.5)
    after = before.copy()
    after[0] += 8 / 255
    after[3] -= 4 / 255
    found = script.changes(raw, before, after)
    assert found == pytest.approx([1, 8, -4, 0], abs=1e-3)


def test_agreement_counts_signs_of_what_is_not_small(script: Any) -> None:
    truth, found = np.array([2.0, -4.0, 0.1, 6.0]), np.array([1.0, -2.0, -0.1, -3.0])
    correlation, slope, signs, rms = script.agreement(truth, found)
    assert correlation == pytest.approx(np.corrcoef(truth, found)[0, 1])
    assert slope == pytest.approx((2 + 8 - 0.01 - 18) / (4 + 16 + 0.01 + 36))
    assert signs == pytest.approx(2 / 3)
    assert rms == pytest.approx(np.sqrt((1 + 4 + 0.04 + 81) / 4))


def test_pairs_are_of_different_shots(script: Any) -> None:
    pairs = script.pairs_of(5, 12)
    assert len(pairs) == len(set(pairs)) == 12
    assert all(shot != other for shot, other in pairs)
    assert len(script.pairs_of(3, 60)) == 6


@pytest.mark.usefixtures("brief_photofinish")
def test_the_camera_agrees_with_itself(script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["virtual-a", "-o", tmp_path, "--shots", 10, "--size", 32, "--pairs", 2, "--backbones", "photofinish"]
    script.scene_exchange.main(list(map(str, arguments)), standalone_mode=False)
    text = (tmp_path / "scene-exchange.md").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert "| photofinish, global parts | chroma C* |" in text
    assert "| camera | contrast 0.8 to 2.5 stops | 2 | +" in text
    names = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert names == {"scene-exchange.md", "agreement-virtual-a.png", "sweep-virtual-a.png"} | {
        f"figure{number}-virtual-a-{name}.jpg" for number in (6, 7) for name in ("camera", "photofinish")
    }
