"""The backbone `photofinish`: gains and coefficients predicted from the scene."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ispfit
from ispfit import ISPModel
from ispfit.backbones.parametric import Parametric
from ispfit.backbones.parts.exposure import factors_between, fit_gains
from ispfit.backbones.parts.finishing import N_COEFFICIENTS, basis, finish
from ispfit.backbones.parts.scene_regression import SceneRegression
from ispfit.backbones.parts.scene_statistics import METERED
from ispfit.backbones.parts.shot_samples import sample_shots
from ispfit.backbones.photofinish import Photofinish, PhotofinishNetwork
from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image, Shot


@pytest.fixture(scope="module")
def auto() -> Any:
    """Pairs of a camera in auto mode: 30 to fit, 8 to test."""
    X, Y = make_camera_pairs(38, image_size=96, random_state=0)
    return X[:30], Y[:30], X[30:], Y[30:]


@pytest.fixture(scope="module")
def model(auto: Any) -> ISPModel:
    return ISPModel(Photofinish(control_points=60, residual=False), random_state=0).fit(*auto[:2])


@pytest.fixture(scope="module")
def five(auto: Any) -> ISPModel:
    return ISPModel(Photofinish(control_points=60, residual=False), random_state=0).fit(auto[0][:5], auto[1][:5])


def test_a_new_network_encodes_srgb_and_decodes_it() -> None:
    network = PhotofinishNetwork(0, 4).eval()
    raw = torch.rand(1, 3, 16, 16)
    window = ispfit.Window(*torch.zeros(2, 1, dtype=torch.long), 16, 16, *torch.full((2, 1), 16))
    srgb = network.render(raw, network.describe(raw), window)
    np.testing.assert_allclose(srgb.numpy(), linear_to_srgb(raw.numpy()), atol=0.01)
    back = network.inverse()
    np.testing.assert_allclose(back.render(srgb, back.describe(srgb), window).numpy(), raw.numpy(), atol=0.02)


def test_it_follows_the_scene_where_one_map_of_colours_cannot(model: ISPModel, auto: Any) -> None:
    fixed = ISPModel("parametric").fit(*auto[:2])
    for direction, gain in (("forward", 2.0), ("inverse", 0.2)):
        ours, theirs = (each.psnr(*auto[2:], direction=direction).mean() for each in (model, fixed))
        assert ours > theirs + gain, direction


def test_a_manual_camera_loses_nothing() -> None:
    X, Y = make_camera_pairs(30, image_size=96, camera="manual", random_state=0)
    backbones = Photofinish(control_points=60, residual=False), Parametric(control_points=60)
    ours, fixed = (ISPModel(each).fit(X[:24], Y[:24]) for each in backbones)
    for direction in ("forward", "inverse"):
        loss = fixed.psnr(X[24:], Y[24:], direction=direction) - ours.psnr(X[24:], Y[24:], direction=direction)
        assert loss.mean() < 0.3, direction


@pytest.mark.usefixtures("brief_photofinish")
def test_the_record_says_what_the_residual_is_worth(model: ISPModel, auto: Any) -> None:
    corrected = ISPModel(Photofinish(control_points=60, residual=True)).fit(auto[0][:10], auto[1][:10])
    plain = copy.deepcopy(corrected)
    for network in plain.networks_.values():
        network.direction.residual.weight.zero_()  # type: ignore[union-attr, operator]
    notes = corrected.records_["forward"].notes
    for name, gain, note in zip(("raw to sRGB", "sRGB to raw"), notes[:2], notes[2:], strict=True):
        share = r"([01]\.\d\d)"
        counts = rf"{name}: weights of .*: sharp {share}, smooth {share}; .*, sharp {share}, smooth {share}\.$"
        assert sum(map(float, re.match(counts, gain).groups())) == pytest.approx(1, abs=0.021)  # type: ignore[union-attr]
        assert re.match(rf"{name}: the residual network is used with weight [\d.]+; it is worth [+-][\d.]+ dB", note)
    assert model.records_["forward"].notes[2:] == ["The residual network is switched off (residual=False)."]
    for apply, images in (("transform", auto[2]), ("inverse_transform", auto[3])):
        with_it, without = (getattr(each, apply)(images[:1])[0] for each in (corrected, plain))
        assert 1e-4 < abs(with_it - without).mean() < 0.1


@pytest.mark.usefixtures("brief_photofinish")
def test_without_enough_scenes_the_residual_is_left_out_and_the_record_says_so(auto: Any) -> None:
    few = ISPModel(Photofinish(control_points=20)).fit(auto[0][:9], auto[1][:9])
    assert few.records_["forward"].notes[2:] == [
        "The residual network is left out: it needs 10 scenes, which do not look alike, and got 9."
    ]


@pytest.mark.slow  # half a minute a camera; test_a_manual_camera_loses_nothing is its quick relative
@pytest.mark.parametrize("camera", ["manual", "Virtual A", "Virtual B"])
def test_it_is_never_worse_than_one_map_for_all_scenes(camera: str) -> None:
    X, Y = make_camera_pairs(60, image_size=192, camera=camera, random_state=0)
    ours, fixed = (ISPModel(name).fit(X[:48], Y[:48]) for name in ("photofinish", "parametric"))
    for direction in ("forward", "inverse"):
        loss = fixed.psnr(X[48:], Y[48:], direction=direction) - ours.psnr(X[48:], Y[48:], direction=direction)
        assert loss.mean() < 0.1, direction


def test_the_scene_of_a_darker_image_brightens_more(model: ISPModel, auto: Any) -> None:
    raw = auto[2][0]
    bright, dark = model.describe([raw, raw * 0.3])
    own, lifted = model.transform([raw, raw], scenes=[bright, dark])
    assert float(lifted.mean()) > float(own.mean()) + 0.02


@pytest.mark.usefixtures("brief_photofinish")
@pytest.mark.parametrize("n_pairs", [5, 10])
def test_the_same_pairs_give_the_same_model_whatever_the_seed(auto: Any, n_pairs: int) -> None:
    backbone, pairs = Photofinish(control_points=20), (auto[0][:n_pairs], auto[1][:n_pairs])
    one, other = (ISPModel(backbone, random_state=seed).fit(*pairs) for seed in (0, 1))
    for name, tensor in one.networks_["forward"].state_dict().items():
        assert torch.equal(tensor, other.networks_["forward"].state_dict()[name]), name


def test_a_model_file_holds_it(model: ISPModel, auto: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "camera.ispfit")
    loaded = ispfit.load(tmp_path / "camera.ispfit")
    for direction in ("forward", "inverse"):
        expected = model.psnr(*auto[2:], direction=direction)
        np.testing.assert_array_equal(loaded.psnr(*auto[2:], direction=direction), expected)
    for one, other in zip(*(each.transform(auto[2], return_std=True)[1] for each in (model, loaded)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_it_knows_how_sure_it_is(model: ISPModel, direction: str) -> None:
    X, Y = make_camera_pairs(24, image_size=64, random_state=1)
    given, truth = (X, Y) if direction == "forward" else (Y, X)
    rendered, stds = (model.transform if direction == "forward" else model.inverse_transform)(given, return_std=True)
    errors, std = np.abs(np.stack(rendered) - np.stack(truth)), np.stack(stds)
    assert 0.55 < (errors < std).mean() < 0.85
    assert 0.88 < (errors < 1.96 * std).mean() < 0.99
    surest, least_sure = std < np.quantile(std, 0.2), std > np.quantile(std, 0.8)
    assert errors[least_sure].mean() > 1.4 * errors[surest].mean()
    light = [srgb_to_linear(np.stack(each)) if direction == "forward" else np.stack(each) for each in (rendered, truth)]
    off = np.abs(np.log2(light[0].mean((1, 2, 3)) / light[1].mean((1, 2, 3)))) / model.exposure_std(given, direction)
    assert 0.4 < (off < 1).mean() < 0.95
    assert (off < 1.96).mean() > 0.7


def test_it_is_less_sure_of_scenes_unlike_those_of_the_fit(model: ISPModel, auto: Any) -> None:
    known, unlike = model.exposure_std([auto[0][0], Image(1 - auto[0][0])])
    assert unlike > 1.5 * known


def test_few_pairs_are_less_sure(model: ISPModel, five: ISPModel, auto: Any) -> None:
    assert five.exposure_std(auto[2]).mean() > 1.2 * model.exposure_std(auto[2]).mean()


def test_one_pair_is_not_sure_of_other_scenes(auto: Any) -> None:
    single = ISPModel(Photofinish(control_points=20)).fit(auto[0][:1], auto[1][:1])
    assert (single.exposure_std(auto[2]) > 0.2).all()


@pytest.mark.parametrize("n_pairs", [1, 2, 5])
@pytest.mark.usefixtures("brief_photofinish")
def test_few_pairs_are_enough_not_to_fail(auto: Any, n_pairs: int) -> None:
    model = ISPModel("photofinish").fit(auto[0][:n_pairs], auto[1][:n_pairs])
    assert np.isfinite(model.psnr(*auto[2:])).all()


def test_five_scenes_are_no_worse_than_one_map(auto: Any, five: ISPModel) -> None:
    fixed = ISPModel("parametric", direction="forward").fit(auto[0][:5], auto[1][:5])
    assert (fixed.psnr(*auto[2:]) - five.psnr(*auto[2:])).mean() < 0.1


def test_of_a_scene_with_many_shots_the_mean_knows_as_much_as_of_any_other() -> None:
    statistics = torch.randn(10, 24, generator=torch.Generator().manual_seed(0))
    regression = SceneRegression(24, 1, 10)
    regression.fit(statistics, np.array([[1.0]] * 8 + [[4.0]] * 2), ["one"] * 8 + ["other", "third"])
    assert float(regression.offset) == pytest.approx(3)


@pytest.mark.parametrize(("trend", "follows"), [(-0.5, True), (0.0, False)])
def test_of_few_scenes_the_gain_starts_from_the_usual_trend(trend: float, follows: bool) -> None:
    statistics = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    brightness = statistics[:, METERED].mean(1)
    regression = SceneRegression(24, 2, 3, trends=[trend])
    gains = -0.5 * brightness.double().numpy()
    regression.fit(statistics, np.stack([gains, gains], 1), range(3))
    darker = statistics.mean(0, keepdim=True).repeat(2, 1)
    darker[1, METERED] -= 1
    rise, other = (regression(darker)[1] - regression(darker)[0]).tolist()
    assert (rise > other + 0.05) == follows
    assert rise < 0.6


def test_each_gain_starts_from_its_own_trend_and_other_parameters_from_none() -> None:
    statistics = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    gains = -0.5 * statistics[:, METERED].mean(1).double().numpy()
    regression = SceneRegression(24, 4, 3, gain_every=2, trends=[-0.5, 0.0])
    regression.fit(statistics, np.stack(4 * [gains], 1), range(3))
    darker = statistics.mean(0, keepdim=True).repeat(2, 1)
    darker[1, METERED] -= 1
    rises = (regression(darker)[1] - regression(darker)[0]).tolist()
    assert rises[0] > max(rises[1:]) + 0.05
    assert (regression.gain_errors > 0).tolist() == [True, False, True, False]


@pytest.mark.usefixtures("brief_photofinish")
def test_no_more_shots_are_used_than_are_allowed(auto: Any) -> None:
    model = ISPModel(Photofinish(control_points=20, max_shots=5, residual=False)).fit(*auto[:2])
    assert model.networks_["forward"].rendering.regression.shots.shape[0] == 5  # type: ignore[union-attr]


def test_known_gains_are_found() -> None:
    rng = np.random.default_rng(0)
    gains = np.exp(rng.normal(0, 0.4, 20))
    gains /= np.exp(np.log(gains).mean())
    raws = rng.random((20, 700, 3)) ** 2 * 0.4
    srgbs = linear_to_srgb(np.clip(raws * gains[:, None, None], 0, 1)).astype(np.float64)
    log_gains = fit_gains(raws, srgbs, 40)
    np.testing.assert_allclose(log_gains, np.log(gains), atol=0.02)


def test_gains_hardly_depend_on_rounding() -> None:
    raws, srgbs, _ = sample_shots(
        list(zip(*make_camera_pairs(40, image_size=64, random_state=0), strict=True)), 40, 700
    )
    expected = fit_gains(raws.colors, srgbs.colors, 80)
    for seed in range(2):
        rounded = raws.colors * (1 + 1e-13 * np.random.default_rng(seed).standard_normal(raws.colors.shape))
        np.testing.assert_allclose(fit_gains(rounded, srgbs.colors, 80), expected, atol=0.003)


def test_a_factor_is_found_by_least_squares() -> None:
    colors = np.random.default_rng(0).random((4, 700, 3))
    factors = np.array([0.1, 0.5, 1.0, 3.0])
    np.testing.assert_allclose(factors_between(colors, factors[:, None, None] * colors), np.log(factors))


def test_finishing_is_linear_in_its_coefficients() -> None:
    colors, coefficients = torch.rand(50, 3), torch.randn(N_COEFFICIENTS) * 0.1
    everywhere, locally = basis(colors)
    assert everywhere.shape[-1] + locally.shape[-1] == N_COEFFICIENTS
    changed, slope = finish(colors, coefficients)
    twice, steeper = finish(colors, 2 * coefficients)
    np.testing.assert_allclose((twice - colors).numpy(), 2 * (changed - colors).numpy(), atol=1e-6)
    np.testing.assert_allclose(steeper.numpy(), 2 * slope.numpy(), atol=1e-6)
    unchanged, flat = finish(colors, torch.zeros(N_COEFFICIENTS))
    assert torch.equal(unchanged, colors)
    assert not flat.any()


def test_parameters_out_of_range_are_named() -> None:
    with pytest.raises(ispfit.errors.InputError, match="expected residual to be True or False or 'auto', got 'maybe'"):
        Photofinish(residual="maybe").build()  # type: ignore[arg-type]
    with pytest.raises(ispfit.errors.InputError, match="expected max_shots to be a whole number from 2 to 4096"):
        Photofinish(max_shots=1).build()


def test_of_a_single_scene_it_is_one_map(auto: Any) -> None:
    X, Y = make_camera_pairs(1, image_size=192, random_state=1)
    halves = [[Image(image[:, left : left + 96], Shot(scene="one")) for image in (X[0], Y[0])] for left in (0, 96)]
    known, unknown = ([[half[side]] for side in (0, 1)] for half in halves)
    ours, fixed = (ISPModel(name, random_state=0).fit(*known) for name in ("photofinish", "parametric"))
    for direction in ("forward", "inverse"):
        loss = fixed.psnr(*unknown, direction=direction) - ours.psnr(*unknown, direction=direction)
        assert loss.mean() < 1, (direction, loss)
    own, other = ours.transform([auto[2][0]] * 2, scenes=ours.describe(auto[2][:2]))
    np.testing.assert_array_equal(own, other)
