"""Statistics of scenes, tone curves, colour shifts, and sweeps of them."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest

from ispfit import ISPModel
from ispfit.analysis import (
    STATISTICS,
    TONE_LEVELS,
    color_shift,
    exchange_scene,
    sweep_scenes,
    sweep_statistic,
    tone_curve,
    with_statistic,
)
from ispfit.errors import InputError
from ispfit.images import Image, Shot

Models = dict[str, ISPModel]


@pytest.fixture(scope="module")
def raw() -> Image:
    rng = np.random.default_rng(0)
    return Image(rng.random((20, 30, 3), np.float32) ** 3, Shot(name="a"))


# Statistics


def test_what_the_statistics_are() -> None:
    raw = np.full((2, 4, 3), 0.25, np.float32)
    raw[:, 0] = 0.01
    raw[:, 1] = [0.1, 0.4, 0.1]
    assert STATISTICS["mean_l"].of(raw) == pytest.approx((0.01 + 0.2 + 0.25 + 0.25) / 4)
    assert STATISTICS["dark"].of(raw) == STATISTICS["green"].of(raw) == 0.25
    stops = np.log2(np.array([0.01, 0.2, 0.25, 0.25]) + 1e-3)
    assert STATISTICS["contrast"].of(raw) == pytest.approx(stops.std(), rel=1e-5)


@pytest.mark.parametrize(
    ("statistic", "values"),
    [
        ("mean_l", (0.02, 0.1, 0.6)),
        ("contrast", (0.4, 1.5, 3.0)),
        ("dark", (0.0, 0.3, 0.9)),
        ("green", (0.0, 0.3, 0.9)),
    ],
)
def test_a_raw_gets_the_value_that_is_asked_for(raw: Image, statistic: str, values: tuple[float, ...]) -> None:
    for value in values:
        changed = with_statistic(raw, statistic, value)
        assert STATISTICS[statistic].of(np.asarray(changed)) == pytest.approx(value, abs=2e-3)
        assert changed.shot == raw.shot
        assert 0 <= changed.min() <= changed.max() <= 1


def test_black_pixels_are_lifted_too() -> None:
    raw = np.zeros((8, 8, 3), np.float32)
    raw[4:] = 0.3
    changed = with_statistic(raw, "dark", 0.0)
    np.testing.assert_allclose(changed[:4], 0.02, atol=1e-4)
    np.testing.assert_allclose(changed[4:], 0.3, atol=1e-6)


def test_green_keeps_the_lightness_and_the_order_of_tones_stays(raw: Image) -> None:
    np.testing.assert_allclose(with_statistic(raw, "green", 0.5).mean(2), raw.mean(2), atol=0.05)
    order = raw.mean(2).ravel().argsort()
    for statistic, value in (("contrast", 2.5), ("dark", 0.6)):
        light = np.asarray(with_statistic(raw, statistic, value)).mean(2).ravel()[order]
        assert (np.diff(light) > -1e-4).all()


def test_unknown_statistics_and_values_are_told(raw: Image) -> None:
    message = "statistic: expected one of mean_l, contrast, dark, green, got 'median'."
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        with_statistic(raw, "median", 0.5)
    with pytest.raises(InputError, match=r"^value: expected the dark of a raw, from 0 to 1, got 1\.5\.$"):
        with_statistic(raw, "dark", 1.5)


# Tone and colour


def test_the_tone_curve_of_a_gamma(raw: Image) -> None:
    grey = np.repeat(raw.mean(2, keepdims=True), 3, axis=2)
    curve = tone_curve(grey, grey**0.5)
    seen = np.isfinite(curve)
    assert seen[-8:-2].all()
    np.testing.assert_allclose(curve[seen], (2.0 ** TONE_LEVELS[seen]) ** 0.5, rtol=0.1)
    assert np.isnan(tone_curve(np.full((4, 4, 3), 0.5, np.float32), grey[:4, :4])).sum() == len(TONE_LEVELS) - 1


def test_colour_shifts_have_directions() -> None:
    grey, warm = np.full((4, 4, 3), 0.5, np.float32), np.full((4, 4, 3), 0.5, np.float32)
    warm[..., 2] = 0.4
    shift = color_shift(grey, warm)
    assert shift.blue_yellow > 5
    assert shift.chroma == pytest.approx(np.hypot(shift.red_green, shift.blue_yellow), abs=0.1)
    assert shift.ciede2000 > 1
    assert color_shift(grey, grey).ciede2000 == 0


# Sweeps


def test_a_sweep_goes_from_one_scene_to_the_other(fitted: Models, dark_and_bright: Any) -> None:
    model, (dark, bright) = fitted["histpyramid"], dark_and_bright
    sweep = sweep_scenes(model, dark, bright, shares=[0, 0.5, 1], parts="luminance")
    assert sweep.values.tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(sweep.renderings[0], sweep.own, atol=1e-6)
    np.testing.assert_allclose(sweep.renderings[2], exchange_scene(model, dark, bright, parts="luminance"), atol=1e-6)
    differences = [shift.ciede2000 for shift in sweep.color_shifts]
    assert differences[0] < 1e-3 < differences[1] < differences[2]
    assert sweep.tone_curves.shape == (3, len(TONE_LEVELS))


def test_a_sweep_of_a_statistic_renders_the_same_raw(fitted: Models, dark_and_bright: Any) -> None:
    model, raw = fitted["histpyramid"], dark_and_bright[0]
    sweep = sweep_statistic(model, raw, "mean_l", [0.1, 0.4])
    assert sweep.label == "mean L of the scene"
    np.testing.assert_allclose(sweep.values, [0.1, 0.4], atol=1e-3)
    [expected] = model.transform([raw], scenes=model.describe([with_statistic(raw, "mean_l", 0.4)]))
    np.testing.assert_allclose(sweep.renderings[1], expected, atol=1e-6)
    assert len(sweep_statistic(model, raw, "green").values) == 7


def test_a_sweep_as_a_table(fitted: Models, dark_and_bright: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = sweep_scenes(fitted["photofinish"], *dark_and_bright, shares=[0.0, 1.0])
    table = sweep.frame()
    assert list(table.columns[:3]) == ["share of the other scene", "lightness", "red_green"]
    assert table["luma at -2 stops"].to_numpy() == pytest.approx(sweep.tone_curves[:, 12], nan_ok=True)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"^frame\(\) needs pandas: pip install pandas\.$"):
        sweep.frame()


def test_a_sweep_of_nothing_is_told(fitted: Models, dark_and_bright: Any) -> None:
    with pytest.raises(InputError, match=r"^expected at least one value of the share of the other scene, got none\.$"):
        sweep_scenes(fitted["histpyramid"], *dark_and_bright, shares=[])
    with pytest.raises(InputError, match=r"^the backbone mlp has no scene to exchange"):
        sweep_statistic(fitted["mlp"], dark_and_bright[0], "dark")
