"""The demo, short: it goes the whole way and leaves what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ispfit
from ispfit.cli import main


@pytest.mark.usefixtures("brief_photofinish")
def test_the_demo_goes_the_whole_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ispfit.cli.demo._SHOT_PX", (192, 288))
    monkeypatch.setattr("ispfit.cli.demo._SIZE_PX", 64)
    with pytest.raises(SystemExit) as stop:
        main(["demo", "-o", str(tmp_path), "--shots", "8", "--steps", "0.005"])
    printed = capsys.readouterr().out
    assert stop.value.code == 0
    assert "2 held-out shots" in printed
    for line in ("raw to sRGB", "sRGB to raw", "histpyramid", "mlp", "mean  median    min    max"):
        assert line in printed
    assert ispfit.load(tmp_path / "camera.ispfit").backbone_.name == "histpyramid"
    assert len(list((tmp_path / "roll").glob("*.dng"))) == len(list((tmp_path / "roll").glob("*.jpg"))) == 8
    assert len(list((tmp_path / "rendered").iterdir())) == 4
    assert (tmp_path / "demo.png").stat().st_size > 10_000


@pytest.mark.slow
def test_at_full_length_the_pyramid_is_two_decibels_ahead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["demo", "-o", str(tmp_path), "--json"])
    forward = json.loads(capsys.readouterr().out)["psnr"]["forward"]
    assert np.mean(forward["histpyramid"]) >= np.mean(forward["mlp"]) + 2
