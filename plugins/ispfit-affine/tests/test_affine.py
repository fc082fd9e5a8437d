"""The affine backbone keeps ispfit's contract, is found by its name, and learns what it is made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import ispfit
from ispfit.datasets import make_camera_pairs
from ispfit.testing import check_backbone
from ispfit_affine import Affine


def test_it_keeps_the_contract() -> None:
    check_backbone(Affine())
    check_backbone(Affine(hidden=4, thumbnail=2))


def test_it_is_found_by_its_name() -> None:
    assert ispfit.get_backbone("affine") is Affine


def test_it_beats_doing_nothing_and_is_saved(tmp_path: Path) -> None:
    X, Y = make_camera_pairs(6, image_size=32, random_state=0)
    model = ispfit.ISPModel(
        "affine", max_steps=150, windows_per_image=2, learning_rate=1e-2, device="cpu", random_state=0
    ).fit(X, Y)
    nothing = np.mean([ispfit.psnr(srgb, raw) for raw, srgb in zip(X, Y, strict=True)])
    assert model.score(X, Y) > nothing + 3
    model.save(tmp_path / "camera.ispfit")
    loaded = ispfit.load(tmp_path / "camera.ispfit", device="cpu")
    np.testing.assert_array_equal(loaded.transform(X[:1]), model.transform(X[:1]))
