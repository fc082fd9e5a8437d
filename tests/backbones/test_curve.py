"""The camera model that consists of one response curve per channel."""

from __future__ import annotations

import numpy as np
import pytest

from ispfit import ISPModel
from ispfit.backbones.curve import Curve
from ispfit.errors import InputError
from ispfit.images import Image


def test_a_camera_of_curves_is_found() -> None:
    rng = np.random.default_rng(0)
    X = [Image(rng.random((40, 40, 3), np.float32)) for _ in range(3)]
    powers = np.array([0.4, 0.5, 0.6], np.float32)
    Y = [Image(np.asarray(raw) ** powers) for raw in X]
    model = ISPModel("curve").fit(X, Y)
    assert model.psnr(X, Y).min() > 45
    assert model.psnr(X, Y, direction="inverse").min() > 45


def test_parameters_out_of_range_are_named() -> None:
    with pytest.raises(InputError, match="Curve: expected nodes to be a whole number from 2 to 4096, got 1"):
        Curve(nodes=1).build()
