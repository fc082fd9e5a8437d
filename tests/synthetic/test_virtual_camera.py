"""The virtual camera exposes, balances and renders as a camera does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ispfit.errors import InputError
from ispfit.synthetic.camera import AutoMode, VirtualCamera, decode_jpeg, white_balance
from ispfit.synthetic.camera_files import CAMERAS
from ispfit.synthetic.radiance import SETTINGS, illuminant, make_scene

BACKLIT = next(setting for setting in SETTINGS if setting.name == "backlit")


@pytest.fixture(params=CAMERAS.values(), ids=CAMERAS.keys())
def camera(request):
    return request.param


def expose(camera, scene, seed=0):
    return camera.expose(scene, np.random.default_rng(seed))


def raw_of(camera, seed=0, setting=None, size=96):
    exposure = expose(camera, make_scene(size, seed, setting=setting), seed)
    return white_balance(exposure.pixels, exposure.gains)


def grey_ramp(size=64):
    """A field from black to white, grey everywhere."""
    return np.repeat(np.linspace(0, 1, size * size, dtype=np.float32).reshape(size, size, 1), 3, axis=2)


def chroma(srgb):
    return srgb.max(axis=2) - srgb.min(axis=2)


def test_there_are_cameras_of_different_sensor_and_style():
    assert len(CAMERAS) >= 2
    assert all(name == camera.model and camera.auto for name, camera in CAMERAS.items())
    for attribute in ("matrix", "shoulder", "auto_mode", "cfa"):
        assert len({getattr(camera, attribute) for camera in CAMERAS.values()}) == len(CAMERAS)


def test_sensor_values_fill_the_range_up_to_saturation(camera):
    exposures = [expose(camera, make_scene(48, seed), seed) for seed in range(12)]
    means = [exposure.pixels.mean() for exposure in exposures]
    assert all(exposure.pixels.min() >= 0 and exposure.pixels.max() <= 1 for exposure in exposures)
    assert min(means) > 0.01
    assert max(means) < 0.5
    assert max(exposure.pixels.max() for exposure in exposures) == 1


def test_a_darker_scene_gets_a_longer_exposure_and_then_a_higher_iso(camera):
    scene = make_scene(32, 2, setting=SETTINGS[0])
    bright, dark = (expose(camera, scene * np.float32(level)) for level in (1, 2**-8))
    np.testing.assert_allclose(bright.pixels, dark.pixels, rtol=1e-3)
    assert dark.exposure_time > bright.exposure_time
    assert bright.iso == 100 < dark.iso <= 6400
    taken_in = [shot.iso * shot.exposure_time for shot in (bright, dark)]
    assert taken_in[1] / taken_in[0] == pytest.approx(2**8, rel=1e-2)


@pytest.mark.parametrize("kelvin", [2800, 5500, 9000])
def test_white_balance_makes_a_grey_scene_grey_under_any_light(camera, kelvin):
    scene = grey_ramp()[..., :1] * illuminant(kelvin) + np.float32(1e-4)
    exposure = expose(camera, scene)
    mean = white_balance(exposure.pixels, exposure.gains)[exposure.pixels.max(axis=2) < 0.9].mean(axis=0)
    np.testing.assert_allclose(mean / mean[1], 1, atol=0.2)
    assert exposure.gains[1] == 1
    assert min(exposure.gains) >= 1


def test_noise_has_the_variance_of_shot_and_read_noise(camera):
    level = np.full(40_000, 0.25, np.float32)
    for iso, averaged in ((100, 1), (1600, 1), (1600, 16)):
        noisy = camera.add_noise(level, iso, np.random.default_rng(0), averaged=averaged)
        expected = (camera.shot_noise * 0.25 + camera.read_noise**2) * iso / 100 / averaged
        assert noisy.var() == pytest.approx(expected, rel=0.05)
        assert noisy.mean() == pytest.approx(0.25, rel=1e-2)
        assert noisy.dtype == np.float32


def test_rendering_keeps_grey_black_and_white(camera):
    for mode in (camera, camera.manual()):
        srgb = mode.render(grey_ramp())
        assert chroma(srgb).max() < 0.01
        assert srgb[0, 0].max() < 0.01
        assert srgb[-1, -1].min() > 0.99


def test_rendering_stays_in_range_for_the_most_saturated_colours(camera):
    rng = np.random.default_rng(0)
    corners = rng.integers(2, size=(32, 32, 3)).astype(np.float32)
    for raw in (corners, corners * rng.random((32, 32, 1), dtype=np.float32)):
        srgb = camera.render(raw)
        assert srgb.dtype == np.float32
        assert np.isfinite(srgb).all()
        assert 0 <= srgb.min() <= srgb.max() <= 1


def test_manual_mode_maps_every_pixel_by_one_fixed_function(camera):
    manual, raw = camera.manual(), raw_of(camera)
    shuffled = np.random.default_rng(0).permutation(raw.reshape(-1, 3))
    np.testing.assert_array_equal(
        np.sort(manual.render(shuffled.reshape(raw.shape)).ravel()), np.sort(manual.render(raw).ravel())
    )
    np.testing.assert_allclose(manual.render(raw[:20, :30]), manual.render(raw)[:20, :30], atol=1e-6)


def test_manual_tone_curve_rises_without_steps(camera):
    ramp = np.linspace(0, 1, 4096, dtype=np.float32)
    codes = camera.manual().render(np.repeat(ramp.reshape(1, -1, 1), 3, axis=2))[0, :, 1]
    assert (np.diff(codes) > -1e-6).all()
    assert np.diff(codes)[41:].max() < 1 / 255


def test_auto_mode_depends_on_the_rest_of_the_picture(camera):
    raw = raw_of(camera, setting=BACKLIT)
    darker = raw.copy()
    darker[:48] *= np.float32(0.1)
    change = np.abs(camera.render(darker)[60:] - camera.render(raw)[60:])
    assert change.mean() > 0.01
    assert np.abs(camera.manual().render(darker)[60:] - camera.manual().render(raw)[60:]).max() < 1e-6


def test_auto_mode_lifts_the_shadows_of_a_backlit_scene(camera):
    raw = grey_ramp() * 0 + np.float32(0.02)
    raw[:24] = 0.8
    auto, manual = (mode.render(raw)[40:, :, 1].mean() for mode in (camera, camera.manual()))
    assert auto > manual + 0.05


def test_a_picture_is_rendered_with_the_decisions_for_another(camera):
    raw, backlit = raw_of(camera, 3), raw_of(camera, 0, BACKLIT, size=64)
    own, exchanged = camera.render(raw), camera.render(raw, scene_from=backlit)
    assert np.array_equal(camera.render(raw, scene_from=raw), own)
    shadows = raw.mean(2) < np.quantile(raw.mean(2), 0.1)
    assert exchanged[shadows].mean() > own[shadows].mean() + 0.02
    assert np.array_equal(camera.manual().render(raw, scene_from=backlit), camera.manual().render(raw))


def test_auto_mode_treats_the_same_colour_differently_in_different_places(camera):
    raw = np.full((96, 96, 3), 0.02, np.float32)
    raw[:, :48] = 0.6
    raw[20:24, 20:24] = raw[20:24, 70:74] = 0.1
    srgb = camera.render(raw)
    assert srgb[22, 72, 1] > srgb[22, 22, 1] + 0.02


def test_auto_mode_gives_flat_scenes_contrast_and_dull_ones_saturation():
    mode, rng = AutoMode(), np.random.default_rng(0)
    flat = np.float32(0.1) + np.float32(0.01) * rng.random((48, 48, 1), dtype=np.float32) * np.ones(3, np.float32)
    harsh = np.exp2(rng.uniform(-8, 0, (48, 48, 3))).astype(np.float32)
    assert mode.decide(flat).contrast > 1 > mode.decide(harsh).contrast
    assert mode.decide(flat).saturation > 1 > mode.decide(harsh).saturation


def test_auto_mode_makes_up_for_a_wrong_exposure():
    raw = raw_of(CAMERAS["Virtual A"])
    ratio = np.log2(4.0)
    decisions = [AutoMode().decide(raw * np.float32(gain)).brightness for gain in (1, 0.25)]
    assert 0.1 * ratio < decisions[1] - decisions[0] < ratio


def test_auto_mode_without_strength_is_manual_mode(camera):
    off = replace(camera, auto_mode=AutoMode(0, 0, 0, 0, 0))
    raw = raw_of(camera)
    np.testing.assert_allclose(off.render(raw), camera.manual().render(raw), atol=1e-5)


def test_auto_decisions_change_smoothly_with_the_picture():
    raw = raw_of(CAMERAS["Virtual A"], setting=BACKLIT)
    decisions = [AutoMode().decide(raw * np.float32(gain)) for gain in np.linspace(0.5, 1, 26)]
    for name in ("brightness", "lift", "local", "contrast", "saturation"):
        assert np.abs(np.diff([getattr(decision, name) for decision in decisions])).max() < 0.05


def test_auto_mode_looks_the_same_at_another_size(camera):
    large = raw_of(camera, seed=3, size=192)
    small = large.reshape(96, 2, 96, 2, 3).mean(axis=(1, 3))
    shrunk = camera.render(large).reshape(96, 2, 96, 2, 3).mean(axis=(1, 3))
    assert np.abs(camera.render(small) - shrunk).mean() < 0.02


def test_the_jpeg_is_close_to_the_rendering(camera):
    srgb = camera.render(raw_of(camera))
    decoded = decode_jpeg(camera.jpeg(srgb))
    assert decoded.dtype == np.float32
    assert np.sqrt(np.mean((decoded - srgb) ** 2)) < 0.03
    np.testing.assert_allclose(decoded * 255, np.rint(decoded * 255), atol=1e-4)


def test_a_wrong_matrix_is_told():
    with pytest.raises(InputError, match="matrix: expected rows that sum to one"):
        VirtualCamera(matrix=((1, 0.5, 0), (0, 1, 0), (0, 0, 1)))


def test_a_wrong_mosaic_is_told():
    with pytest.raises(InputError, match=r"cfa: expected four letters .* got 'RGB'"):
        VirtualCamera(cfa="RGB")
