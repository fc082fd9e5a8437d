"""Sampled colours: the same number from each pair, and a bounded number of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ispfit.backbones.parts.color_samples import sample_colors


class Pairs(Sequence[Any]):
    """Pairs whose pixels hold the number of the pair; records which pairs were read."""

    def __init__(self, count: int, side: int = 20) -> None:
        self.count, self.side, self.read = count, side, list[int]()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(index)
        self.read.append(index)
        image = np.full((self.side, self.side, 3), index / self.count, np.float32)
        return image, 1 - image


def test_every_pair_gives_as_many() -> None:
    colors, targets = sample_colors(Pairs(300))
    values, counts = np.unique(colors[:, 0], return_counts=True)
    assert len(values) == 300
    assert set(counts) == {200}
    np.testing.assert_allclose(colors + targets, 1, atol=1e-6)


def test_of_ten_thousand_pairs_three_hundred_are_read_once() -> None:
    pairs = Pairs(10_000)
    colors, _ = sample_colors(pairs)
    assert len(pairs.read) == len(set(pairs.read)) == 300
    assert (min(pairs.read), max(pairs.read)) == (0, 9999)
    assert len(colors) == 60_000


def test_a_small_image_gives_all_that_it_has_and_any_iterable_does() -> None:
    colors, _ = sample_colors(iter([Pairs(1, side=3)[0]]))
    assert len(colors) == 9
