"""Properties that hold for any colour, any histogram, any window, any batch, any model file."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

import ispfit
from ispfit import ISPModel, get_backbone, psnr
from ispfit.backbones.mlp import MLP
from ispfit.backbones.parts.histogram import LearnableHistogram
from ispfit.backbones.parts.pooling import pooling_weights
from ispfit.color import apply_white_balance, linear_to_srgb, lrg_to_rgb, rgb_to_lrg, srgb_to_linear
from ispfit.rendering import cut_windows, render_image
from ispfit.runtime import Runtime, seeded
from ispfit.testing.subject import Subject, cut, describe

few = settings(deadline=None, max_examples=25)
values = st.floats(0, 1, width=32)
colours = arrays(np.float64, st.tuples(st.integers(1, 6), st.just(3)), elements=st.floats(0, 1))
seeds = st.integers(0, 2**16)
CPU = Runtime(torch.device("cpu"))


def image(height: int, width: int, seed: int) -> Tensor:
    rng = np.random.default_rng([seed, height, width])
    return torch.from_numpy(rng.random((1, 3, height, width), np.float32) ** 2)


@few
@given(colours)
def test_lightness_and_chromaticity_come_back_and_stay_in_range(rgb: Any) -> None:
    lrg = rgb_to_lrg(rgb)
    assert lrg.min() >= 0
    assert lrg.max() <= 1
    bright = rgb.sum(1) > 1e-3  # darker colours show the epsilon that keeps the gradient of black finite
    np.testing.assert_allclose(lrg_to_rgb(lrg)[bright], rgb[bright], atol=1e-3)


@few
@given(colours)
def test_every_gradient_is_finite_at_black_too(rgb: Any) -> None:
    for function in (rgb_to_lrg, srgb_to_linear, linear_to_srgb):
        colour = torch.tensor(np.vstack([rgb, np.zeros(3)]), requires_grad=True)
        function(colour).sum().backward()
        assert colour.grad is not None
        assert colour.grad.isfinite().all()


@few
@given(colours)
def test_the_srgb_curve_comes_back_rises_and_stays_in_range(linear: Any) -> None:
    encoded = linear_to_srgb(linear)
    assert 0 <= encoded.min() <= encoded.max() <= 1
    np.testing.assert_allclose(srgb_to_linear(encoded), linear, atol=1e-9)
    order = np.argsort(linear, axis=None, kind="stable")
    assert (np.diff(encoded.flatten()[order]) >= 0).all()


@few
@given(colours, st.tuples(*[st.floats(0.1, 10)] * 3))
def test_white_balance_comes_back_and_leaves_black_black(rgb: Any, gains: Any) -> None:
    balanced = apply_white_balance(rgb, gains)
    np.testing.assert_allclose(apply_white_balance(balanced, [1 / gain for gain in gains]), rgb, atol=1e-12)
    assert (balanced[rgb == 0] == 0).all()


@few
@given(st.integers(2, 12), st.integers(1, 9), st.integers(1, 9), seeds)
def test_votes_are_a_partition_of_unity_that_follows_its_pixels(bins: int, height: int, width: int, seed: int) -> None:
    pixels, histogram = image(height, width, seed), LearnableHistogram(bins)
    votes = histogram(pixels).detach()
    assert votes.min() >= 0
    torch.testing.assert_close(votes.view(1, 3, bins, height, width).sum(2), torch.ones(1, 3, height, width))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(height * width))
    shuffled = pixels.flatten(2)[:, :, order].view_as(pixels)
    torch.testing.assert_close(histogram(shuffled).flatten(2), votes.flatten(2)[:, :, order])
    torch.testing.assert_close(histogram(shuffled).mean((2, 3)), votes.mean((2, 3)))


@few
@given(st.integers(2, 8), st.integers(1, 30), st.integers(1, 30), seeds)
def test_the_pyramid_keeps_the_mass_of_the_votes(bins: int, height: int, width: int, seed: int) -> None:
    rows, columns = (pooling_weights(side, (1, 2, 2), torch.device("cpu")) for side in (height, width))
    mean = LearnableHistogram(bins).mean(image(height, width, seed), rows, columns)
    torch.testing.assert_close(mean.view(1, 3, bins).sum(2), torch.ones(1, 3))


@few
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(1, 5), seeds)
def test_any_size_is_rendered_in_any_tiles_and_any_batch(
    height: int, width: int, tile: int, count: int, seed: int
) -> None:
    for name in ("mlp", "histpyramid"):
        with seeded(0):
            network = get_backbone(name)().build().eval()
        pixels = image(height, width, seed)[0].permute(1, 2, 0)
        whole = render_image(network, pixels.numpy(), CPU, tile=200)
        np.testing.assert_allclose(render_image(network, pixels.numpy(), CPU, tile=tile), whole, rtol=0, atol=1e-5)
        cuts, window = cut(network, pixels)
        scene = describe(network, pixels).select(torch.zeros(count, dtype=torch.int64))
        rows = {side: getattr(window, side).expand(count) for side in ("top", "left", "image_height", "image_width")}
        many = type(window)(height=window.height, width=window.width, **rows)
        with torch.no_grad():
            batch = network.render(cuts.expand(count, -1, -1, -1).contiguous(), scene, many)
        for rendered in batch.clamp(0, 1).permute(0, 2, 3, 1)[:, :height, :width].numpy():
            np.testing.assert_allclose(rendered, whole, rtol=0, atol=1e-5)


@few
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 40), st.integers(0, 40), st.integers(0, 9), seeds)
def test_a_window_holds_pixels_of_its_image_and_no_others(
    height: int, width: int, top: int, left: int, halo: int, seed: int
) -> None:
    pixels = image(height, width, seed)[0].permute(1, 2, 0)
    [window] = cut_windows(pixels, torch.tensor([top]), torch.tensor([left]), 5, 7, halo)
    known = {tuple(colour) for colour in pixels.flatten(0, 1).tolist()}
    assert {tuple(colour) for colour in window.permute(1, 2, 0).flatten(0, 1).tolist()} <= known


@few
@given(arrays(np.float32, (4, 5, 3), elements=values), st.floats(1e-3, 0.5), st.floats(1.1, 2), seeds)
def test_psnr_is_symmetric_falls_with_noise_and_is_capped(clean: Any, noise: float, more: float, seed: int) -> None:
    grain = np.random.default_rng(seed).normal(0, noise, clean.shape)
    assert psnr(clean, clean + grain) == psnr(clean + grain, clean)
    assert psnr(clean, clean + more * grain) < psnr(clean, clean + grain) < psnr(clean, clean)
    assert psnr(clean, clean) == ispfit.metrics.PSNR_CAP


@few
@given(
    st.integers(1, 9),
    st.integers(1, 3),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    st.sampled_from(["forward", "inverse", "both"]),
    st.integers(0, 2**31 - 1),
    st.floats(1e-6, 1),
)
def test_any_parameters_and_any_dtype_are_saved_and_loaded(
    hidden: int, layers: int, dtype: torch.dtype, direction: str, seed: int, rate: float
) -> None:
    pairs = Subject(MLP()).pairs()[:2]
    X, Y = [raw for raw, _ in pairs], [srgb for _, srgb in pairs]
    model = ISPModel(MLP(hidden, layers), direction=direction, max_steps=0, learning_rate=rate, random_state=seed)
    model.set_params(device="cpu").fit(X, Y)
    for network in model.networks_.values():
        network.to(dtype)  # a file is loaded into float32 whatever its dtype
    with TemporaryDirectory() as folder:
        model.save(f"{folder}/camera.ispfit")
        loaded = ispfit.load(f"{folder}/camera.ispfit", device="cpu")
    assert loaded.get_params()["learning_rate"] == rate
    assert loaded.get_params()["random_state"] == seed
    assert loaded.backbone_.settings() == MLP(hidden, layers).settings()
    assert loaded.networks_.keys() == model.networks_.keys()
    for name, network in model.networks_.items():
        weights = loaded.networks_[name].state_dict()
        assert all(torch.equal(weights[key], value.float()) for key, value in network.state_dict().items())
