"""Look-alikes and splits: bursts and copies are noticed, and no group is in two splits."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ispfit.datasets import make_camera_pairs
from ispfit.pairs.lookalikes import Signature, appearance, group_lookalikes, split_shots


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [np.asarray(srgb) for srgb in make_camera_pairs(12, image_size=96, random_state=0)[1]]


def signatures(pictures: list[np.ndarray], **options: float | str) -> list[Signature]:
    return [Signature(str(index), appearance(picture), **options) for index, picture in enumerate(pictures)]  # type: ignore[arg-type]


def test_different_pictures_are_different_groups_even_in_a_burst(pictures: list[np.ndarray]) -> None:
    assert group_lookalikes(signatures(pictures, taken=0.0, camera="A")) == list(range(12))


def test_the_same_shot_brighter_or_a_little_moved_is_one_group(pictures: list[np.ndarray]) -> None:
    brighter = [np.clip(picture * 1.2, 0, 1) for picture in pictures]
    moved = [picture[2:, 2:] for picture in pictures]
    assert group_lookalikes(signatures(pictures + brighter + moved)) == [*range(12)] * 3


def test_a_burst_may_move_more_than_shots_of_different_times(pictures: list[np.ndarray]) -> None:
    first, second = appearance(pictures[0]), appearance(pictures[1])
    mixed = [round(0.5 * one + 0.87 * other) for one, other in zip(first, second, strict=True)]  # correlation 0.5
    far = [Signature("a", first, 0.0, "A"), Signature("b", mixed, 1000.0, "A")]
    near = [Signature("a", first, 0.0, "A"), Signature("b", mixed, 2.0, "A")]
    other_camera = [Signature("a", first, 0.0, "A"), Signature("b", mixed, 2.0, "B")]
    assert [group_lookalikes(shots) for shots in (far, near, other_camera)] == [[0, 1], [0, 0], [0, 1]]


def test_a_copy_of_a_file_is_in_the_same_group_whatever_it_looks_like() -> None:
    flat = [0] * 1024
    assert group_lookalikes([Signature("x", flat), Signature("y", flat), Signature("x", flat)]) == [0, 1, 0]


def test_groups_are_joined_by_a_third_shot(pictures: list[np.ndarray]) -> None:
    first, other = appearance(pictures[0]), appearance(pictures[1])
    assert group_lookalikes([Signature("a", first), Signature("b", other), Signature("a", other)]) == [0, 0, 0]


@pytest.mark.parametrize(
    ("shots", "expected"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (10, (6, 2, 2)), (250, (160, 40, 50)), (1000, (760, 190, 50))],
)
def test_fifty_to_test_with_then_80_to_20_scaled_down_where_there_are_fewer(
    shots: int, expected: tuple[int, int, int]
) -> None:
    splits = Counter(split_shots(range(shots)).values())
    assert (splits["train"], splits["validation"], splits["test"]) == expected


@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.integers(0, 5))
def test_some_train_and_no_split_is_too_large(groups: list[int], seed: int) -> None:
    split_of = split_shots(groups, random_state=seed)
    assert split_of == split_shots(groups, random_state=seed)
    size = Counter(split_of[group] for group in groups)
    assert size["train"] > 0
    assert size["test"] <= max(1, round(len(groups) / 5))


def test_splits_that_groups_have_already_stay() -> None:
    given_splits = {3: "test", 4: "train", 99: "test"}
    assert split_shots(range(10), given_splits, random_state=1).items() >= {(3, "test"), (4, "train")}
    assert 99 not in split_shots(range(10), given_splits)
