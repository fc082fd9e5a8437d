"""Maps of colours as tables."""

from __future__ import annotations

import numpy as np
import torch

from ispfit.backbones.parts.color_table import lattice, look_up


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
    assert look_up(table, torch.full((1, 3, 1, 1), 7.0)).flatten().tolist() == [1, 1, 1]
    assert look_up(table, torch.full((1, 3, 1, 1), -7.0)).flatten().tolist() == [0, 0, 0]
