"""`align_pair`: one pixel grid for two images that lie differently."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ispfit.datasets import make_camera_pairs
from ispfit.errors import InputWarning
from ispfit.images import Image, Shot
from ispfit.metrics import psnr
from ispfit.pairs import Tolerances, align_pair
from ispfit.registration.geometry import pixel_grid
from ispfit.resize import reduce_image


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    [raw], [srgb] = make_camera_pairs(1, image_size=(288, 384), random_state=3)
    return Image(raw, Shot("a")), Image(srgb, Shot("a"))


def error(first: Any, second: Any) -> float:
    """PSNR without the margin."""
    return float(psnr(np.asarray(first)[8:-8, 8:-8], np.asarray(second)[8:-8, 8:-8]))


def test_a_pair_on_one_grid_is_left_as_it_is(pair: Any) -> None:
    aligned = align_pair(*pair)
    assert (aligned.reason, aligned.resampled) == ("", "")
    np.testing.assert_array_equal(aligned.raw, pair[0])
    np.testing.assert_array_equal(aligned.srgb, pair[1])
    assert aligned.raw.shot.name == "a"


def test_a_shifted_raw_is_brought_back(pair: Any) -> None:
    raw, srgb = pair
    aligned = align_pair(Image(raw[5:-3, 2:-6]), srgb)
    assert aligned.resampled == "raw"
    height, width = aligned.raw.shape[:2]
    assert (height, width) == aligned.srgb.shape[:2]
    assert min(height / 280, width / 376) > 0.95
    places = [(top, left) for top in range(289 - height) for left in range(385 - width)]
    boxes = [np.s_[top : top + height, left : left + width] for top, left in places]
    [box] = [box for box in boxes if np.array_equal(srgb[box], aligned.srgb)]
    assert error(aligned.raw, raw[box]) > 35


def test_a_smaller_srgb_takes_the_raw_to_its_own_grid(pair: Any) -> None:
    raw, srgb = pair
    small = reduce_image(srgb, (192, 256), linear=False)
    aligned = align_pair(raw, small)
    assert aligned.resampled == ""
    np.testing.assert_allclose(aligned.raw, reduce_image(raw, (192, 256), linear=True))


def test_a_smaller_raw_has_the_srgb_resampled(pair: Any) -> None:
    raw, srgb = pair
    aligned = align_pair(reduce_image(Image(raw[6:, 8:]), (180, 240), linear=True), srgb)
    assert (aligned.reason, aligned.resampled) == ("", "srgb")


def test_the_result_has_the_size_that_was_asked_for(pair: Any) -> None:
    aligned = align_pair(*pair, size=(100, 120))
    assert aligned.raw.shape == aligned.srgb.shape == (100, 120, 3)
    want = reduce_image(Image(pair[0]), (100, 120), linear=True)
    assert error(aligned.raw, want) > 40


def test_images_are_never_enlarged(pair: Any) -> None:
    aligned = align_pair(*pair, size=(300, 300))
    assert (aligned.reason, aligned.resampled) == ("", "")
    np.testing.assert_array_equal(aligned.raw, pair[0][:, 42:-42])
    np.testing.assert_allclose(aligned.srgb, pair[1][:, 42:-42], atol=1e-6)


@pytest.mark.parametrize("size", [(300, 100), (200, 384), (384, 384)])
def test_a_side_that_is_too_short_keeps_what_the_two_share(pair: Any, size: Any) -> None:
    raw, srgb = pair
    cut = Image(raw[5:-3, 2:-6])
    shared = align_pair(cut, srgb)
    aligned = align_pair(cut, srgb, size)
    assert (shared.resampled, aligned.resampled) == ("raw", "raw")
    assert aligned.raw.shape == aligned.srgb.shape
    assert aligned.raw.shape[:2] == tuple(np.minimum(size, shared.raw.shape[:2]))


@pytest.mark.parametrize("size", [None, 100, (100, 120), 300])
def test_a_perfect_pair_needs_no_registration(pair: Any, size: Any) -> None:
    registered = align_pair(*pair, size)
    trusted = align_pair(*pair, size, register=False)
    assert registered.registration.ok
    assert (trusted.registration, trusted.reason, trusted.resampled, trusted.zoom) == (None, "", "", 1)
    np.testing.assert_array_equal(registered.raw, trusted.raw)
    np.testing.assert_array_equal(registered.srgb, trusted.srgb)
    assert trusted.raw.shot.name == "a"


def test_without_registration_the_larger_image_is_reduced(pair: Any) -> None:
    raw, srgb = pair
    small = reduce_image(srgb, (191, 255), linear=False)
    aligned = align_pair(raw, small, register=False)
    np.testing.assert_array_equal(aligned.srgb, small)
    np.testing.assert_array_equal(aligned.raw, reduce_image(raw, (191, 255), linear=True))


def test_without_registration_other_proportions_are_rejected(pair: Any) -> None:
    aligned = align_pair(pair[0], Image(pair[1][:216]), register=False)
    assert (aligned.raw, aligned.srgb, aligned.registration) == (None, None, None)
    assert aligned.reason == (
        "the raw has 384 x 288 pixels and the srgb 384 x 216: their proportions differ by more than 1%, so they do not "
        "show the same field of view and must be registered"
    )


def test_the_registration_is_of_the_images_that_were_passed() -> None:
    """Smaller images are registered if the result is to be small, here by a factor that is not whole."""
    [raw], [srgb] = make_camera_pairs(1, image_size=(601, 904), random_state=3)
    points = pixel_grid(*srgb.shape[:2])[::16, ::16]
    aligned = [align_pair(Image(raw[5:-3, 2:-6]), srgb, size) for size in (None, 96)]
    large, small = (each.registration.transform(points) for each in aligned)
    assert np.abs(large - (points - [2, 5])).max() < 0.2
    assert np.abs(small - large).max() < 0.2


def test_another_picture_is_rejected_with_the_reason(pair: Any) -> None:
    [other], _ = make_camera_pairs(1, image_size=(288, 384), random_state=4)
    aligned = align_pair(other, pair[1])
    assert aligned.raw is None
    assert aligned.srgb is None
    assert aligned.reason


def test_limits_are_the_users(pair: Any) -> None:
    assert "more than 0" in align_pair(*pair, tolerances=Tolerances(max_residual=0)).reason
    raw, srgb = pair
    aligned = align_pair(Image(raw[:, : 384 - 40]), srgb, tolerances=Tolerances(min_overlap=0.97))
    assert "of the srgb, less than 97%" in aligned.reason


@pytest.mark.parametrize(("quarters", "degrees"), [(1, 270), (3, 90)])
def test_a_raw_that_lies_while_the_srgb_stands_is_turned(pair: Any, quarters: int, degrees: int) -> None:
    raw, srgb = pair
    lying = Image(np.rot90(raw, quarters), raw.shot)
    with pytest.warns(InputWarning, match=f"the raw was turned by {degrees} degrees to the left"):
        aligned = align_pair(lying, srgb)
    np.testing.assert_array_equal(aligned.raw, raw)
    np.testing.assert_array_equal(aligned.srgb, srgb)
    assert aligned.raw.shot.name == "a"


def test_turning_does_not_make_a_pair_of_two_scenes(pair: Any) -> None:
    [other], _ = make_camera_pairs(1, image_size=(384, 288), random_state=8)
    assert align_pair(Image(other), pair[1]).reason != ""
