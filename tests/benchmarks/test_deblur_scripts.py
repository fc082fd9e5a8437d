"""The benchmarks of deblurring: the loops they compare with, and that they write their tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PILImage
from scipy import ndimage

from ispfit.deblur.latent import PRIORS, DataTerm

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import a script by folder and name; two folders have one of the same name."""

    def load(folder: str, name: str) -> Any:
        sys.modules.pop("deblur", None)
        monkeypatch.syspath_prepend(str(BENCHMARKS / folder))
        return import_module(name)

    yield load
    sys.modules.pop("deblur", None)


def test_the_loops_find_the_same_image(script: Any) -> None:
    naive = script("speed", "naive_dark_channel")
    luma = ndimage.gaussian_filter(np.random.default_rng(0).random((40, 44)), 1.5, mode="wrap")
    blurred, prior = torch.as_tensor(luma, dtype=torch.float32)[None], PRIORS["dark-channel"]
    kernel = np.full((3, 3), 1 / 9)
    plane = np.zeros(luma.shape)
    plane[:3, :3] = kernel
    transfer = np.fft.fft2(np.roll(plane, (-1, -1), (0, 1)))
    ours = prior.restore(DataTerm.of(blurred, kernel), blurred, prior.strength, prior.mu, False)[0]
    theirs = naive.restore(luma, transfer, prior.strength, prior.mu)
    assert np.sqrt(np.mean((ours.numpy() - theirs) ** 2)) < 2e-3
    assert np.abs(theirs - luma).max() > 0.02


def test_the_benchmark_of_kernels_writes_its_results(script: Any, tmp_path: Path) -> None:
    deblur = script("accuracy", "deblur")
    arguments = ["-o", str(tmp_path), "--pairs", "1", "--size", "96", "--prior", "gradient"]
    deblur.deblur.main(arguments, standalone_mode=False)
    assert (tmp_path / "deblur.md").read_text().count("| gradient |") == 1
    assert len((tmp_path / "deblur.csv").read_text().splitlines()) == 2
    with PILImage.open(tmp_path / "deblur.png") as picture:
        assert picture.size == (33 * 4, 2 * 33 * 4)


def test_levins_pairs_are_read_in_either_convention(script: Any, tmp_path: Path) -> None:
    deblur = script("accuracy", "deblur")
    kernel = np.zeros((5, 5))
    kernel[2, 1:], kernel[1, 1] = 1, 2
    (tmp_path / "files/gt").mkdir(parents=True)

    def save(name: str, plane: Any) -> None:
        PILImage.fromarray(np.rint(np.clip(plane, 0, 1) * 255).astype(np.uint8)).save(tmp_path / "files" / name)

    for image in range(1, 5):
        sharp = np.random.default_rng(image).random((80, 80, 1))
        save(f"gt/im{image}.png", sharp[..., 0])
        for number in range(1, 9):
            turned = kernel[::-1, ::-1] if number % 2 else kernel
            save(f"gt/kernel{number}.png", turned / 2)
            save(f"im{image}_kernel{number}_img.png", deblur.blur(sharp, kernel / kernel.sum())[..., 0])
    pairs = deblur.levin_pairs(tmp_path)
    assert len(pairs) == 32
    for pair in pairs:
        np.testing.assert_allclose(pair.kernel, kernel / kernel.sum(), atol=0.01)
    assert pairs[0].size == 5


def test_the_benchmark_of_spaces_compares_them_by_pair(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deblur_raw = script("accuracy", "deblur_raw")
    monkeypatch.setattr(deblur_raw, "BACKBONES", ("curve",))
    arguments = ["virtual-a", "-o", str(tmp_path), "--shots", "5", "--size", "128", "--pairs", "1", "--side", "96"]
    deblur_raw.deblur_raw.main(arguments, standalone_mode=False)
    table = (tmp_path / "deblur_raw.md").read_text()
    for name in ("blurred", "srgb", "true raw", "curve", "sRGB curve", "true raw, true kernel"):
        assert f"| {name} |" in table
    assert (tmp_path / "virtual-a.jpg").exists()


def test_the_benchmark_of_speed_tells_the_share_of_each_part(script: Any) -> None:
    deblur = script("speed", "deblur")
    found = deblur.search(deblur.image_of(80, 96), "gradient")
    shares = {name: value for name, value in found.items() if name != "seconds"}
    assert set(shares) == {*deblur.PARTS, "the rest"}
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["Fourier transforms"] > 0.1
    assert deblur.latent.spectrum.__name__ == "spectrum"  # nothing is timed afterwards
