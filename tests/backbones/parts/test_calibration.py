"""Layers are scaled to the images that they will see."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ispfit.backbones.parts.calibration import calibrate, thumbnails
from ispfit.images import Image


def test_calibrated_layers_have_mean_zero_and_variance_one_and_the_network_computes_the_same_shape() -> None:
    first, second = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)
    images = 7 + 3 * torch.rand(20, 3, 6, 6, generator=torch.Generator().manual_seed(0))

    def forward() -> tuple[torch.Tensor, torch.Tensor]:
        features = first(images)
        return features, second(torch.relu(features).mean((2, 3)))

    calibrate([first, second], forward)
    with torch.no_grad():
        for output in forward():
            features = output.transpose(0, 1).flatten(1)
            torch.testing.assert_close(features.mean(1), torch.zeros(len(features)), rtol=0, atol=1e-4)
            torch.testing.assert_close(features.std(1, correction=0), torch.ones(len(features)), rtol=0, atol=1e-3)


def test_features_that_do_not_vary_are_not_scaled() -> None:
    layer = nn.Linear(2, 3)
    before = layer.weight.clone()
    calibrate([layer], lambda: layer(torch.ones(4, 2)))
    torch.testing.assert_close(layer.weight, before)
    torch.testing.assert_close(layer(torch.ones(1, 2)), torch.zeros(1, 3), rtol=0, atol=1e-6)


def test_thumbnails_are_of_inputs_evenly_spaced() -> None:
    pairs = [(Image(np.full((8, 6, 3), number / 400)), Image(np.zeros((8, 6, 3)))) for number in range(400)]
    small = thumbnails(pairs, 2)
    assert small.shape == (300, 3, 2, 2)
    assert small[0].max() == 0
    torch.testing.assert_close(small[-1], torch.full((3, 2, 2), 399 / 400))
