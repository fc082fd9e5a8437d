"""The benchmark of standard deviations: what it counts, and that it writes its table and its plot."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from ispfit.comparison import PairSet, prepare_pair_set

ACCURACY = Path(__file__).parents[2] / "benchmarks" / "accuracy"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ACCURACY))
    return import_module("calibration")


@pytest.fixture(scope="module")
def pair_set(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    return prepare_pair_set("virtual-a", tmp_path_factory.mktemp("data"), n_samples=10, image_size=32)


def test_normal_errors_are_covered_as_they_should_be(script: Any) -> None:
    quantiles = np.array([NormalDist().inv_cdf((index + 0.5) / 3000) for index in range(3000)])
    truth = np.full((10, 100, 3), 0.5)
    calibration = script.Calibration()
    calibration.add("inverse", truth, truth + 0.01 * quantiles.reshape(truth.shape), np.full(truth.shape, 0.01), 0.5)
    for level in script.LEVELS:
        assert calibration.covered("pixels", level) == pytest.approx(level, abs=0.001)
    assert calibration.cells() == ["1", "68 %", "95 %", "100 %", "100 %", "0.000", "0.500"]
    sure = script.Calibration()
    sure.add("inverse", truth, truth + 0.01 * quantiles.reshape(truth.shape), np.full(truth.shape, 0.005), 0.5)
    assert sure.covered("pixels", 0.6827) == pytest.approx(0.383, abs=0.002)  # of normal errors in half a deviation


def test_the_error_of_an_exposure_is_in_ev_of_linear_light(script: Any) -> None:
    light = np.full((4, 4, 3), 0.2)
    assert script.exposure_error("inverse", light, 2 * light) == pytest.approx(1)
    assert script.exposure_error("inverse", light, light / 4) == pytest.approx(-2)
    grey = np.full((4, 4, 3), 0.5)  # 0.2140 of linear light
    assert script.exposure_error("forward", grey, np.ones_like(grey)) == pytest.approx(np.log2(1 / 0.21404), abs=1e-3)


@pytest.mark.usefixtures("brief_photofinish")
def test_a_table_and_a_plot_are_written(
    script: Any, pair_set: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(pair_set.path), "-o", str(tmp_path / "new"), "--folds=1"]
    script.calibration.main(arguments, standalone_mode=False)
    text = (tmp_path / "new" / "calibration.md").read_text()
    assert text in capsys.readouterr().out
    assert [line.split(" | ")[1:3] for line in text.splitlines()[2:]] == [["raw to sRGB", "2"], ["sRGB to raw", "2"]]
    with PILImage.open(tmp_path / "new" / "calibration.png") as picture:
        assert picture.size == (900, 900)
