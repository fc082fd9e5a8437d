"""Pairs that the comparison's tests share."""

from __future__ import annotations

import pytest

from ispfit.comparison import PairSet, prepare_pair_set


@pytest.fixture(scope="session")
def pair_set(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """Ten small pairs of a virtual camera, two of them test pairs."""
    return prepare_pair_set("virtual-b", tmp_path_factory.mktemp("data"), n_samples=10, image_size=32)
