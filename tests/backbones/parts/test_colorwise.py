"""Maps of colours that large images look up in a table."""

from __future__ import annotations

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor

from ispfit import ISPModel, Scene, Window
from ispfit.backbones.parts import colorwise
from ispfit.backbones.parts.colorwise import ColorwiseNetwork
from ispfit.datasets import make_camera_pairs
from ispfit.metrics import psnr

SMALL_PX, LARGE_PX = 511, 512


class Power(ColorwiseNetwork):
    """``factor * x ** 1.5``, which counts how many colours it maps exactly."""

    gamma = 2.2

    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(0.5))
        self.n_exact = 0

    def map_colors(self, colors: Tensor) -> Tensor:
        self.n_exact += len(colors)
        return self.factor * colors.sign() * colors.abs() ** 1.5


def window_of(*image_sides: int, size: int = 8) -> Window:
    """Return the window of the top left corner of square images."""
    corner, sides = torch.zeros(len(image_sides), dtype=torch.long), torch.tensor(image_sides)
    return Window(corner, corner, size, size, sides, sides)


def near_grey(count: int = 1) -> Tensor:
    """Return images whose colours the few nodes of these tests suffice for."""
    rng = torch.Generator().manual_seed(0)
    return 0.2 + 0.5 * torch.rand(count, 1, 8, 8, generator=rng) + 0.1 * torch.rand(count, 3, 8, 8, generator=rng)


@pytest.fixture
def few_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colorwise, "TABLE_NODES", 17)


@pytest.mark.usefixtures("few_nodes")
def test_small_images_are_mapped_exactly_and_large_ones_by_the_table() -> None:
    network, pixels = Power().eval(), near_grey(2)
    with torch.no_grad():
        exact = network.map_colors(pixels)
        small = network.render(pixels, Scene(), window_of(SMALL_PX, SMALL_PX))
        large = network.render(pixels, Scene(), window_of(LARGE_PX, LARGE_PX))
        mixed = network.render(pixels, Scene(), window_of(SMALL_PX, LARGE_PX))
    torch.testing.assert_close(small, exact)
    torch.testing.assert_close(large, exact, rtol=0, atol=2e-3)
    assert not torch.equal(large, exact)
    assert torch.equal(mixed, torch.stack([small[0], large[1]]))


@pytest.mark.usefixtures("few_nodes")
def test_colours_outside_the_table_are_mapped_exactly() -> None:
    network, pixels = Power().eval(), near_grey()
    with torch.no_grad():
        inside = network.render(pixels, Scene(), window_of(LARGE_PX))
        pixels[0, 0, 0, 0], pixels[0, 2, 3, 5] = -0.5, 4.0
        found = network.render(pixels, Scene(), window_of(LARGE_PX))
    assert found[0, 0, 0, 0].item() == pytest.approx(-0.5 * 0.5**1.5)
    assert found[0, 2, 3, 5].item() == pytest.approx(0.5 * 8)
    changed = (found != inside).any(1)[0]
    assert changed.nonzero().tolist() == [[0, 0], [3, 5]]


@pytest.mark.usefixtures("few_nodes")
def test_the_table_is_computed_once_and_again_when_weights_change() -> None:
    network, pixels = Power().eval(), near_grey()
    before = network.render(pixels, Scene(), window_of(LARGE_PX))
    assert network.n_exact == 17**3
    network.render(pixels, Scene(), window_of(LARGE_PX))
    assert network.n_exact == 17**3
    with torch.no_grad():
        network.factor.mul_(2)
    torch.testing.assert_close(network.render(pixels, Scene(), window_of(LARGE_PX)), 2 * before)


@pytest.mark.usefixtures("few_nodes")
def test_a_table_of_inference_serves_autograd_too() -> None:
    network = Power().eval()
    with torch.inference_mode():
        network.render(near_grey(), Scene(), window_of(LARGE_PX))
    pixels = near_grey().requires_grad_()
    network.render(pixels, Scene(), window_of(LARGE_PX)).sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    assert (pixels.grad > 0).all()


@pytest.mark.usefixtures("few_nodes")
def test_copies_and_pickles_leave_the_table_out() -> None:
    network, pixels = Power().eval(), near_grey()
    found = network.render(pixels, Scene(), window_of(LARGE_PX))
    assert len(pickle.dumps(network)) < 17**3
    for copy in (deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(copy.render(pixels, Scene(), window_of(LARGE_PX)), found)
    assert "table" not in " ".join(network.state_dict())


@pytest.mark.parametrize("camera", ["manual", "Virtual A"])
def test_the_table_of_a_fitted_camera_is_its_map(camera: str) -> None:
    """To a tenth of a code on average, in both directions; no shot loses more than 0.05 dB, and the mean 0.02 dB."""
    X, Y = make_camera_pairs(12, image_size=96, camera=camera, random_state=0)
    model = ISPModel("parametric").fit(X[:8], Y[:8])
    for direction, images, targets in (("forward", X[8:], Y[8:]), ("inverse", Y[8:], X[8:])):
        network, errors, losses = model.networks_[direction], [], []
        for image, target in zip(images, targets, strict=True):
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
            exact, by_table = (
                network.render(pixels, Scene(), window_of(side, size=96))[0].permute(1, 2, 0).clamp(0, 1).numpy()
                for side in (SMALL_PX, LARGE_PX)
            )
            errors.append(255 * np.abs(by_table - exact).mean())
            losses.append(psnr(target, exact) - psnr(target, by_table))
        assert 0 < np.mean(errors) < 0.1, direction
        assert max(losses) < 0.05, direction
        assert np.mean(losses) < 0.02, direction
