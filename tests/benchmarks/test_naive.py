"""The baseline of speed measurements computes the same function and the same gradients as ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ispfit import Window
from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.rendering import cut_windows

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def naive() -> Any:
    spec = importlib.util.spec_from_file_location("naive", ROOT / "benchmarks" / "speed" / "naive.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def network() -> HistPyramidNetwork:
    torch.manual_seed(0)
    network = HistPyramid.paper(channels=8).build()
    assert isinstance(network, HistPyramidNetwork)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    return network


def images() -> Tensor:
    return torch.rand((2, 3, 64, 48), generator=torch.Generator().manual_seed(1))


def window_positions() -> tuple[Tensor, Tensor, Tensor]:
    """Return image index, top and left of three windows in each of two images, away from the border."""
    return torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([8, 16, 36, 8, 12, 24]), torch.tensor([8, 12, 16, 20, 8, 16])


def ours(network: HistPyramidNetwork, image_index: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
    image = images()
    cuts = [
        cut_windows(image[row].permute(1, 2, 0), y[None], x[None], size, size, network.halo)
        for row, y, x in zip(image_index, top, left, strict=True)
    ]
    sides = [torch.full_like(top, side) for side in image.shape[2:]]
    scene = network.describe(image).select(image_index)
    return network.render(torch.cat(cuts), scene, Window(top, left, size, size, *sides))


def test_whole_images_are_the_same_inside_the_border(naive: Any, network: HistPyramidNetwork) -> None:
    whole = naive.NaiveHistPyramid.of(network)(images())
    image_index, corner = torch.tensor([0, 1]), torch.tensor([8, 8])
    window = ours(network, image_index, corner, corner, 32)
    torch.testing.assert_close(window, whole[:, :, 8:40, 8:40], rtol=1e-5, atol=1e-5)


def test_windows_and_gradients_are_the_same(naive: Any, network: HistPyramidNetwork) -> None:
    other = naive.NaiveHistPyramid.of(network)
    rendered = [ours(network, *window_positions(), 16), other.render_windows(images(), *window_positions(), 16)]
    torch.testing.assert_close(*rendered, rtol=1e-5, atol=1e-5)
    for output in rendered:
        output.square().mean().backward()  # type: ignore[no-untyped-call]
    gradients = [
        {name: weight.grad for name, weight in net.named_parameters()} for net in (naive_like(network, naive), other)
    ]
    for name, gradient in gradients[1].items():
        difference = (gradients[0][name] - gradient).norm() / gradient.norm()
        assert difference < 1e-4, name


def naive_like(network: HistPyramidNetwork, naive: Any) -> Any:
    """Return a naive network whose gradients are those of ours."""
    like = naive.NaiveHistPyramid.of(network)
    for parameter in like.parameters():
        parameter.grad = torch.zeros_like(parameter)
    weights = {name: weight.grad for name, weight in network.named_parameters()}
    parts = [weights[f"mix_{part}.weight"] for part in ("pixels", "half", "quarter")]
    like.mix.weight.grad = torch.cat([*parts, weights["mix_global.weight"][:, :, None, None]], 1)
    like.mix.bias.grad = weights["mix_pixels.bias"]
    like.centers.grad, like.widths.grad = weights["histogram.centers"], weights["histogram.widths"]
    for layer, index in ((like.first, 1), (like.second, 3)):
        layer.weight.grad, layer.bias.grad = weights[f"body.{index}.weight"], weights[f"body.{index}.bias"]
    return like
