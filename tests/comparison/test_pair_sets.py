"""Pair sets: which are the test pairs, where the pairs come from, and when they are others."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ispfit.comparison import PairSet, pair_sets, prepare_pair_set, prepare_pair_sets
from ispfit.datasets import load_pairs, make_camera_roll
from ispfit.errors import InputError
from ispfit.pairs.table import write_pairs_csv


def copied(pair_set: PairSet, folder: Path) -> Path:
    shutil.copytree(pair_set.path, folder)
    return folder


def with_columns(pair_set: PairSet, folder: Path, n_pairs: int, **columns: list[str]) -> PairSet:
    """The first pairs with a table of these columns, and without a split."""
    copied(pair_set, folder)
    with (folder / "pairs.csv").open(newline="") as table:
        rows = [{name: row[name] for name in ("name", "raw", "srgb")} for row in csv.DictReader(table)]
    extra = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    write_pairs_csv(folder / "pairs.csv", [row | more for row, more in zip(rows[:n_pairs], extra, strict=True)])
    return PairSet("other", folder)


def test_one_scene_in_five_of_a_synthetic_dataset_is_a_test_scene(pair_set: PairSet) -> None:
    fit, test = pair_set.load()
    assert PairSet.names(test[0]) == ["0000", "0005"]
    assert PairSet.names(fit[0]) == [f"{index:04d}" for index in (1, 2, 3, 4, 6, 7, 8, 9)]
    again = prepare_pair_set("virtual-b", pair_set.path.parent, n_samples=10, image_size=32)
    assert again == pair_set, "made once"


def test_the_split_of_a_table_is_kept(shared_data: Path) -> None:
    pair_set = prepare_pair_set(str(shared_data / "nikon-d7000-auto"), Path("nowhere"))
    fit, test = pair_set.load()
    assert pair_set.name == "nikon-d7000-auto"
    assert (len(fit[0]), len(test[0])) == (83, 32)
    expected = {image.shot.name for image in load_pairs(pair_set.path, "test", lazy=True)[0]}
    assert {image.shot.name for image in test[0]} == expected


def test_validation_pairs_are_training_pairs(pair_set: PairSet, tmp_path: Path) -> None:
    other = with_columns(pair_set, tmp_path / "pairs", 4, split=["train", "test", "validation", "test"])
    fit, test = other.load()
    assert (PairSet.names(fit[0]), PairSet.names(test[0])) == (["0000", "0002"], ["0001", "0003"])


@pytest.mark.parametrize("scenes", ["aabbccddee", "aaaaabbbbb", "abcdefghij", "aaaaaaaaab"])
def test_look_alikes_stay_together_in_a_table_without_a_split(pair_set: PairSet, tmp_path: Path, scenes: str) -> None:
    other = with_columns(pair_set, tmp_path / "pairs", 10, scene=list(scenes))
    fit, test = other.load()
    n_alike = min(scenes.count(scene) for scene in scenes)
    assert len(test[0]) == max(2 if scenes.count("a") <= 2 else 0, n_alike)
    assert not {image.shot.scene for image in fit[0]} & {image.shot.scene for image in test[0]}
    assert PairSet.names(other.load()[1][0]) == PairSet.names(test[0]), "the same each time"


def test_pairs_without_two_scenes_are_refused(pair_set: PairSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected training pairs and test pairs, from at least two groups"):
        with_columns(pair_set, tmp_path / "pairs", 2, scene=["a", "a"]).load()


def test_each_pair_is_a_test_pair_of_one_fold_and_look_alikes_stay_together(pair_set: PairSet, tmp_path: Path) -> None:
    other = with_columns(pair_set, tmp_path / "pairs", 10, scene=list("aaabbcddee"), split=["test"] * 10)
    folds = other.folds(3)
    tested: list[str] = []
    for fold in folds:
        fit, test = fold.load()
        assert len(fit[0]) + len(test[0]) == 10
        assert not {image.shot.scene for image in fit[0]} & {image.shot.scene for image in test[0]}
        tested += PairSet.names(test[0])
    assert sorted(tested) == [f"{index:04d}" for index in range(10)]
    assert [fold.name for fold in folds] == ["other fold 1 of 3", "other fold 2 of 3", "other fold 3 of 3"]
    assert len({fold.fingerprint for fold in (pair_set, *folds, *other.folds(2))}) == 6


def test_one_fold_keeps_the_split(pair_set: PairSet) -> None:
    assert pair_set.folds(1) == [pair_set]


def test_more_folds_than_scenes_are_refused(pair_set: PairSet, tmp_path: Path) -> None:
    other = with_columns(pair_set, tmp_path / "pairs", 4, scene=list("aabb"))
    with pytest.raises(InputError, match=r"pairs: expected at least 3 groups of look-alikes for 3 folds, got 2\."):
        other.folds(3)[0].load()


def test_fewer_training_pairs_are_drawn_scene_by_scene_and_the_smaller_numbers_are_nested(
    pair_set: PairSet, tmp_path: Path
) -> None:
    splits = ["train"] * 8 + ["test"] * 2
    other = with_columns(pair_set, tmp_path / "pairs", 10, scene=list("aabbccddee"), split=splits)
    orders = set()
    for draw in range(5):
        previous: set[str] = set()
        order = ""
        for n_fit in range(1, 9):
            fit, test = replace(other, n_fit=n_fit).load(draw)
            names = set(PairSet.names(fit[0]))
            assert len(names) == n_fit
            assert previous < names
            assert PairSet.names(test[0]) == ["0008", "0009"]
            [added] = [image.shot.scene for image in fit[0] if image.shot.name not in previous]
            previous, order = names, order + added
        assert order[::2] == order[1::2], "no scene begins before the last one is complete"
        orders.add(order)
    assert len(orders) > 1
    everything = PairSet.names(other.load()[0][0])
    assert PairSet.names(replace(other, n_fit=100).load()[0][0]) == everything


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "virtual-c",
            "virtual-c: no such folder, and no dataset of this name; there are .*Did you mean 'virtual-[ab]'",
        ),
        ("folder", "folder: no such folder, and no dataset of this name; there are .*virtual-b, .*hdrplus"),
    ],
)
def test_a_camera_that_is_not_there_is_named(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare_pair_set(source, tmp_path)


def test_pair_sets_of_one_name_are_told_apart_by_their_folders(pair_set: PairSet, tmp_path: Path) -> None:
    places = [copied(pair_set, tmp_path / maker / "pairs") for maker in ("nikon", "canon")]
    named = prepare_pair_sets(map(str, [*places, pair_set.path]), tmp_path)
    assert [each.name for each in named] == ["nikon/pairs", "canon/pairs", pair_set.path.name]


def test_the_fingerprint_changes_with_the_table(pair_set: PairSet, tmp_path: Path) -> None:
    other = PairSet("one", copied(pair_set, tmp_path / "pairs"))
    before = other.fingerprint
    assert PairSet("two", other.path).fingerprint == before
    lines = (other.path / "pairs.csv").read_text().splitlines()
    (other.path / "pairs.csv").write_text("\n".join(lines[:-1]))
    pair_sets._fingerprint.cache_clear()
    assert other.fingerprint != before


def test_the_fingerprint_changes_with_the_number_of_training_pairs(pair_set: PairSet) -> None:
    parts = [replace(pair_set, n_fit=n_fit) for n_fit in (None, 2, 3)]
    assert len({part.fingerprint for part in parts}) == 3


def test_raw_files_that_are_not_registered_are_another_pair_set(tmp_path: Path) -> None:
    make_camera_roll(tmp_path / "roll", 2, image_size=(64, 96), random_state=0)  # too small to be registered
    as_shot = prepare_pair_set(str(tmp_path / "roll"), tmp_path, register=False)
    fit, test = as_shot.load()
    assert (len(fit[0]), len(test[0])) == (1, 1)
    assert replace(as_shot, register=True).fingerprint != as_shot.fingerprint


def test_pairs_of_a_table_are_aligned_already(pair_set: PairSet) -> None:
    assert replace(pair_set, register=False).fingerprint == pair_set.fingerprint
