"""Scenes and splits: bursts and copies are noticed, and no scene is on both sides."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ispfit.datasets import make_camera_pairs
from ispfit.pairs.splits import Look, group_scenes, look_of, split_scenes


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return [np.asarray(srgb) for srgb in make_camera_pairs(12, image_size=96, random_state=0)[1]]


def looks(pictures: list[np.ndarray], **options: float | str) -> list[Look]:
    return [Look(str(index), look_of(picture), **options) for index, picture in enumerate(pictures)]  # type: ignore[arg-type]


def test_different_pictures_are_different_scenes_even_in_a_burst(pictures: list[np.ndarray]) -> None:
    assert group_scenes(looks(pictures, taken=0.0, camera="A")) == list(range(12))


def test_the_same_shot_brighter_or_a_little_moved_is_one_scene(pictures: list[np.ndarray]) -> None:
    brighter = [np.clip(picture * 1.2, 0, 1) for picture in pictures]
    moved = [picture[2:, 2:] for picture in pictures]
    assert group_scenes(looks(pictures + brighter + moved)) == [*range(12)] * 3


def test_a_burst_may_move_more_than_shots_of_different_times(pictures: list[np.ndarray]) -> None:
    first, second = look_of(pictures[0]), look_of(pictures[1])
    mixed = [round(0.5 * one + 0.87 * other) for one, other in zip(first, second, strict=True)]  # correlation 0.5
    far = [Look("a", first, 0.0, "A"), Look("b", mixed, 1000.0, "A")]
    near = [Look("a", first, 0.0, "A"), Look("b", mixed, 2.0, "A")]
    other_camera = [Look("a", first, 0.0, "A"), Look("b", mixed, 2.0, "B")]
    assert [group_scenes(shots) for shots in (far, near, other_camera)] == [[0, 1], [0, 0], [0, 1]]


def test_a_copy_of_a_file_is_the_same_scene_whatever_it_looks_like() -> None:
    flat = [0] * 1024
    assert group_scenes([Look("x", flat), Look("y", flat), Look("x", flat)]) == [0, 1, 0]


def test_scenes_are_joined_by_a_third_shot(pictures: list[np.ndarray]) -> None:
    first, other = look_of(pictures[0]), look_of(pictures[1])
    assert group_scenes([Look("a", first), Look("b", other), Look("a", other)]) == [0, 0, 0]


@pytest.mark.parametrize(
    ("shots", "expected"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (10, (6, 2, 2)), (250, (160, 40, 50)), (1000, (760, 190, 50))],
)
def test_fifty_to_test_with_then_80_to_20_scaled_down_where_there_are_fewer(
    shots: int, expected: tuple[int, int, int]
) -> None:
    splits = Counter(split_scenes(range(shots)).values())
    assert (splits["train"], splits["validation"], splits["test"]) == expected


@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.integers(0, 5))
def test_some_train_and_no_split_is_too_large(scenes: list[int], seed: int) -> None:
    split_of = split_scenes(scenes, random_state=seed)
    assert split_of == split_scenes(scenes, random_state=seed)
    size = Counter(split_of[scene] for scene in scenes)
    assert size["train"] > 0
    assert size["test"] <= max(1, round(len(scenes) / 5))


def test_splits_that_scenes_have_already_stay() -> None:
    given_splits = {3: "test", 4: "train", 99: "test"}
    assert split_scenes(range(10), given_splits, random_state=1).items() >= {(3, "test"), (4, "train")}
    assert 99 not in split_scenes(range(10), given_splits)
