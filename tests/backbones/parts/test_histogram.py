"""The learnable histogram: Eq. 3, and its weighted mean with derivatives in one pass."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ispfit.backbones.parts import histogram as module
from ispfit.backbones.parts.histogram import LearnableHistogram
from ispfit.backbones.parts.pooling import pooling_weights
from ispfit.color import rgb_to_lrg


def random_image(*shape: int, seed: int = 0) -> Tensor:
    """Return an image with black, white and pure pixels, whose L, r or g equals the centre of a bin."""
    image = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    image[:, :, 0], image[:, :, -1], image[:, 0, :, 0] = 0, 1, 0
    return image


def moved(bins: int, seed: int = 0) -> LearnableHistogram:
    """Return a histogram whose centres and widths differ from their initial values, as after some training."""
    histogram = LearnableHistogram(bins)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        histogram.centers += 0.1 * torch.randn(3, bins, generator=generator)
        histogram.widths *= 1 + 0.3 * torch.rand(3, bins, generator=generator)
    return histogram


def test_the_bins_start_where_the_paper_says() -> None:
    histogram = LearnableHistogram(6)
    torch.testing.assert_close(histogram.centers, torch.tensor([0, 0.2, 0.4, 0.6, 0.8, 1.0]).repeat(3, 1))
    torch.testing.assert_close(histogram.widths, torch.full((3, 6), 5.0))


@pytest.mark.parametrize("bins", [2, 4, 6, 9])
def test_votes_start_as_a_partition_of_unity(bins: int) -> None:
    votes = LearnableHistogram(bins)(random_image(2, 3, 8, 9))
    assert votes.shape == (2, 3 * bins, 8, 9)
    assert votes.min() >= 0
    sums = votes.unflatten(1, (3, bins)).sum(2)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)


def test_votes_are_those_of_equation_3() -> None:
    histogram, image = moved(5), random_image(1, 3, 4, 6)
    votes = histogram(image)
    for channel, values in enumerate(rgb_to_lrg(image, axis=1)[0]):
        for b in range(5):
            centre, width = histogram.centers[channel, b], histogram.widths[channel, b]
            expected = (1 - (values - centre).abs() * width).clamp(min=0)
            torch.testing.assert_close(votes[0, 5 * channel + b], expected)


def weighted(votes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return (votes * rows[:, None] * columns).sum((2, 3))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(2, 7), st.integers(0, 99))
def test_the_mean_and_its_gradients_are_those_of_the_votes(
    n: int, height: int, width: int, bins: int, seed: int
) -> None:
    image, histogram = random_image(n, 3, height, width, seed=seed), moved(bins, seed)
    if seed % 3 == 0:
        histogram = LearnableHistogram(bins)  # black, white and grey lie exactly on centres
    rows, columns = (torch.rand(size, generator=torch.Generator().manual_seed(seed)) for size in (height, width))
    rows, columns = rows / rows.sum(), columns / columns.sum()
    weights = torch.linspace(-1, 1, n * 3 * bins).view(n, -1)
    parameters = list(histogram.parameters())

    plain = weighted(histogram(image), rows, columns)
    expected = torch.autograd.grad((plain * weights).sum(), parameters)
    fast = histogram.mean(image, rows, columns)
    found = torch.autograd.grad((fast * weights).sum(), parameters)

    torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-6)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    image, histogram = random_image(2, 3, 50, 20), moved(4)
    rows, columns = torch.full((50,), 1 / 50), torch.full((20,), 1 / 20)
    whole = histogram.mean(image, rows, columns)
    monkeypatch.setitem(module._VOTES_PER_STRIP, "cpu", 3 * 20 * 3 * 4)
    torch.testing.assert_close(histogram.mean(image, rows, columns), whole)


def test_an_image_can_be_differentiated_by() -> None:
    image, histogram = random_image(1, 3, 6, 7).requires_grad_(), moved(4)
    rows, columns = pooling_weights(6, (1, 2), image.device), pooling_weights(7, (1, 2), image.device)
    weights = torch.linspace(-1, 1, 12)
    leaves = [image, *histogram.parameters()]
    plain, fast = weighted(histogram(image), rows, columns), histogram.mean(image, rows, columns)
    expected = torch.autograd.grad((plain * weights).sum(), leaves)
    found = torch.autograd.grad((fast * weights).sum(), leaves)
    torch.testing.assert_close(fast, plain)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_mean_needs_no_gradient() -> None:
    image, histogram = random_image(1, 3, 6, 7), moved(4)
    rows, columns = torch.full((6,), 1 / 6), torch.full((7,), 1 / 7)
    expected = histogram(image).mean((2, 3))
    with torch.inference_mode():
        torch.testing.assert_close(histogram.mean(image, rows, columns), expected)


def test_the_mean_keeps_its_precision_under_autocast() -> None:
    image, histogram = random_image(1, 3, 40, 50), moved(6)
    rows, columns = torch.full((40,), 1 / 40), torch.full((50,), 1 / 50)
    exact = histogram.mean(image, rows, columns)
    with torch.autocast("cpu", torch.bfloat16):
        mean = histogram.mean(image, rows, columns)
    torch.testing.assert_close(mean, exact)
