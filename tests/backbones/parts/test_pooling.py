"""Average pooling equals torch's, and the weights of cascaded poolings equal their mean."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import avg_pool1d, avg_pool2d

from ispfit.backbones.parts.pooling import average_3x3, pooling_weights

SIDES = st.integers(3, 20)


def maps(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


@settings(deadline=None)
@given(st.integers(1, 2), st.integers(1, 5), SIDES, SIDES, st.integers(1, 3), st.booleans())
def test_averages_and_their_gradients_are_torchs(
    n: int, channels: int, height: int, width: int, stride: int, channels_last: bool
) -> None:
    image = maps(n, channels, height, width)
    if channels_last:
        image = image.contiguous(memory_format=torch.channels_last)
    image.requires_grad_()
    expected, found = avg_pool2d(image, 3, stride), average_3x3(image, stride)
    torch.testing.assert_close(found, expected)
    weights = maps(*expected.shape)
    gradients = [torch.autograd.grad((pooled * weights).sum(), image)[0] for pooled in (expected, found)]
    torch.testing.assert_close(*gradients)


def test_averages_leave_their_input_alone() -> None:
    image = maps(1, 2, 7, 9)
    kept = image.clone()
    average_3x3(image, 1)
    assert torch.equal(image, kept)


@settings(deadline=None)
@given(st.integers(1, 60), st.lists(st.integers(1, 3), max_size=3))
def test_pooling_weights_give_the_mean_of_the_pooled_line(length: int, strides: list[int]) -> None:
    line = torch.rand(1, 1, length, dtype=torch.float64, generator=torch.Generator().manual_seed(length))
    pooled = line
    for stride in strides:
        pooled = avg_pool1d(pooled, 3, stride, padding=1, count_include_pad=False)
    weights = pooling_weights(length, tuple(strides), line.device)
    torch.testing.assert_close((weights * line[0, 0]).sum(), pooled.mean(), rtol=1e-5, atol=1e-6)
    assert weights.min() >= 0
    assert weights.sum().item() == pytest.approx(1, abs=1e-5)


def test_pooling_weights_made_in_inference_can_be_trained_with() -> None:
    pooling_weights.cache_clear()
    with torch.inference_mode():
        weights = pooling_weights(9, (1, 2, 2), torch.device("cpu"))
    value = torch.ones(9, requires_grad=True)
    (value * weights).sum().backward()
    torch.testing.assert_close(value.grad, weights)
