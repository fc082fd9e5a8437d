"""Models that are fitted once for all tests of the analysis, and the images they are asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from toys import Restless, quick, toy_pairs

from ispfit import ISPModel
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.backbones.parametric import Parametric
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
    histpyramid = quick(HistPyramid(channels=8, grids=[4]), max_steps=10, learning_rate=1e-3)
    return {
        "histpyramid": histpyramid.fit(*pairs),
        "photofinish": random_photofinish(),
        "restless": quick(Restless(), max_steps=2).fit(*toy_pairs(2)),
        "mlp": quick("mlp", max_steps=2).fit(*pairs),
        "parametric": quick(Parametric(control_points=10)).fit(*pairs),
    }


def random_photofinish() -> ISPModel:
    """A model that follows the statistics of scenes at random: fitting one takes 15 s."""
    backbone = Photofinish(residual=False)
    network = backbone.build()
    generator = torch.Generator().manual_seed(0)
    for direction in (network.rendering, network.derendering):
        direction.regression.linear.normal_(std=0.03, generator=generator)
    return quick(backbone).set_fitted(backbone, {"forward": network}, {})


@pytest.fixture(scope="package")
def dark_and_bright() -> list[Image]:
    """Two images of different sizes, brightness and colour."""
    rng = np.random.default_rng(0)
    tint = np.array([0.4, 1.0, 0.5], np.float32)
    return [
        Image(0.05 + 0.2 * rng.random((24, 32, 3), np.float32)),
        Image((0.4 + 0.6 * rng.random((28, 20, 3), np.float32)) * tint),
    ]
