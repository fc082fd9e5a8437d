"""The map between two pixel grids, and resampling along it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ispfit.color import srgb_to_linear
from ispfit.images import Image, Shot
from ispfit.registration.geometry import LensTransform, pixel_grid, resample


def lens(shift: float = 0.0, angle: float = 0.0, k1: float = 0.0, k2: float = 0.0) -> LensTransform:
    nominal = LensTransform.centred((60, 80), (120, 160))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return replace(nominal, matrix=turn @ nominal.matrix, offset=nominal.offset + shift, k1=k1, k2=k2)


def test_two_images_of_one_view_share_their_outlines_not_their_first_pixels() -> None:
    outline = np.array([[-0.5, -0.5], [79.5, 59.5]])
    np.testing.assert_allclose(lens()(outline), [[-0.5, -0.5], [159.5, 119.5]])


def test_an_srgb_of_other_proportions_lies_in_the_middle_of_the_raw() -> None:
    wide = LensTransform.centred((45, 80), (120, 160))
    np.testing.assert_allclose(wide(np.array([[-0.5, -0.5], [79.5, 44.5]])), [[-0.5, 14.5], [159.5, 104.5]])


def test_radial_distortion_moves_the_corner_by_its_share_of_the_half_diagonal() -> None:
    corner = np.array([79.5, 59.5])
    moved = lens(k1=-0.02, k2=-0.01)(corner) - lens()(corner)
    assert np.hypot(*moved) == pytest.approx(0.03 * np.hypot(160, 120) / 2)
    assert (moved < 0).all()


def test_a_distortion_about_a_pole_leaves_the_pole_where_it_is() -> None:
    bent = replace(lens(k1=0.03), pole=np.array([0.3, -0.2]))
    pole = bent.centre + bent.radius * bent.pole
    np.testing.assert_allclose(bent(pole), lens()(pole))


def test_scale_and_rotation_are_told() -> None:
    turned = lens(angle=np.radians(1.5))
    assert turned.scale == pytest.approx(2)
    assert turned.rotation == pytest.approx(1.5)


@given(st.floats(-20, 20), st.floats(-0.04, 0.04), st.floats(-0.06, 0.06), st.floats(-0.06, 0.06), st.floats(-0.1, 0.1))
def test_the_inverse_undoes_the_map(shift: float, angle: float, k1: float, k2: float, pole: float) -> None:
    transform = replace(lens(shift, angle, k1, k2), pole=np.array([pole, -pole]))
    points = pixel_grid(60, 80)
    np.testing.assert_allclose(transform.inverse()(transform(points)), points, atol=1e-6)
    assert transform.inverse().inverse() is transform


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.1, 10))
def test_a_scaled_map_is_the_map_between_scaled_grids(x: float, y: float, raw: float) -> None:
    transform = lens(3, 0.02, 0.02, -0.01)
    points = pixel_grid(60, 80)
    fine = (points + 0.5) * [x, y] - 0.5
    expected = (transform(points) + 0.5) * raw - 0.5
    np.testing.assert_allclose(transform.scaled([x, y], raw)(fine), expected, atol=1e-8)


def test_a_cropped_map_is_the_map_between_windows() -> None:
    transform = lens(3, 0.02, 0.02, -0.01)
    points = pixel_grid(60, 80)
    np.testing.assert_allclose(transform.cropped([5, 7], [-2, 4])(points - [5, 7]), transform(points) - [-2, 4])


def smooth(points: np.ndarray) -> np.ndarray:
    """A picture known at any point (..., 2): waves of eight pixels and more."""
    x, y = points[..., 0], points[..., 1]
    waves = [np.sin(0.7 * x + 0.2 * y), np.sin(0.3 * x - 0.5 * y), np.cos(0.4 * y)]
    return np.stack([0.5 + 0.3 * wave for wave in waves], -1).astype(np.float32)


def test_resampling_reads_the_picture_where_the_map_points() -> None:
    transform = lens(0.3, 0.01, 0.02, 0.01).scaled(raw=0.5)
    image = Image(smooth(pixel_grid(60, 80)), Shot("a"))
    resampled, valid = resample(image, transform, (60, 80), linear=True)
    where = valid.copy()
    where[:4] = where[-4:] = False
    where[:, :4] = where[:, -4:] = False
    assert resampled.dtype == np.float32
    assert resampled.shot == image.shot
    assert np.abs(resampled - smooth(transform(pixel_grid(60, 80))))[where].max() < 0.003


def test_pixels_outside_the_image_are_told() -> None:
    _, valid = resample(smooth(pixel_grid(20, 30)), lambda points: points + np.array([4, -2]), (20, 30), linear=True)
    expected = np.zeros((20, 30), bool)
    expected[2:, :-4] = True
    np.testing.assert_array_equal(valid, expected)


def test_the_identity_changes_nothing() -> None:
    image = np.random.default_rng(0).random((300, 17, 3), dtype=np.float32)
    resampled, valid = resample(image, lambda points: points, (300, 17), linear=True)
    np.testing.assert_allclose(resampled, image, atol=2e-6)
    assert valid.all()


@pytest.mark.parametrize("factor", [1.5, 2.0, 3.7, 8.0])
def test_a_coarser_grid_gets_averages_not_aliases(factor: float) -> None:
    """Noise averages out like over the area of a new pixel, and its mean stays."""
    noise = np.random.default_rng(0).random((240, 320, 3), dtype=np.float32)
    shape = (int(240 / factor), int(320 / factor))
    reduced, _ = resample(noise, LensTransform.centred(shape, noise.shape), shape, linear=True)
    assert np.mean(reduced) == pytest.approx(0.5, abs=0.01)
    assert np.std(reduced) == pytest.approx(np.std(noise) / factor, rel=0.35)


def test_reducing_does_not_shift() -> None:
    """By any factor: the waves keep their phase."""
    image = smooth(pixel_grid(480, 640) / 8)
    for factor in (1.7, 2.5, 4.0, 5.3):
        shape = (int(480 / factor), int(640 / factor))
        transform = LensTransform.centred(shape, image.shape)
        reduced, _ = resample(image, transform, shape, linear=True)
        assert np.abs(reduced - smooth(transform(pixel_grid(*shape)) / 8))[4:-4, 4:-4].max() < 0.02


def test_an_srgb_is_averaged_in_linear_light() -> None:
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::2] = 1
    mixed, _ = resample(stripes, LensTransform.centred((8, 8), stripes.shape), (8, 8), linear=False)
    np.testing.assert_allclose(srgb_to_linear(np.asarray(mixed))[2:-2, 2:-2], 0.5, atol=0.02)


def test_overshoot_is_clipped() -> None:
    edge = np.zeros((16, 16, 3), np.float32)
    edge[:, 8:] = 1
    moved, _ = resample(edge, lambda points: points + 0.5, (16, 16), linear=True)
    assert moved.min() == 0
    assert moved.max() == 1
