"""The deterministic camera model, on cameras that follow it and on two that were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ispfit import ISPModel, Scene, Window
from ispfit.backbones.parametric import Parametric, ParametricNetwork
from ispfit.backbones.parts.radial import RadialMap
from ispfit.color import linear_to_srgb
from ispfit.datasets import make_camera_pairs

CAMERAS = ["NikonD7000_N_Indoor20110507", "NikonD40_N_Tu_Fs_Su_Cl_Sh"]
MATRIX = np.array([[1.5, -0.4, -0.1], [-0.2, 1.4, -0.2], [0.0, -0.5, 1.5]])


def psnr(found: torch.Tensor, wanted: Any) -> float:
    return float(-10 * np.log10(np.mean((found.numpy().clip(0, 1) - wanted) ** 2)))


def colors(count: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    grey = rng.random((count, 1)) * 0.8
    return np.clip(grey + rng.normal(0, 0.25, (count, 3)) * grey, 0.001, 0.95)


def test_a_new_camera_is_srgb() -> None:
    raw = torch.rand(50, 3) * 0.9
    found = ParametricNetwork(4).to_srgb(raw)
    np.testing.assert_allclose(found, linear_to_srgb(raw.numpy()), atol=2e-3)


def test_matrix_and_response_are_found() -> None:
    raw = colors(4000)
    raw = raw[((raw @ MATRIX.T > 0.01) & (raw @ MATRIX.T < 0.9)).all(1)]
    srgb = (raw @ MATRIX.T) ** 0.4
    camera = ParametricNetwork(50)
    camera.fit_colors(raw, srgb)
    scale = camera.matrix.numpy().sum(1, keepdims=True) / MATRIX.sum(1, keepdims=True)
    np.testing.assert_allclose(camera.matrix.numpy() / scale, MATRIX, atol=0.08)
    assert psnr(camera.to_srgb(torch.from_numpy(raw).float()), srgb) > 45
    assert psnr(camera.to_raw(torch.from_numpy(srgb).float()), raw) > 50


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_brighter_than_all_that_was_seen_fades_to_white(seed: int) -> None:
    pairs = make_camera_pairs(5, image_size=48, random_state=seed)
    raw, srgb = (np.concatenate([np.asarray(image, np.float64).reshape(-1, 3) for image in side]) for side in pairs)
    camera = ParametricNetwork(300)
    camera.fit_colors(raw, srgb)
    ramp = camera.to_srgb(torch.linspace(0.2, 8, 100)[:, None].expand(100, 3))
    assert (ramp.diff(dim=0) > -1e-3).all()
    assert ramp[-1].min() > 0.99
    assert (ramp.amax(1) - ramp.amin(1)).max() < 0.03


@pytest.mark.parametrize("amount", [0.0, 0.2])
def test_radial_functions_find_a_smooth_map_and_start_as_the_identity(amount: float) -> None:
    source = np.random.default_rng(0).random((800, 3))
    target = source + amount * np.sin(3 * source[:, [1, 2, 0]])
    gamut = RadialMap(120)
    inputs = torch.from_numpy(source).float()
    torch.testing.assert_close(gamut(inputs), inputs)
    gamut.fit(source[::2], target[::2], np.ones(400))
    assert np.abs(gamut(inputs).numpy() - target)[1::2].mean() < 0.004
    assert len(np.unique(gamut.centres.numpy(), axis=0)) > 20


def test_a_manual_camera_is_modelled_and_undone() -> None:
    X, Y = make_camera_pairs(12, image_size=96, camera="manual", random_state=0)
    model = ISPModel("parametric").fit(X[:8], Y[:8])
    straight = ISPModel("curve").fit(X[:8], Y[:8])
    assert model.score(X[8:], Y[8:]) > straight.score(X[8:], Y[8:]) + 2
    assert model.psnr(X[8:], Y[8:], direction="inverse").mean() > 35


@pytest.mark.parametrize(("name", "least"), list(zip(CAMERAS, [40, 50], strict=True)))
def test_half_of_the_measured_colours_predicts_the_other_half(shared_data: Path, name: str, least: float) -> None:
    """Without gamut mapping 26.6 and 31.4 dB, with a matrix for it 22.2 and 32.2 dB."""
    data = np.load(shared_data / "nus-models" / name / "pairs.npz")
    raw, srgb = data["ctrl"].astype(float) @ np.linalg.inv(data["Ts"]).T, data["jpeg_code"] / 255
    order = np.random.default_rng(0).permutation(len(raw))
    camera = ParametricNetwork(300)
    camera.fit_colors(raw[order[::2]], srgb[order[::2]])
    assert psnr(camera.to_srgb(torch.from_numpy(raw[order[1::2]]).float()), srgb[order[1::2]]) > least


def test_the_same_pairs_make_the_same_camera() -> None:
    X, Y = make_camera_pairs(2, image_size=48, random_state=0)
    first, second = (ISPModel(Parametric(20)).fit(X, Y).transform(X)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "raw",
    [
        np.zeros((200, 3)),
        np.ones((200, 3)),
        np.full((200, 3), 0.3),
        np.linspace(0, 1, 200)[:, None].repeat(3, 1),
        np.linspace(0, 1, 200)[:, None] * [1, 0, 0],
    ],
    ids=["black", "white", "one colour", "grey ramp", "red ramp"],
)
def test_colours_that_tell_little_make_a_camera_all_the_same(raw: Any) -> None:
    srgb = np.asarray(linear_to_srgb(raw))
    camera = ParametricNetwork(20)
    camera.fit_colors(raw, srgb)
    inputs = [torch.from_numpy(colors).float() for colors in (raw, srgb)]
    np.testing.assert_allclose(camera.to_srgb(inputs[0]), srgb, atol=0.03)
    assert torch.isfinite(camera.to_raw(inputs[1])).all()


@pytest.mark.parametrize("side", [8, 512], ids=["exact", "by table"])
def test_low_precision_does_not_touch_a_colour_model(side: int) -> None:
    network, pixels = ParametricNetwork(4), torch.rand(1, 3, 8, 8)
    corner, sides = torch.zeros(1, dtype=torch.long), torch.tensor([side])
    window = Window(corner, corner, 8, 8, sides, sides)
    exact = network.render(pixels, Scene(), window)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network.render(pixels, Scene(), window), exact)


def flat(*color: float) -> Any:
    return np.tile(np.float32(color), (16, 16, 1))


@pytest.mark.parametrize("backbone", ["parametric", "curve"])
def test_shots_of_few_colours_are_fitted(backbone: str) -> None:
    X, Y = [flat(0.2, 0.3, 0.4), flat(0.3, 0.3, 0.4)], [flat(0.5, 0.5, 0.5), flat(0.6, 0.5, 0.5)]
    model = ISPModel(backbone).fit(X, Y)
    for found, wanted in zip(model.transform(X) + model.inverse_transform(Y), Y + X, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_two_shots_of_one_colour_each_that_contradict_a_curve_are_fitted() -> None:
    """One level of blue becomes two."""
    X, Y = [flat(0.2, 0.3, 0.4), flat(0.3, 0.3, 0.4)], [flat(0.5, 0.5, 0.5), flat(0.6, 0.5, 0.4)]
    model = ISPModel("parametric").fit(X, Y)
    for found, wanted in zip(model.transform(X) + model.inverse_transform(Y), Y + X, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3)
