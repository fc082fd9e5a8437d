"""Small pictures are registered, or called too small with a number; no sound pair is said to show something else."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from ispfit.datasets import make_camera_pairs
from ispfit.images import Image
from ispfit.registration import align_pair
from ispfit.registration.geometry import LensTransform, pixel_grid
from ispfit.registration.matching import correlate, refine
from ispfit.registration.register import register
from ispfit.resize import reduce_image, resize_area

TOO_SMALL = r"too small: (for )?\d+ x \d+ pixels"


@pytest.fixture(scope="module")
def scenes() -> list[tuple[Image, Image]]:
    return list(zip(*make_camera_pairs(2, image_size=(256, 384), random_state=3), strict=True))


def reduced(image: Image, shape: tuple[int, int], *, linear: bool) -> Image:
    height, width = (min(side) for side in zip(image.shape, shape, strict=False))
    return reduce_image(image, (height, width), linear=linear)


@pytest.mark.parametrize("shape", [(96, 144), (96, 160), (128, 192)])
def test_pictures_of_this_size_are_registered_exactly(scenes: Any, shape: Any) -> None:
    for raw, srgb in scenes:
        raw, srgb = reduced(raw, (2 * shape[0], 2 * shape[1]), linear=True), reduced(srgb, shape, linear=False)
        found = register(raw, srgb)
        assert (found.ok, found.reason) == (True, "")
        points = pixel_grid(*shape).reshape(-1, 2)
        nominal = LensTransform.centred(srgb.shape, raw.shape)
        error = np.hypot(*(found.transform(points) - nominal(points)).T) / nominal.scale
        assert np.sqrt(np.mean(error**2)) < 0.05


@pytest.mark.parametrize("height", [1, 16, 63, 64, 72, 90])
@pytest.mark.parametrize("proportions", [(1, 1), (2, 3), (3, 2)])
def test_smaller_ones_are_registered_or_too_small(scenes: Any, height: int, proportions: Any) -> None:
    shape = height, -(-height * proportions[1] // proportions[0])
    for raw, srgb in scenes:
        small = reduced(srgb, shape, linear=False)
        for other in (reduced(raw, (2 * shape[0], 2 * shape[1]), linear=True), reduced(raw, shape, linear=True)):
            pair = align_pair(other, small, 16)
            if pair.raw is None:
                assert_too_small(pair.reason)
            else:
                assert max(pair.raw.shape) == 16


def assert_too_small(reason: str) -> None:
    assert re.match(rf"not registered: {TOO_SMALL}", reason), reason
    assert reason.endswith("use a larger picture, or do not register")


def test_a_preview_of_96_x_64_is_too_small() -> None:
    noise = np.random.default_rng(0).normal(size=(400, 600, 3))
    scene = Image(np.clip(ndimage.gaussian_filter(noise, (4, 4, 0)) * 6 + 0.4, 0, 1))
    pair = align_pair(scene, Image(np.asarray(resize_area(scene, (64, 96))) ** 0.45))
    assert_too_small(pair.reason)
    assert "for 96 x 64 pixels the expected error is 0.1" in pair.reason


@pytest.mark.parametrize("shape", [(64, 96), (72, 108), (96, 144), (128, 192)])
def test_small_pictures_of_other_scenes_are_never_taken(scenes: Any, shape: Any) -> None:
    for index, (raw, _) in enumerate(scenes):
        other = reduced(scenes[index - 1][1], shape, linear=False)
        assert not register(raw, other).ok


def test_no_patches_are_no_matches() -> None:
    image = np.random.default_rng(0).uniform(size=(40, 60))
    for found in (
        correlate(image, image, np.zeros(image.shape, bool), 24, 8, 5),
        correlate(image, image, np.ones(image.shape, bool), 32, 8, 8),
        refine(image, image, np.zeros(image.shape, bool), 24, 8),
        refine(image, image, np.ones(image.shape, bool), 48, 8),
    ):
        assert len(found) == 0
        assert found.certainty.shape == (0, 2)
