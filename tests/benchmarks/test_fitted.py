"""The speed benchmarks time fitted backbones and refuse others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ispfit
from ispfit import ISPModel, get_backbone, list_backbones
from ispfit.training import TrainingRecord

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
SLOW = {"hypercolumn", "fcn"}

pytestmark = pytest.mark.usefixtures("brief_photofinish")


@pytest.fixture(scope="module", autouse=True)
def speed_on_path() -> Iterator[None]:
    """Let the scripts import each other, as they do when they run."""
    sys.path.insert(0, str(SPEED))
    yield
    sys.path.remove(str(SPEED))


@pytest.fixture(scope="module")
def fit_to_file(speed_on_path: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that fits a backbone once, as the benchmarks do, and returns its model file."""
    import fitted

    return cache(lambda name: fitted.fit_to_file(name, tmp_path_factory.mktemp("models")))


def unfitted(name: str) -> ISPModel:
    backbone = get_backbone(name)()
    records = {"forward": TrainingRecord(n_train=0, n_validation=0)}
    return ISPModel(backbone, direction="forward").set_fitted(backbone, {"forward": backbone.build()}, records)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in list_backbones()]
)
def test_every_backbone_is_fitted_before_it_is_timed(name: str, fit_to_file: Callable[[str], Path]) -> None:
    import backbones
    import fitted

    path = fit_to_file(name)
    network, new = fitted.load_to_time(path), get_backbone(name)().build()
    weights, initial = network.state_dict(), new.state_dict()
    assert any(not torch.equal(weights[key], initial[key]) for key in weights)
    pixels = fitted.picture((40, 56))
    rendered: Any = backbones.work(path, pixels)()
    np.testing.assert_array_equal(rendered, ispfit.load(path, device="cpu").transform([pixels])[0])


@pytest.mark.parametrize("name", ["parametric", "photofinish", "curve", "mlp"])
def test_an_unfitted_backbone_is_refused(name: str, tmp_path: Path) -> None:
    import backbones

    unfitted(name).save(tmp_path / "model.ispfit")
    with pytest.raises(ValueError, match=f"{name}: expected a fitted network to time, got one as its backbone builds"):
        backbones.work(tmp_path / "model.ispfit", np.zeros((8, 8, 3), np.float32))


def test_the_timed_parametric_has_all_its_control_points(fit_to_file: Callable[[str], Path]) -> None:
    """Without any, as in a new network, its radial functions are skipped."""
    import fitted

    network: Any = fitted.load_to_time(fit_to_file("parametric"))
    assert (network.gamut.weights != 0).any(1).sum() >= 290


def test_the_timed_photofinish_has_its_residual(fit_to_file: Callable[[str], Path]) -> None:
    import fitted

    network: Any = fitted.load_to_time(fit_to_file("photofinish"))
    assert network.rendering.residual.weight > 0


def test_the_rows_hold_the_figures_and_their_ratios() -> None:
    import backbones

    large = {
        "histpyramid": {"wall": 10.0, "cpu": 20.0, "peak_mib": 600.4},
        "curve": {"wall": 2.0, "cpu": 3.0, "peak_mib": 500.0},
    }
    small = {"histpyramid": {"cpu": 0.5, "wall": 1.0}, "curve": {"cpu": 0.1, "wall": 1.0}, "naive": {"cpu": 1.0}}
    assert backbones.rows(large, small) == [
        ["`curve`", "2.0", "3.0", "0.15", "500", "0.10"],
        ["`histpyramid`", "10.0", "20.0", "1.00", "600", "0.50"],
    ]
    assert backbones.rows({"curve": large["curve"]}, small)[0][3] == ""
