"""Five 3 x 3 convolutions: each pixel and its neighbourhood, without the scene."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from ispfit.backbones.srcnn import SRCNN
from ispfit.errors import InputError
from ispfit.rendering import render_image
from ispfit.runtime import Runtime


def test_the_default_is_five_layers_of_three_by_three() -> None:
    network = SRCNN().build()
    sizes = [tuple(weight.shape) for weight in network.parameters() if weight.ndim == 4]
    assert sizes == [(64, 3, 3, 3), *[(64, 64, 3, 3)] * 3, (3, 64, 3, 3)]
    assert network.halo == 5
    assert SRCNN(layers=2).build().halo == 2


def test_it_is_the_convolutions_that_it_says() -> None:
    network = SRCNN(channels=4, layers=3).build().eval()
    image = np.random.default_rng(0).random((9, 11, 3), np.float32)
    state = [weight.numpy(force=True) for weight in network.parameters()]
    hidden = np.pad(image, ((3, 3), (3, 3), (0, 0)), "reflect").transpose(2, 0, 1)
    for index in range(0, 6, 2):
        maps = [correlate(hidden, kernel, "valid")[0] for kernel in state[index]]
        hidden = np.stack(maps) + state[index + 1][:, None, None]
        hidden = hidden if index == 4 else np.maximum(hidden, 0)
    expected = hidden.clip(0, 1).transpose(1, 2, 0)
    np.testing.assert_allclose(render_image(network, image, Runtime(torch.device("cpu"))), expected, atol=1e-5)


@pytest.mark.parametrize("parameters", [{"channels": 0}, {"layers": 2.5}, {"layers": True}])
def test_parameters_out_of_range_are_named(parameters: dict[str, float]) -> None:
    [name] = parameters
    with pytest.raises(InputError, match=f"SRCNN: expected {name} to be a whole number from 1 to .*, got"):
        SRCNN(**parameters).build()  # type: ignore[arg-type]
