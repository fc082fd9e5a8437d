"""Maps of colours as tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import grid_sample

from ispfit.backbones.parts.color_table import lattice, look_up, prefilter


def table_of(size: int, function: object) -> torch.Tensor:
    return function(lattice(size)).T.reshape(1, -1, size, size, size)  # type: ignore[operator, no-any-return]


def test_a_table_of_an_affine_map_is_that_map_everywhere() -> None:
    matrix, colors = torch.rand(3, 3), torch.rand(1, 3, 5, 7)
    found = look_up(table_of(4, lambda nodes: nodes @ matrix.T + 0.1), colors)
    expected = torch.einsum("ij,njhw->nihw", matrix, colors) + 0.1
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6)


def test_channels_are_not_mixed_up() -> None:
    colors = torch.tensor([0.1, 0.5, 0.9]).view(1, 3, 1, 1)
    assert torch.allclose(look_up(table_of(3, lambda nodes: nodes), colors), colors, atol=1e-6)


def test_beyond_the_table_the_nearest_value_is_taken() -> None:
    table = table_of(3, lambda nodes: nodes)
    assert look_up(table, torch.full((1, 3, 1, 1), 7.0)).flatten().tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert look_up(table, torch.full((1, 3, 1, 1), -7.0)).flatten().tolist() == [0, 0, 0]


def test_it_agrees_with_the_interpolation_of_volumes_up_to_the_corners() -> None:
    random = torch.Generator().manual_seed(0)
    table = torch.rand(1, 6, 33, 33, 33, generator=random)
    corners = torch.cartesian_prod(*3 * [torch.tensor([0, 1 - 1e-6, 1])]).T.view(1, 3, 1, -1)
    colors = torch.cat([corners, torch.rand(1, 3, 1, 5000, generator=random)], 3)
    places = (2 * colors - 1).permute(0, 2, 3, 1)[:, None]
    expected = grid_sample(table, places, padding_mode="border", align_corners=True)[:, :, 0]
    torch.testing.assert_close(look_up(table, colors), expected, atol=3e-4, rtol=0)  # neighbours differ by up to 1


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_parts_for_threads_do_not_change_the_result(n_threads: int) -> None:
    table, colors = torch.rand(1, 2, 5, 5, 5), torch.rand(1, 3, 6, 8)
    expected = torch.cat(
        [look_up(table, row) for row in torch.split(colors, 1, 2)], 2
    )  # one thread or another, by the width
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        assert torch.equal(look_up(table, colors), expected)
    finally:
        torch.set_num_threads(before)


def test_each_image_has_its_own_table() -> None:
    tables, colors = torch.rand(3, 2, 5, 5, 5), torch.rand(3, 3, 6, 8)
    alone = [look_up(tables[i : i + 1], colors[i : i + 1]) for i in range(3)]
    assert torch.equal(look_up(tables, colors), torch.cat(alone))


def test_a_prefiltered_table_errs_as_often_above_as_below() -> None:
    """The error of linear interpolation is h ** 2 / 12 * f'' on average, here with f'' = 2 and three axes."""
    table = table_of(9, lambda nodes: nodes.square().sum(1, keepdim=True))
    colors = 0.125 + 0.75 * torch.rand(1, 3, 200, 200, generator=torch.Generator().manual_seed(0))
    exact = colors.square().sum(1, keepdim=True)
    assert (look_up(table, colors) - exact).mean().item() == pytest.approx(3 * 2 / 12 / 8**2, rel=0.02)
    error = look_up(prefilter(table), colors) - exact
    assert error.mean().item() == pytest.approx(0, abs=1e-4)
    assert error.abs().mean() < 0.4 * (look_up(table, colors) - exact).abs().mean()


def test_the_prefilter_keeps_affine_maps_and_its_argument() -> None:
    table = table_of(5, lambda nodes: nodes @ torch.rand(3, 3) + 0.1)
    before = table.clone()
    torch.testing.assert_close(prefilter(table), table)
    assert torch.equal(table, before)
