"""Bounds on the peak memory of a process above the interpreter with torch, measured as in the benchmarks."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ispfit import Backbone, list_backbones
from ispfit.backbones.histpyramid import HistPyramid

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
GIB = 1024  # in MiB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")


def peak_mib(script: str, *arguments: str) -> float:
    environment = os.environ | {"PYTHONPATH": str(SPEED)}
    command = [sys.executable, str(SPEED / script), "--peak", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])


def test_a_training_step_takes_a_quarter_of_the_naive_one_at_most() -> None:
    naive = peak_mib("training_step.py", "naive")
    tries = (peak_mib("training_step.py", "ours") for _ in range(3))  # the system adds 0 to 60 MiB by chance
    assert any(ours <= naive / 4 for ours in tries)


@pytest.fixture(scope="module")
def fit_to_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | Backbone], str]:
    """Return the benchmarks' function, which fits a backbone and writes its model file."""
    spec = importlib.util.spec_from_file_location("fitted", SPEED / "fitted.py")
    assert spec is not None
    assert spec.loader is not None
    fitted = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fitted)
    return lambda backbone: str(fitted.fit_to_file(backbone, tmp_path_factory.mktemp("models")))


@pytest.mark.slow  # 25 s of one core; the bound of a training step stays among the quick tests
def test_24_megapixels_are_rendered_in_a_gibibyte_and_a_half(fit_to_file: Callable[[str | Backbone], str]) -> None:
    assert peak_mib("whole_images.py", "ours", fit_to_file(HistPyramid.paper()), "24 MP") <= 1.5 * GIB


@pytest.mark.slow
def test_at_45_megapixels_only_the_larger_images_add_to_it(fit_to_file: Callable[[str | Backbone], str]) -> None:
    model = fit_to_file(HistPyramid.paper())
    small, large = (peak_mib("whole_images.py", "ours", model, label) for label in ("24 MP", "45 MP"))
    images = 2 * 3 * 4 * (5464 * 8192 - 4000 * 6000) / 2**20
    assert large - small <= 1.1 * images


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_renders_24_megapixels_in_four_gibibytes(
    name: str, fit_to_file: Callable[[str | Backbone], str]
) -> None:
    assert peak_mib("backbones.py", fit_to_file(name)) <= 4 * GIB
