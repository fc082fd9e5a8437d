"""Splitting by groups: no group is in two splits, no split is larger than asked for."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ispfit.splits import split_groups


def split(
    groups: list[int], sizes: dict[str, int], fixed: dict[int, str] | None = None, seed: int = 0
) -> dict[int, str]:
    return split_groups(groups, sizes, np.random.default_rng(seed), fixed)


def sizes_of(groups: list[int], split_of: dict[int, str]) -> Counter[str]:
    return Counter(split_of[group] for group in groups)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_no_split_is_too_large_and_one_group_is_left(groups: list[int], n_test: int, n_other: int, seed: int) -> None:
    split_of = split(groups, {"test": n_test, "validation": n_other}, seed=seed)
    sizes = sizes_of(groups, split_of)
    assert split_of.keys() == set(groups)
    assert sizes["test"] <= n_test
    assert sizes["validation"] <= n_other
    assert sizes["train"] > 0


def test_groups_of_one_item_fill_each_split() -> None:
    groups = list(range(20))
    assert sizes_of(groups, split(groups, {"test": 5, "validation": 3})) == {"test": 5, "validation": 3, "train": 12}


def test_a_group_too_large_for_a_split_is_passed_over() -> None:
    assert split([0, 0, 0, 1], {"test": 2}) == {0: "train", 1: "test"}


def test_given_groups_stay_and_count_towards_the_size_of_their_split() -> None:
    groups = list(range(10))
    split_of = split(groups, {"test": 2}, {3: "test", 4: "train", 99: "test"})
    assert split_of.items() >= {(3, "test"), (4, "train")}
    assert 99 not in split_of
    assert sizes_of(groups, split_of)["test"] == 2


def test_the_split_depends_on_the_seed_alone() -> None:
    groups = list(range(50))
    first, again, other = (split(groups, {"test": 10}, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_names_of_groups_do_not_matter() -> None:
    groups = [0, 1, 1, 2, 3, 3, 4, 5]
    letters = ["abcdef"[group] for group in groups]
    numbers = split(groups, {"test": 3})
    assert split_groups(letters, {"test": 3}, np.random.default_rng(0)) == {
        "abcdef"[group]: name for group, name in numbers.items()
    }


def test_the_rest_has_a_name() -> None:
    assert split_groups(["a"], {"test": 1}, np.random.default_rng(0), rest="fit") == {"a": "fit"}
