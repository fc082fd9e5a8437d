"""Models that are fitted once for all tests of the analysis, and the images they are asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toys import Restless, quick, toy_pairs

from ispfit import ISPModel
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.backbones.photofinish import Photofinish
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image


@pytest.fixture(scope="package")
def pairs() -> tuple[list[Image], list[Image]]:
    """Ten shots of a virtual camera."""
    return make_camera_pairs(10, image_size=(40, 56), random_state=0)


@pytest.fixture(scope="package")
def fitted(pairs: Any) -> dict[str, ISPModel]:
    """A model of each kind: two with parts of the scene, one with a scene without parts, two without a scene."""
    backbones = {
        "histpyramid": HistPyramid(channels=8, grids=[4]),
        "photofinish": Photofinish(control_points=20, residual=False),
    }
    models = {
        name: quick(backbone, max_steps=10, learning_rate=1e-3).fit(*pairs) for name, backbone in backbones.items()
    }
    models["restless"] = quick(Restless(), max_steps=2).fit(*toy_pairs(2))
    models |= {name: quick(name, max_steps=2).fit(*pairs) for name in ("mlp", "parametric")}
    return models


@pytest.fixture(scope="package")
def dark_and_bright() -> list[Image]:
    """Two images of different sizes, brightness and colour."""
    rng = np.random.default_rng(0)
    tint = np.array([0.4, 1.0, 0.5], np.float32)
    return [
        Image(0.05 + 0.2 * rng.random((24, 32, 3), np.float32)),
        Image((0.4 + 0.6 * rng.random((28, 20, 3), np.float32)) * tint),
    ]
