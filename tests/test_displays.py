"""Displays: what they draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ispfit import ISPModel
from ispfit.datasets import make_camera_pairs
from ispfit.displays import RenderingDisplay
from ispfit.metrics import psnr


def test_one_row_per_shot_with_its_psnr(tmp_path: Path) -> None:
    X, Y = make_camera_pairs(2, image_size=(24, 32), random_state=0)
    model = ISPModel("mlp", max_steps=2, direction="forward", random_state=0).fit(X, Y)
    display = RenderingDisplay.from_estimator(model, X, Y)
    axes = np.reshape(display.figure_.axes, (2, 4))
    for row, x, y in zip(axes, X, Y, strict=True):
        [estimate] = model.transform([x])
        assert f"{psnr(y, estimate):.1f} dB" in row[2].get_title()
        assert np.array_equal(row[1].images[0].get_array(), y)
        assert np.allclose(row[3].images[0].get_array(), np.abs(estimate - y).mean(2))
    display.figure_.savefig(tmp_path / "picture.png")


def test_predictions_of_anything_can_be_drawn() -> None:
    image = np.full((8, 8, 3), 0.5, np.float32)
    display = RenderingDisplay([image], [image], [image]).plot()
    assert "100.0 dB" in display.figure_.axes[2].get_title()
