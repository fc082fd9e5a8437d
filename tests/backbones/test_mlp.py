"""The multi-layer perceptron of section 5.1 maps each pixel on its own."""

from __future__ import annotations

import numpy as np
import torch

from ispfit import Scene
from ispfit.backbones.mlp import MLP
from ispfit.rendering import render_image
from ispfit.runtime import Runtime

CPU = Runtime(torch.device("cpu"))


def test_the_default_is_two_hidden_layers_of_sixty_four() -> None:
    sizes = [tuple(weight.shape) for weight in MLP().build().parameters() if weight.ndim == 4]
    assert sizes == [(64, 3, 1, 1), (64, 64, 1, 1), (3, 64, 1, 1)]


def test_layers_and_nodes_can_be_chosen() -> None:
    sizes = [tuple(weight.shape) for weight in MLP(hidden=5, layers=1).build().parameters() if weight.ndim == 4]
    assert sizes == [(5, 3, 1, 1), (3, 5, 1, 1)]


def test_it_is_the_perceptron_of_each_pixel() -> None:
    network = MLP(hidden=8).build().eval()
    image = np.random.default_rng(0).random((5, 7, 3), np.float32)
    hidden = torch.from_numpy(image)
    weights = [weight.flatten(1) if weight.ndim == 4 else weight for weight in network.parameters()]
    for weight, bias in zip(weights[0:4:2], weights[1:4:2], strict=True):
        hidden = torch.relu(hidden @ weight.T + bias)
    expected = (hidden @ weights[4].T + weights[5]).clamp(0, 1).detach()
    np.testing.assert_allclose(render_image(network, image, CPU), expected, atol=1e-6)


def test_a_pixel_depends_on_itself_alone() -> None:
    network = MLP(hidden=8).build().eval()
    image = np.random.default_rng(0).random((6, 6, 3), np.float32)
    other = image.copy()
    other[2, 3] = 1 - other[2, 3]
    changed = np.abs(render_image(network, image, CPU) - render_image(network, other, CPU)).max(-1) > 0
    assert changed.sum() <= 1
    assert network.halo == 0
    assert isinstance(network.describe(torch.zeros(1, 3, 4, 4)), Scene)
