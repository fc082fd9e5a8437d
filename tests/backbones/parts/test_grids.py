"""Grids over the image are interpolated at the pixels of a window."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ispfit import Window
from ispfit.backbones.parts.grids import sample_grids


@pytest.mark.parametrize("size", [(12, 20), (7, 33), (64, 64)])
def test_it_is_torchs_bilinear_interpolation(size: tuple[int, int]) -> None:
    grid = torch.rand(1, 3, 4, 5)
    whole = F.interpolate(grid, size=size, mode="bilinear", align_corners=False)
    zero = torch.zeros(1, dtype=torch.int64)
    window = Window(zero, zero, *size, zero + size[0], zero + size[1])
    torch.testing.assert_close(sample_grids([grid], window), whole)


def test_windows_see_their_place_and_a_ring_around_it() -> None:
    grid = torch.rand(1, 2, 4, 4).expand(2, -1, -1, -1)
    zero = torch.zeros(2, dtype=torch.int64)
    whole = sample_grids([grid], Window(zero, zero, 32, 40, zero + 32, zero + 40))
    top, left = torch.tensor([8, 16]), torch.tensor([4, 24])
    parts = sample_grids([grid], Window(top, left, 8, 12, zero + 32, zero + 40), ring=2)
    for row, (y, x) in enumerate(zip(top.tolist(), left.tolist(), strict=True)):
        torch.testing.assert_close(parts[row], whole[row, :, y - 2 : y + 10, x - 2 : x + 14])


def test_several_grids_are_added() -> None:
    grids = [torch.rand(2, 3, 4, 5), torch.rand(2, 3, 2, 2), torch.rand(2, 3, 1, 1)]
    corner, side = torch.tensor([4, 8]), torch.full((2,), 40)
    window = Window(corner, corner, 12, 16, side, side)
    expected = sum(sample_grids([grid], window, ring=2) for grid in grids)
    torch.testing.assert_close(sample_grids(grids, window, ring=2), expected)
