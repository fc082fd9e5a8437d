"""The displays of numbers: PSNR, errors, tone, training, histograms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from toys import quick

from ispfit import ISPModel
from ispfit.analysis import QUANTITIES, TONE_LEVELS, error_groups, sweep_scenes, tone_curve
from ispfit.displays import ErrorDisplay, HistogramDisplay, PSNRDisplay, ToneCurveDisplay, TrainingDisplay
from ispfit.errors import InputError
from ispfit.images import Image, Shot
from ispfit.metrics import psnr_from_mse
from ispfit.training import TrainingRecord


def heights(axis: Any) -> list[float]:
    return [float(value) for line in axis.lines for value in np.atleast_1d(line.get_ydata())]


# PSNR


def test_boxes_by_method_and_direction(model: ISPModel, pairs: Any) -> None:
    other = quick(direction="forward", max_steps=1).fit(*pairs)
    display = PSNRDisplay.from_estimator({"ours": model, "other": other}, *pairs)
    forward, inverse = display.ax_[0]
    assert [label.get_text() for label in forward.get_xticklabels()] == ["ours", "other"]
    assert [label.get_text() for label in inverse.get_xticklabels()] == ["ours"]
    assert (forward.get_title(), inverse.get_title()) == ("raw to sRGB", "sRGB to raw")
    assert float(model.psnr(*pairs).min()) in heights(forward)
    assert len(display.frame()) == 9
    assert list(PSNRDisplay.from_estimator(model, *pairs).values["inverse"]) == ["histpyramid"]


def test_psnr_of_predictions(pairs: Any) -> None:
    Y = pairs[1]
    display = PSNRDisplay.from_predictions(Y, {"self": Y, "first": [Y[0]] * 3}, whis=1.5)
    assert display.frame()["psnr"].tolist()[:4] == [100, 100, 100, 100]
    assert display.ax_.get_ylabel() == "PSNR, dB"


# Errors


def two_shots() -> tuple[list[Image], list[Image]]:
    """A grey shot with a clipped corner at ISO 100, and a dark one with a saturated part at ISO 800."""
    grey, dark = np.full((4, 6, 3), 0.5, np.float32), np.full((4, 6, 3), 0.01, np.float32)
    grey[0, 0] = 1
    dark[:, 3:] = [0.6, 0.3, 0.0]
    shots = [Shot(iso=100), Shot(iso=800)]
    srgbs = [Image(image, shot) for image, shot in zip((grey, dark), shots, strict=True)]
    return [Image(0.5 * srgb, shot) for srgb, shot in zip(srgbs, shots, strict=True)], srgbs


def test_errors_are_grouped_clipped_and_dark_pixels_apart() -> None:
    raws, srgbs = two_shots()
    estimates = [srgbs[0] + 2 / 255, srgbs[1] - 4 / 255]
    found = error_groups(raws, srgbs, estimates, "brightness")
    assert found.labels[-2:] == ["clipped", "dark"]
    occupied = {found.labels[index]: index for index in np.flatnonzero(found.share)}
    assert set(occupied) == {"0.25 to 0.375", "0.5 to 0.625", "clipped", "dark"}
    assert {name: round(48 * found.share[index]) for name, index in occupied.items()} == {
        "0.25 to 0.375": 12,
        "0.5 to 0.625": 23,
        "clipped": 1,
        "dark": 12,
    }
    assert found.rms[occupied["dark"]] == pytest.approx(4, abs=1e-4)
    assert found.bias[occupied["dark"]] == pytest.approx(-4, abs=1e-4)
    assert found.bias[occupied["clipped"]] == pytest.approx(2, abs=1e-4)
    saturation = error_groups(raws, srgbs, estimates, "saturation")
    assert np.flatnonzero(saturation.share).tolist() == [0, 7, 8, 9]
    inverse = error_groups(raws, srgbs, raws, "distance", "inverse")
    assert np.nanmax(inverse.rms) == 0
    iso = error_groups(raws, srgbs, estimates, "iso")
    assert iso.centers[iso.share > 0][:2].tolist() == [100, 800]


def test_distance_is_one_in_the_corners() -> None:
    srgb = Image(np.full((200, 300, 3), 0.5, np.float32))
    wrong = srgb.copy()
    wrong[0, 0] = wrong[-1, -1] = 0.9
    found = error_groups([srgb * 0.5], [srgb], [wrong], "distance")
    assert np.flatnonzero(np.nan_to_num(found.rms)).tolist() == [7]


def test_errors_are_drawn_by_all_that_is_known(model: ISPModel, pairs: Any) -> None:
    display = ErrorDisplay.from_estimator(model, *pairs)
    assert [axis.get_xlabel() for axis in display.ax_[0]] == list(QUANTITIES.values())
    assert display.ax_[0, 0].get_ylim() == display.ax_[0, 1].get_ylim()
    assert float(np.nanmax(display.groups[0].rms[:8])) in [*heights(display.ax_[0, 0])]
    assert set(display.frame()["quantity"]) == set(QUANTITIES)
    unknown = [[Image(np.asarray(image)) for image in images] for images in pairs]
    assert len(ErrorDisplay.from_predictions(*unknown, unknown[1]).groups) == 3
    assert ErrorDisplay.from_estimator(model, *pairs, by=["iso"], direction="inverse").ax_.get_xlabel() == "ISO speed"


def test_unknown_quantities_are_told(pairs: Any) -> None:
    message = r"^quantity: expected one of brightness, saturation, distance, iso, got 'hue'\.$"
    with pytest.raises(InputError, match=message):
        error_groups(*pairs, pairs[1], "hue")
    plain = [np.asarray(image) for image in pairs[1]]
    with pytest.raises(InputError, match=r'^quantity: no shot has an ISO speed; leave out "iso"\.$'):
        error_groups(plain, plain, plain, "iso")


# Tone


def test_one_curve_a_scene_and_their_mean(model: ISPModel, pairs: Any) -> None:
    X, Y = pairs
    display = ToneCurveDisplay.from_predictions(X, Y)
    curves = [255 * tone_curve(x, y) for x, y in zip(X, Y, strict=True)]
    for line, curve in zip(display.ax_.lines, [*curves, np.nanmean(curves, 0)], strict=False):
        np.testing.assert_allclose(line.get_ydata(), curve)
    assert display.frame().query("scene == 'shot0001' and stops == -3")["luma"].item() == pytest.approx(
        tone_curve(X[1], Y[1])[10]
    )
    np.testing.assert_allclose(
        ToneCurveDisplay.from_estimator(model, X).curves[0], tone_curve(X[0], model.transform(X)[0])
    )


def test_the_curves_of_a_sweep_are_coloured_by_its_values(model: ISPModel, pairs: Any) -> None:
    sweep = sweep_scenes(model, pairs[0][0], pairs[0][1], shares=[0, 0.5, 1])
    display = ToneCurveDisplay.from_sweep(sweep)
    assert len({tuple(line.get_color()) for line in display.ax_.lines}) == 3
    assert display.figure_.axes[-1].get_ylabel() == "share of the other scene"
    assert display.frame()["share of the other scene"].tolist() == np.repeat([0, 0.5, 1], len(TONE_LEVELS)).tolist()


# Training


def test_training_and_validation_by_step() -> None:
    history: list[dict[str, float | None]] = [
        {"step": 10, "loss": 0.01, "psnr": 19.0},
        {"step": 20, "loss": 0.001, "psnr": 25.0},
    ]
    record = TrainingRecord(8, 2, steps=20, best_step=20, history=history)
    display = TrainingDisplay.from_records({"forward": record})
    training, validation, kept = display.ax_.lines
    np.testing.assert_allclose(training.get_ydata(), [psnr_from_mse(0.01), psnr_from_mse(0.001)])
    assert list(validation.get_ydata()) == [19, 25]
    assert list(kept.get_xdata()) == [20, 20]
    assert display.frame()["loss"].tolist() == [0.01, 0.001]


def test_each_direction_that_was_trained(model: ISPModel, pairs: Any) -> None:
    assert TrainingDisplay.from_estimator(model).ax_.shape == (1, 2)
    closed_form = quick("parametric").fit(*pairs)
    with pytest.raises(InputError, match=r"^there is no course of training to draw: the model was fitted in closed fo"):
        TrainingDisplay.from_estimator(closed_form)


# Histograms


def test_the_bins_beside_where_they_began(model: ISPModel) -> None:
    display = HistogramDisplay.from_estimator(model)
    centers = model.networks_["forward"].histogram.centers.detach().numpy()
    for axis, channel in zip(display.ax_[0], centers, strict=True):
        began, learned = axis.lines[::2], axis.lines[1::2]
        for line, expected in zip([*began, *learned], [*np.linspace(0, 1, 6), *channel], strict=True):
            peak = line.get_xdata()[np.argmax(line.get_ydata())]
            assert peak == pytest.approx(np.clip(expected, 0, 1), abs=0.003)
    np.testing.assert_allclose(display.frame()["center"], centers.ravel())
    assert HistogramDisplay(centers, np.full((3, 6), 5.0), gamma=2.2).plot().ax_[0, 1].get_xlabel() == (
        "r of the raw to the power of 1/2.2"
    )


def test_a_backbone_without_bins_is_told(pairs: Any) -> None:
    mlp = quick(direction="forward", max_steps=1).fit(*pairs)
    message = r"^the backbone mlp has no learnable histogram to draw; histpyramid has one\.$"
    with pytest.raises(InputError, match=message):
        HistogramDisplay.from_estimator(mlp)
