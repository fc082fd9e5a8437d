"""`resize_area` and `reduce_image`: exact means of areas in linear light, and the centre of what is left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.errors import InputError
from ispfit.images import Image, Shot
from ispfit.resize import reduce_image, resize_area


def noise(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def by_supersampling(image: Any, size: tuple[int, int]) -> Any:
    """The same by brute force: every pixel repeated so often that target pixels hold a whole number of copies."""
    fine = image.astype(float).repeat(size[0], axis=0).repeat(size[1], axis=1)
    blocks = fine.reshape(size[0], image.shape[0], size[1], image.shape[1], 3)
    return blocks.mean(axis=(1, 3))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_areas_are_averaged_exactly(target: int, more: int, seed: int) -> None:
    image = noise(target + more, target + more, seed)
    np.testing.assert_allclose(resize_area(image, target), by_supersampling(image, (target, target)), atol=1e-6)


def test_the_centre_is_kept_of_the_longer_side() -> None:
    image = noise(40, 100)
    np.testing.assert_allclose(resize_area(image, (20, 20)), by_supersampling(image[:, 30:70], (20, 20)), atol=1e-6)
    turned = image.swapaxes(0, 1)
    np.testing.assert_allclose(resize_area(turned, (20, 20)), by_supersampling(turned[30:70], (20, 20)), atol=1e-6)


def test_the_size_may_have_another_aspect() -> None:
    image = noise(60, 60)
    np.testing.assert_allclose(resize_area(image, (10, 20)), by_supersampling(image[15:45], (10, 20)), atol=1e-6)


def test_the_same_size_changes_nothing() -> None:
    image = noise(7, 9)
    np.testing.assert_array_equal(resize_area(image, (7, 9)), image)


def test_white_stays_white_and_the_shot_stays_known() -> None:
    small = resize_area(Image(np.ones((97, 131, 3), np.float32), Shot(name="a")), (31, 32))
    assert small.min() == small.max() == 1
    assert (small.dtype, small.shot.name, small.flags.c_contiguous) == (np.float32, "a", True)


@pytest.mark.parametrize("size", [(8, 11), (11, 11), (11, 8)])
def test_images_are_never_enlarged(size: Any) -> None:
    with pytest.raises(InputError, match=r"size: expected at most .* \(10, 10\), got .*; images are never enlarged"):
        resize_area(noise(10, 10), size)


@pytest.mark.parametrize(("shape", "size", "expected"), [((40, 100), 20, (8, 20)), ((100, 40), 20, (20, 8))])
def test_one_number_is_the_longer_side(shape: Any, size: int, expected: Any) -> None:
    image = noise(*shape)
    np.testing.assert_allclose(resize_area(image, size), by_supersampling(image, expected), atol=1e-6)


def test_an_image_shorter_than_its_longer_side_should_be_keeps_its_size() -> None:
    image = noise(10, 12)
    np.testing.assert_array_equal(resize_area(image, 13), image)


@pytest.mark.parametrize("size", [0, -1, True, 1.5, (1,), (1, 2, 3), "8"])
def test_a_size_is_one_or_two_positive_numbers(size: Any) -> None:
    with pytest.raises(InputError, match=r"size: expected the longer side in pixels, or \(height, width\), got"):
        resize_area(noise(10, 10), size)


def test_an_srgb_is_averaged_in_linear_light() -> None:
    image = Image(noise(40, 60), Shot(name="a"))
    reduced = reduce_image(image, (10, 15), linear=False)
    expected = linear_to_srgb(by_supersampling(srgb_to_linear(np.asarray(image, float)), (10, 15)))
    np.testing.assert_allclose(reduced, expected, atol=1e-4)
    assert reduced.dtype == np.float32
    assert reduced.shot == image.shot
    np.testing.assert_array_equal(reduce_image(image, (10, 15), linear=True), resize_area(image, (10, 15)))


def test_without_a_size_nothing_is_reduced() -> None:
    image = Image(noise(7, 9))
    np.testing.assert_array_equal(reduce_image(image, None, linear=False), image)
