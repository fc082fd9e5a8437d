"""Pairs of shots whose names and splits a data set gives."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ispfit.datasets import load_pairs, make_camera_roll
from ispfit.pairs import ListedShot, make_listed_pairs


@pytest.fixture(scope="module")
def roll(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    return make_camera_roll(tmp_path_factory.mktemp("roll"), 4, image_size=(32, 48), random_state=3)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_names_splits_scenes_and_columns_are_those_of_the_set(roll: list[tuple[Path, Path]], tmp_path: Path) -> None:
    splits = ["test", "train", "validation", ""]
    shots = [
        ListedShot(f"scene-{i}", *files, split=split, scene="hall" if i in (1, 3) else "", columns={"burst": f"b{i}"})
        for i, (files, split) in enumerate(zip(roll, splits, strict=True))
    ]
    report = make_listed_pairs(shots, tmp_path, register=False, n_jobs=1)
    rows = rows_of(tmp_path)
    assert [row["name"] for row in rows] == ["scene-0", "scene-1", "scene-2", "scene-3"]
    assert [row["split"] for row in rows] == ["test", "train", "validation", "train"]  # the last by its scene
    assert [row["burst"] for row in rows] == ["b0", "b1", "b2", "b3"]
    assert rows[1]["scene"] == rows[3]["scene"] != rows[0]["scene"]
    assert report.split_sizes() == {"ispfit-virtual-a": {"train": 2, "validation": 1, "test": 1}}
    again = make_listed_pairs(shots, tmp_path, register=False, n_jobs=1)
    assert again.n_kept == 4
    assert rows_of(tmp_path) == rows


def test_only_a_part_of_each_picture_is_kept(roll: list[tuple[Path, Path]], tmp_path: Path) -> None:
    shots = [ListedShot("one", *roll[0])]
    make_listed_pairs(shots, tmp_path / "whole", register=False, n_jobs=1)
    make_listed_pairs(shots, tmp_path / "part", register=False, keep=(0.25, 0, 1, 0.5), n_jobs=1)
    [[whole], [whole_srgb]] = load_pairs(tmp_path / "whole")
    [[part], [part_srgb]] = load_pairs(tmp_path / "part")
    height, width = whole.shape[:2]
    box = slice(round(height / 4), height), slice(0, round(width / 2))
    np.testing.assert_array_equal(part, np.asarray(whole)[box])
    np.testing.assert_array_equal(part_srgb, np.asarray(whole_srgb)[box])
