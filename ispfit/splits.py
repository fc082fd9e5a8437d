"""Share out items to splits such that look-alikes, which form a group, are never in two splits; choose some of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["evenly_spaced", "split_groups"]

Group = TypeVar("Group", bound=Hashable)


def split_groups(
    groups: Sequence[Group],
    sizes: Mapping[str, int],
    rng: np.random.Generator,
    given: Mapping[Group, str] | None = None,
    rest: str = "train",
) -> dict[Group, str]:
    """Return the split of each group: random groups fill the splits of `sizes` in turn, the others are the rest.

    A group that would make a split larger than its size is passed over, so a split may stay smaller. At least one
    group is left for the rest.

    Parameters
    ----------
    groups : the group of each item.
    sizes : the number of items that each split should have.
    rng : draws one permutation of the groups, numbered in the order of their first items.
    given : groups whose split is fixed; their items count towards its size. Groups without an item are ignored.
    rest : the split of the remaining groups.

    Examples
    --------
    >>> split_groups(["a", "b", "b", "c"], {"test": 1}, np.random.default_rng(0))
    {'a': 'train', 'b': 'train', 'c': 'test'}
    """
    n_items = Counter(groups)
    split_of = {group: split for group, split in (given or {}).items() if group in n_items}
    free = [group for group in n_items if group not in split_of]
    order = [free[index] for index in rng.permutation(len(free))]
    for split, size in sizes.items():
        room = size - sum(n_items[group] for group, other in split_of.items() if other == split)
        for group in order:
            if group not in split_of and n_items[group] <= room and len(split_of) < len(n_items) - 1:
                split_of[group] = split
                room -= n_items[group]
    return {group: split_of.get(group, rest) for group in n_items}


def evenly_spaced(count: int, most: int) -> list[int]:
    """Return at most `most` indices of `count` items, evenly spaced from the first to the last."""
    return [int(index) for index in np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))]
