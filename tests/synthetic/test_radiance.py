"""Scenes have the statistics of natural images, and look the same at every size."""

from __future__ import annotations

import numpy as np
import pytest

from ispfit.errors import InputError
from ispfit.synthetic.radiance import SETTINGS, as_generator, illuminant, make_scene

SIZE = 96


@pytest.fixture(scope="module")
def scenes():
    return [make_scene(SIZE, seed) for seed in range(24)]


def grey(scene):
    return np.log2(scene.mean(axis=2))


def radial_power(picture):
    """Power of a square picture over frequency in cycles per frame, averaged over directions."""
    window = np.outer(np.hanning(len(picture)), np.hanning(len(picture)))
    power = np.abs(np.fft.fft2((picture - picture.mean()) * window)) ** 2
    cycles = np.fft.fftfreq(len(picture)) * len(picture)
    ring = np.hypot(cycles[:, None], cycles).round().astype(int).ravel()
    return np.bincount(ring, power.ravel()) / np.bincount(ring) / power.sum()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_gives_positive_finite_radiance(setting):
    scene = make_scene((48, 64), 0, setting=setting)
    assert scene.shape == (48, 64, 3)
    assert scene.dtype == np.float32
    assert np.isfinite(scene).all()
    assert scene.min() > 0


def test_power_spectrum_falls_as_in_natural_images(scenes):
    power = np.mean([radial_power(grey(scene)) for scene in scenes], axis=0)
    cycles = np.arange(4, SIZE // 3)
    slope = np.polyfit(np.log(cycles), np.log(power[cycles]), 1)[0]
    assert -2.6 < slope < -1.5


def test_the_scenes_together_cover_ten_stops_and_single_ones_several(scenes):
    together = np.concatenate([grey(scene).ravel() for scene in scenes])
    assert np.subtract(*np.quantile(together, [0.99, 0.01])) > 10
    within = [np.subtract(*np.quantile(grey(scene), [0.995, 0.005])) for scene in scenes]
    assert np.median(within) > 5
    assert max(within) > 8


def test_log_intensity_is_spread_over_its_range(scenes):
    relative = np.concatenate([(grey(scene) - np.median(grey(scene))).ravel() for scene in scenes])
    counts, _ = np.histogram(relative, bins=np.arange(-4, 5))
    assert counts.min() > 0.005 * relative.size


def test_no_two_scenes_are_alike(scenes):
    flat = np.array([grey(scene).ravel() for scene in scenes])
    correlation = np.corrcoef(flat) - np.eye(len(flat))
    assert correlation.max() < 0.9


def test_a_seed_gives_the_same_scene_again():
    np.testing.assert_array_equal(make_scene(32, 5), make_scene(32, 5))
    assert not np.array_equal(make_scene(32, 5), make_scene(32, 6))


@pytest.mark.parametrize("seed", range(4))
def test_a_scene_looks_the_same_at_another_size(seed):
    large, small = make_scene(128, seed), make_scene(64, seed)
    shrunk = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.corrcoef(grey(shrunk).ravel(), grey(small).ravel())[0, 1] > 0.9
    assert np.abs(grey(shrunk).mean() - grey(small).mean()) < 0.2


def test_a_wide_frame_shows_the_middle_of_the_square_one():
    square, wide = make_scene(64, 1), make_scene((32, 64), 1)
    assert np.corrcoef(grey(square[16:48]).ravel(), grey(wide).ravel())[0, 1] > 0.9


def test_illuminants_go_from_red_to_blue_and_are_white_at_6500_kelvin():
    colours = illuminant(np.array([2000, 3000, 4500, 6500, 10000]))
    assert (np.diff(colours[:, 0]) < 0).all()
    assert (np.diff(colours[:, 2]) > 0).all()
    np.testing.assert_allclose(colours[3], 1, atol=0.05)
    assert illuminant(5000, tint=1.0)[1] == pytest.approx(2.0)


def test_random_states_of_every_kind_are_taken():
    draws = [as_generator(state).random() for state in (3, np.random.default_rng(3), np.random.default_rng(3))]
    assert draws[0] == draws[1] == draws[2]
    old = [as_generator(np.random.RandomState(3)).random() for _ in range(2)]
    assert old[0] == old[1]
    as_generator(None)


@pytest.mark.parametrize("wrong", ["seed", -1, 2.5])
def test_a_wrong_random_state_is_told(wrong):
    with pytest.raises(InputError, match=r"random_state: expected an integer of 0 or more, .* got "):
        as_generator(wrong)
