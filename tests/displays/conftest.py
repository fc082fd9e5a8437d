"""Models and pairs that are drawn; figures are closed after each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt
from toys import quick

from ispfit import ISPModel
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image


@pytest.fixture(autouse=True)
def _figures() -> Iterator[None]:
    mpl.use("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="package")
def pairs() -> tuple[list[Image], list[Image]]:
    return make_camera_pairs(3, image_size=(24, 36), random_state=0)


@pytest.fixture(scope="package")
def model(pairs: Any) -> ISPModel:
    """The backbone of the paper with a few channels, both ways."""
    return quick(HistPyramid.paper(channels=4), max_steps=4, learning_rate=1e-3).fit(*pairs)
