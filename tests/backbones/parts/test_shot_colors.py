"""What the parameters of several maps make of colours: weighted means, and their slopes."""

from __future__ import annotations

import torch
from torch import Tensor

from ispfit.backbones.parts.finishing import N_COEFFICIENTS, finish
from ispfit.backbones.parts.shot_colors import encoded_colors, finished_colors, slopes_at, split_parameters

N_PARAMETERS = 2 * (1 + N_COEFFICIENTS)


class Two:
    """Two maps: one multiplies by its gain, one divides by it; they count 0.3 and 0.7."""

    weights, prefilters = torch.tensor([0.3, 0.7]), False

    def coordinates(self, pixels: Tensor) -> Tensor:
        return pixels

    def base(self, nodes: Tensor, log_gains: Tensor) -> Tensor:
        signs = torch.tensor([1.0, -1.0])
        return nodes[..., None, :, :] * (signs * log_gains).exp()[..., None, None]

    def output(self, encoded: Tensor) -> Tensor:
        return encoded

    def slope(self, encoded: Tensor) -> Tensor:
        return torch.ones_like(encoded)

    def linear(self, output: Tensor) -> Tensor:
        return output


def test_the_colours_of_maps_are_averaged_each_at_its_own_parameters() -> None:
    random = torch.Generator().manual_seed(0)
    parameters = 0.2 * torch.randn(5, N_PARAMETERS, generator=random)
    nodes = torch.rand(5, 7, 3, generator=random)
    first, second = parameters[:, : N_PARAMETERS // 2], parameters[:, N_PARAMETERS // 2 :]
    brighter, darker = nodes * first[:, :1, None].exp(), nodes / second[:, :1, None].exp()
    expected = zip(finish(brighter, first[:, 1:]), finish(darker, second[:, 1:]), strict=True)
    for found, (one, other) in zip(finished_colors(Two(), nodes, parameters), expected, strict=True):
        torch.testing.assert_close(found, 0.3 * one + 0.7 * other)


def test_parameters_are_split_into_views() -> None:
    parameters = torch.zeros(3, N_PARAMETERS)
    split_parameters(Two(), parameters)[0].fill_(1)
    assert parameters.nonzero()[:, 1].tolist() == 3 * [0, N_PARAMETERS // 2]


def test_slopes_are_those_of_the_mean_by_all_parameters() -> None:
    random = torch.Generator().manual_seed(0)
    parameters = 0.1 * torch.randn(N_PARAMETERS, generator=random)
    nodes = torch.rand(6, 3, generator=random)
    local = torch.randn(6, generator=random)
    found = slopes_at(Two(), nodes, parameters, local)
    expected = []
    for number in range(N_PARAMETERS):
        step = 0.05 * torch.eye(N_PARAMETERS)[number]  # that of the numerical slope: tone curves have kinks
        above, below = (encoded_colors(Two(), nodes, parameters + sign * step, local) for sign in (1, -1))
        expected.append((above - below) / 0.1)
    torch.testing.assert_close(found, torch.stack(expected, -1), rtol=1e-3, atol=1e-4)
