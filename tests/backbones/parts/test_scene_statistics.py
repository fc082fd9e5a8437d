"""Statistics of a scene."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ispfit.backbones.parts.scene_statistics import (
    N_STATISTICS,
    brightness_map,
    clipped_shares,
    scene_statistics,
    thumbnail,
)
from ispfit.datasets import make_camera_pairs
from ispfit.testing.memory import peak_bytes


def statistics(image: torch.Tensor) -> torch.Tensor:
    return scene_statistics(thumbnail(image), clipped_shares(image))


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    [raw], _ = make_camera_pairs(1, image_size=256, random_state=0)
    return torch.from_numpy(np.array(raw)).permute(2, 0, 1)[None]


def test_they_are_as_many_as_is_said_and_finite(image: torch.Tensor) -> None:
    for each in (image, torch.zeros(1, 3, 9, 17), torch.ones(1, 3, 200, 3)):
        found = statistics(each)
        assert found.shape == (1, N_STATISTICS)
        assert found.isfinite().all()


def test_they_do_not_depend_on_the_resolution(image: torch.Tensor) -> None:
    enlarged = image.repeat_interleave(2, 2).repeat_interleave(2, 3)
    np.testing.assert_allclose(statistics(enlarged).numpy(), statistics(image).numpy(), atol=1e-4)


def test_a_brighter_image_differs_by_its_exposure_alone(image: torch.Tensor) -> None:
    dark = image * 0.5
    change = (statistics(image / 4 * 2) - statistics(dark)).abs().max()
    assert change < 1e-5
    levels = statistics(dark * 0.5)[0, :9] - statistics(dark)[0, :9]
    assert levels.max() < 0
    assert levels.min() > np.log(0.5) - 1e-3


def test_clipped_pixels_are_counted() -> None:
    image = torch.zeros(1, 3, 10, 10)
    image[:, 0, :5] = 1
    image[:, :, :1] = 1
    np.testing.assert_allclose(clipped_shares(image).numpy(), [[0.5, 0.1]], atol=1e-6)


def test_light_from_above_is_seen_in_the_map(image: torch.Tensor) -> None:
    lit = torch.full((1, 3, 64, 64), 0.1)
    lit[:, :, :32] = 0.8
    found = brightness_map(thumbnail(lit))
    assert found.shape == (1, 1, 16, 16)
    assert float(found.mean().abs()) < 1e-5
    assert found[0, 0, 0].min() > 0.5
    assert found[0, 0, -1].max() < -0.5


def test_memory_does_not_grow_with_the_image() -> None:
    small, large = torch.rand(1, 3, 1000, 1000), torch.rand(1, 3, 4000, 4000)
    peaks = [peak_bytes(lambda image=image: clipped_shares(image)) for image in (small, large)]
    assert peaks[1] < 2 * peaks[0] + 2**20
