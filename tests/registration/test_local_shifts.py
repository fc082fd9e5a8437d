"""Shifts of patches, and the fit of a lens to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from ispfit.registration.fitting import fit_lens
from ispfit.registration.geometry import LensTransform
from ispfit.registration.matching import Matches, correlate, refine

Array = npt.NDArray[np.float32]

ALL = np.ones((120, 160), bool)


def texture(seed: int = 0, blur: float = 1.5) -> Array:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(120, 160)), blur)
    return (0.5 + 0.12 * noise / noise.std()).astype(np.float32)


def moved(image: Array, x: float, y: float) -> Array:
    """What was at p is at p + (x, y)."""
    return np.asarray(ndimage.shift(image, (y, x), order=5, mode="mirror"), np.float32)


def test_correlation_finds_whole_pixels_exactly_and_fractions_nearly() -> None:
    image = texture()
    found = correlate(image, moved(image, 3, -2), ALL, 24, 12, 5)
    np.testing.assert_allclose(found.shifts, np.broadcast_to([3, -2], found.shifts.shape), atol=0.05)
    assert found.scores.min() > 0.99
    found = correlate(image, moved(image, 1.4, -2.3), ALL, 24, 12, 5)
    np.testing.assert_allclose(np.median(found.shifts, 0), [1.4, -2.3], atol=0.05)


def test_correlation_favours_no_shift_between_unrelated_images() -> None:
    found = correlate(texture(0), texture(1), ALL, 24, 6, 8)
    assert (np.hypot(*found.shifts.T) < 1).mean() < 0.05
    assert np.median(found.scores) < 0.4


def test_least_squares_finds_a_hundredth_of_a_pixel_under_another_gain_and_shading() -> None:
    image = texture()
    shading = np.linspace(-0.2, 0.2, 160, dtype=np.float32)
    found = refine(image, 0.3 + 0.4 * moved(image, 0.2, -0.1) + shading, ALL, 24, 12)
    np.testing.assert_allclose(np.median(found.shifts, 0), [0.2, -0.1], atol=0.01)


def test_a_straight_edge_is_certain_across_and_uncertain_along() -> None:
    edge = np.broadcast_to(1 / (1 + np.exp(-(np.arange(160) - 80.0) / 2)), (120, 160)).astype(np.float32)
    found = refine(edge, moved(edge, 0.3, 0), ALL, 24, 12)
    across, along = found.information[:, 0, 0], found.information[:, 1, 1]
    on_edge = np.abs(found.points[:, 0] - 80) < 6
    assert (across[on_edge] > 100).all()
    assert (along[on_edge] < 1).all()
    np.testing.assert_allclose(found.shifts[on_edge, 0], 0.3, atol=0.02)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_flat_and_noisy_patches_know_nothing(noise: float) -> None:
    first, second = (0.5 + noise * np.random.default_rng(seed).normal(size=(120, 160)) for seed in (0, 1))
    found = refine(first.astype(np.float32), second.astype(np.float32), ALL, 24, 12)
    assert np.median(found.certainty[:, 1]) < 0.5


def test_unknown_pixels_do_not_count() -> None:
    image = texture()
    broken = moved(image, 0.2, 0.1)
    broken[:, 100:] = 0
    known = ALL.copy()
    known[:, 97:] = False
    found = refine(image, broken, known, 24, 12)
    assert found.points[:, 0].max() < 100
    np.testing.assert_allclose(np.median(found.shifts, 0), [0.2, 0.1], atol=0.01)
    assert correlate(image, broken, known, 24, 12, 5).points[:, 0].max() < 97 - 12


def some_matches(true: LensTransform, start: LensTransform, outliers: float) -> Matches:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, [640, 480], (400, 2))
    shifts = start.inverse()(true(points)) - points + rng.normal(0, 0.1, (400, 2))
    wrong = rng.random(400) < outliers
    shifts[wrong] = rng.uniform(-5, 5, (int(wrong.sum()), 2))
    return Matches(points, shifts, np.tile(np.eye(2) / 0.1**2, (400, 1, 1)), np.ones(400))


@pytest.mark.parametrize("outliers", [0.0, 0.3])
def test_a_lens_is_fitted_in_spite_of_wrong_shifts_and_knows_how_well(outliers: float) -> None:
    start = LensTransform.centred((480, 640), (480, 640))
    true = replace(start, matrix=start.matrix * 1.003, offset=start.offset + 1.5, k1=0.004, k2=-0.006)
    fit = fit_lens(start, some_matches(true, start, outliers))
    grid = np.stack(np.meshgrid(np.arange(0, 640, 20.0), np.arange(0, 480, 20.0)), -1).reshape(-1, 2)
    off = np.sqrt(((fit.transform(grid) - true(grid)) ** 2).sum(1).mean())
    assert off < 0.03
    assert off / 3 < fit.expected_error(grid) < off * 6
    assert (fit.weights == 0).mean() == pytest.approx(outliers, abs=0.1)


def test_nothing_to_look_at_is_infinitely_uncertain() -> None:
    start = LensTransform.centred((480, 640), (480, 640))
    assert fit_lens(start, some_matches(start, start, 0.0)).expected_error(np.zeros((0, 2))) == np.inf
