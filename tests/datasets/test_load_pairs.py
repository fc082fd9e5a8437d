"""load_pairs: a folder with a pairs.csv, eager and lazy."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_validate

from ispfit import ISPModel
from ispfit.datasets import load_pairs, make_camera_pairs, make_camera_roll
from ispfit.errors import FileError, InputError, PairWarning
from ispfit.io import read_srgb, resize_area, write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    rows = []
    for index, (raw, srgb) in enumerate(zip(*make_camera_pairs(6, image_size=48, random_state=0), strict=True)):
        row = {"name": f"shot{index}", "raw": f"{index}.tif", "srgb": f"{index}.png", "scene": index // 2}
        write_linear(tmp_path / row["raw"], raw)
        write_srgb(tmp_path / row["srgb"], srgb)
        rows.append(row | {"split": "test" if index > 3 else "train", "model": "Camera", "iso": "200"})
    write_pairs_csv(tmp_path / "pairs.csv", rows)
    return tmp_path


def test_folder_and_file_give_the_same_pairs(folder: Path) -> None:
    X, Y = load_pairs(folder)
    again, _ = load_pairs(folder / "pairs.csv")
    assert len(X) == len(Y) == 6
    assert X[0].dtype == np.float32
    assert np.array_equal(X[3], again[3])


def test_split(folder: Path) -> None:
    assert len(load_pairs(folder, "train")[0]) == 4
    assert len(load_pairs(folder, "test")[0]) == 2
    with pytest.raises(InputError, match=r"no pairs of split 'tset'; it has test, train"):
        load_pairs(folder, "tset")


def test_what_the_table_says_travels_with_the_images(folder: Path) -> None:
    shot = load_pairs(folder)[0][3].shot
    assert (shot.name, shot.scene, shot.camera, shot.iso) == ("shot3", "1", "ispfit Camera", 200)


def test_lazy_equals_eager_through_splits_and_pickles(folder: Path) -> None:
    X, Y = load_pairs(folder)
    lazy_X, lazy_Y = load_pairs(folder, lazy=True)
    for eager, lazy in zip(X + Y, pickle.loads(pickle.dumps(lazy_X + lazy_Y)), strict=True):
        assert lazy.shape == eager.shape
        assert lazy.shot.name == eager.shot.name
        assert np.array_equal(np.asarray(lazy), eager)
    model = ISPModel("mlp", max_steps=3, random_state=0, direction="forward")
    scores = [cross_validate(model, *pairs, cv=KFold(2))["test_score"] for pairs in ((X, Y), (lazy_X, lazy_Y))]
    assert np.array_equal(*scores)


def test_lazy_decodes_a_file_once_and_again_when_it_changes(folder: Path) -> None:
    load_pairs(folder, lazy=True)
    before = {file: file.stat().st_mtime_ns for file in (folder / "cache").iterdir()}
    load_pairs(folder, lazy=True)
    assert {file: file.stat().st_mtime_ns for file in (folder / "cache").iterdir()} == before
    write_linear(folder / "0.tif", np.full((48, 48, 3), 0.25, np.float32))
    assert np.allclose(np.asarray(load_pairs(folder, lazy=True)[0][0]), 0.25, atol=1e-5)


def test_lazy_pairs_hold_no_pixels(folder: Path) -> None:
    load_pairs(folder, lazy=True)
    tracemalloc.start()
    X, Y = load_pairs(folder, lazy=True)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    pixels = sum(4 * int(np.prod(image.shape)) for image in X + Y)
    assert held < pixels / 3


def test_a_bad_pair_is_left_out(folder: Path) -> None:
    (folder / "1.png").write_bytes(b"not an image")
    (folder / "2.tif").unlink()
    with pytest.warns(PairWarning, match=r"pair 'shot[12]' was left out: .*(1\.png|2\.tif)"):
        X, _ = load_pairs(folder)
    assert [image.shot.name for image in X] == ["shot0", "shot3", "shot4", "shot5"]


def test_a_folder_without_pairs_says_what_was_expected(tmp_path: Path) -> None:
    expected = r"no RAW files here; .* or \.arw, or the folder that `ispfit pairs` writes\."
    with pytest.raises(FileError, match=expected):
        load_pairs(tmp_path)


def test_errors(folder: Path) -> None:
    with pytest.raises(FileError, match=r"no-such.*no such file; expected a CSV file with the columns name, raw, srgb"):
        load_pairs(folder / "no-such.csv")
    (folder / "pairs.csv").write_text("name,raw\na,b\n")
    with pytest.raises(InputError, match="lacks srgb"):
        load_pairs(folder)
    (folder / "pairs.csv").write_text("name,raw,srgb\na,b,\n")
    with pytest.raises(InputError, match=r"line 2: nothing in the column 'srgb'"):
        load_pairs(folder)
    (folder / "pairs.csv").write_text("name,raw,srgb\na,b.tif,c.png\n")
    with pytest.raises(FileError, match=r"none of its pairs \(1\) can be used"), pytest.warns(PairWarning):
        load_pairs(folder)


def test_development_pairs(shared_data: Path) -> None:
    X, Y = load_pairs(shared_data / "nikon-d7000-auto", split="test")
    assert len(X) == len(Y) == 32
    assert all(image.shape == (320, 320, 3) for image in X + Y)
    assert max(float(image.max()) for image in X) == pytest.approx(0.97, abs=0.03)


def test_lazy_images_know_their_shots(folder: Path) -> None:
    eager, lazy = load_pairs(folder)[0][2].shot, load_pairs(folder, lazy=True)[0][2].shot
    assert lazy == eager
    assert lazy.make == "ispfit"


def test_a_pair_of_raw_files_is_made_anew_when_either_file_changes(tmp_path: Path) -> None:
    make_camera_roll(tmp_path / "roll", 1, image_size=(64, 96), random_state=0)
    [picture] = (tmp_path / "roll").glob("*.jpg")
    for lazy in (True, False):
        load_pairs(tmp_path / "roll", lazy=lazy, size=None, register=False)
    srgb = read_srgb(picture)
    write_srgb(picture, resize_area(srgb, (srgb.shape[0] // 2, srgb.shape[1] // 2)))
    for lazy in (True, False):
        [raw], [rendered] = load_pairs(tmp_path / "roll", lazy=lazy, size=None, register=False)
        assert raw.shape == rendered.shape == (srgb.shape[0] // 2, srgb.shape[1] // 2, 3)
