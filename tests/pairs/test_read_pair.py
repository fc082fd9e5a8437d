"""The one way from a shot's two files to a pair: registered, and made once."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ispfit import ISPModel
from ispfit.cache import CachedImage
from ispfit.cli import main
from ispfit.datasets import list_splits, load_pairs, make_camera_roll
from ispfit.errors import FileError, InputError, InputWarning, RejectionWarning
from ispfit.io import read_raw, read_srgb
from ispfit.pairs import make_pairs, read_pair
from ispfit.pairs import read as module
from ispfit.pairs.table import write_pairs_csv
from ispfit.registration import register

SIZE = 128


@pytest.fixture(scope="module")
def roll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shots whose JPEGs are corrected for the lens; RAW and JPEG have the same number of pixels."""
    folder = tmp_path_factory.mktemp("card")
    make_camera_roll(folder, 2, image_size=(256, 384), lens=0.03, random_state=3)
    return folder


@pytest.fixture
def files(roll: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """One shot, and an empty cache."""
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    return tuple(Path(shutil.copy(roll / f"VirtualA_0001{suffix}", tmp_path)) for suffix in (".dng", ".jpg"))  # type: ignore[return-value]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The RAW files that were decoded in this process."""
    paths: list[Path] = []

    def read(path: Path, **options: Any) -> Any:
        paths.append(path)
        return read_raw(path, **options)

    monkeypatch.setattr(module, "read_raw", read)
    return paths


def test_a_lens_that_only_the_jpeg_is_corrected_for_is_registered_at_equal_proportions(files: Any) -> None:
    raw, srgb = read_raw(files[0]), read_srgb(files[1])
    assert raw.shape == srgb.shape
    before, after = register(raw, srgb), register(*read_pair(*files))
    assert abs(before.transform.k1) > 0.02
    assert after.ok
    assert abs(after.transform.k1) < 0.003


def test_a_pair_is_the_same_from_the_cache(files: Any, decoded: list[Path]) -> None:
    first, again = read_pair(*files, SIZE), read_pair(*files, SIZE)
    assert len(decoded) == 2  # at half size, then at full size: half of 384 pixels is not twice the pair's size
    for image, other in zip(first, again, strict=True):
        assert np.array_equal(image, other)
        assert image.shot == other.shot
        assert image.flags.writeable
        assert other.flags.writeable
    assert first[0].shot.name == "VirtualA_0001"
    assert first[0].shot.camera == "ispfit Virtual A"


def test_a_pair_has_16_bit_steps(files: Any) -> None:
    for image in read_pair(*files, SIZE):
        steps = np.asarray(image, np.float64) * 65535
        assert np.abs(steps - np.rint(steps)).max() < 0.01


@pytest.mark.parametrize("index", [0, 1])
def test_a_file_that_changed_is_decoded_again(files: Any, decoded: list[Path], index: int) -> None:
    read_pair(*files, SIZE)
    done = len(decoded)
    os.utime(files[index], (1, 1))
    read_pair(*files, SIZE)
    assert len(decoded) == 2 * done


def test_other_settings_are_another_pair(files: Any) -> None:
    assert max(read_pair(*files, SIZE)[0].shape) == SIZE
    assert read_pair(*files, (SIZE, SIZE))[0].shape == (SIZE, SIZE, 3)
    assert read_pair(*files, (64, 96))[0].shape == (64, 96, 3)
    square = (SIZE, SIZE)
    registered, trusted = read_pair(*files, square), read_pair(*files, square, register=False)
    assert not np.allclose(registered[0], trusted[0], atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"no cache"])
def test_a_damaged_cache_is_made_again(files: Any, tmp_path: Path, content: bytes) -> None:
    expected = read_pair(*files, SIZE)
    for file in (tmp_path / "cache").iterdir():
        file.write_bytes(content)
    again = read_pair(*files, SIZE)
    assert all(np.array_equal(image, other) for image, other in zip(expected, again, strict=True))


def test_without_a_cache_the_pair_is_the_same_and_a_warning_says_why(
    files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_pair(*files, SIZE)
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(
        InputWarning, match=r"the cache cannot be used \(.*file/cache: Not a directory\): the pairs will be decoded and"
    ):
        again = read_pair(*files, SIZE)
    assert all(np.array_equal(image, other) for image, other in zip(expected, again, strict=True))


def test_a_rejection_says_why(files: Any, roll: Path) -> None:
    with pytest.raises(InputError, match=r"VirtualA_0001\.dng and VirtualA_0002\.jpg: not registered: "):
        read_pair(files[0], roll / "VirtualA_0002.jpg", SIZE)


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.dng").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileError, match=r"a\.dng: cannot be read: a symbolic link to nothing"):
        read_pair(tmp_path / "a.dng", tmp_path / "a.dng")


def test_a_preview_smaller_than_the_pair_is_reported_with_both_sizes(files: Any) -> None:
    message = r"its embedded picture has (384 x 256|256 x 384) pixels, 400 on the longer side were asked for"
    with pytest.warns(InputWarning, match=message):
        raw, _ = read_pair(files[0], files[0], 400)
    assert max(raw.shape[:2]) <= 384


SMALL = r"VirtualA_0001\.dng: its embedded picture has (96 x 64|64 x 96) pixels, "


@pytest.fixture
def small_preview(tmp_path: Path) -> Path:
    """A RAW file of 256 x 384 pixels whose embedded picture has 64 x 96, and no other picture."""
    [(dng, jpeg)] = make_camera_roll(tmp_path / "small", 1, image_size=(256, 384), jpeg_scale=0.25, random_state=3)
    jpeg.unlink()
    return dng


def test_no_way_to_pairs_is_silent_about_a_preview_that_is_too_small(
    small_preview: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = SMALL + "128 on the longer side were asked for"
    with pytest.warns(InputWarning, match=asked):
        read_pair(small_preview, small_preview, 128, register=False)
    with pytest.warns(InputWarning, match=asked):
        load_pairs(small_preview.parent, size=128, register=False)
    with pytest.warns(InputWarning, match=asked):
        report = make_pairs(small_preview, tmp_path / "pairs", size=128, register=False, n_jobs=1)
    assert re.match(f".*{asked}", report.pairs[0]["notes"])
    with pytest.raises(SystemExit):
        main(
            ["pairs", str(small_preview), "-o", str(tmp_path / "more"), "--size", "128", "--no-register", "--jobs", "1"]
        )
    assert re.search(f"Note: .*{asked}", capsys.readouterr().err)


def test_at_full_size_a_preview_is_compared_with_its_raw(small_preview: Path, roll: Path) -> None:
    with pytest.warns(InputWarning, match=SMALL + r"the RAW file has (384 x 256|256 x 384)\."):
        read_pair(small_preview, small_preview, register=False)
    read_pair(roll / "VirtualA_0001.dng", roll / "VirtualA_0001.dng", register=False)


def test_load_pairs_make_pairs_and_read_pair_make_one_pair_and_make_it_once(
    roll: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    X, Y = load_pairs(roll, size=SIZE)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()}
    report = make_pairs(roll, tmp_path / "pairs", size=SIZE, n_jobs=1)
    made_X, made_Y = load_pairs(report.folder)
    lazy, _ = load_pairs(roll, lazy=True, size=SIZE)
    alone = read_pair(roll / "VirtualA_0001.dng", roll / "VirtualA_0001.jpg", SIZE)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").iterdir()} == kept
    for image, made, mapped in zip(X, made_X, lazy, strict=True):
        assert np.array_equal(image, made)
        assert np.array_equal(image, np.asarray(mapped))
    assert np.abs(np.asarray(Y[0]) - made_Y[0]).max() < 0.6 / 255
    assert np.array_equal(alone[0], X[0])


def test_a_table_of_camera_files_is_registered_too(roll: Path, tmp_path: Path) -> None:
    names = ("VirtualA_0001", "VirtualA_0002")
    rows = [{"name": name, "raw": roll / f"{name}.dng", "srgb": roll / f"{name}.jpg", "split": "b"} for name in names]
    write_pairs_csv(tmp_path / "pairs.csv", rows)
    X, _ = load_pairs(tmp_path, "b", size=SIZE)
    expected, _ = load_pairs(roll, size=SIZE)
    assert all(np.array_equal(image, other) for image, other in zip(X, expected, strict=True))
    assert list_splits(tmp_path) == {"b": 2}


def test_a_rejection_is_said_in_the_same_words_everywhere(
    roll: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "card"
    card.mkdir()
    for suffix in (".dng", ".jpg"):
        shutil.copy(roll / f"VirtualA_0001{suffix}", card)
    shutil.copy(roll / "VirtualA_0001.dng", card / "mixed.dng")
    shutil.copy(roll / "VirtualA_0002.jpg", card / "mixed.jpg")
    with pytest.warns(RejectionWarning) as caught:
        load_pairs(card, size=SIZE)
    sentence = str(caught[0].message)
    assert sentence.startswith("pair 'mixed' was left out: not registered: ")
    for command in (
        ["pairs", card, "-o", tmp_path / "pairs"],
        ["fit", card, "-o", tmp_path / "m.ispfit", "--backbone", "curve", "--max-steps", "1"],
        ["score", tmp_path / "m.ispfit", card],
    ):
        with pytest.raises(SystemExit) as stop:
            main([*map(str, command), "--size", str(SIZE), "--jobs", "1"])
        assert stop.value.code == 0  # a rejection is no failure
        assert f"1 of 2 pairs rejected:\n  {sentence}" in capsys.readouterr().err


def test_look_alikes_in_a_folder_are_known_as_such(roll: Path, tmp_path: Path) -> None:
    for suffix in (".dng", ".jpg"):
        for name in ("VirtualA_0001", "VirtualA_0002"):
            shutil.copy(roll / f"{name}{suffix}", tmp_path)
        shutil.copy(roll / f"VirtualA_0001{suffix}", tmp_path / f"copy{suffix}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        X, _ = load_pairs(tmp_path, size=SIZE, lazy=True)
    assert {image.shot.name: image.shot.scene for image in X} == {
        "VirtualA_0001": str(tmp_path / "copy.dng"),
        "VirtualA_0002": None,
        "copy": str(tmp_path / "copy.dng"),
    }


def test_lazy_pairs_are_mapped_from_the_first_time_on(
    roll: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    for _ in range(2):
        X, Y = load_pairs(roll, lazy=True, size=SIZE)
        assert all(isinstance(image, CachedImage) for image in [*X, *Y])


def test_a_pair_in_the_cache_starts_no_worker(roll: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_pairs(roll, size=SIZE)
    monkeypatch.setattr("ispfit.jobs.ProcessPoolExecutor", None)
    monkeypatch.setattr("ispfit.jobs._idle", {})
    assert len(load_pairs(roll, size=SIZE)[0]) == 2


def test_a_lost_picture_of_the_contact_sheet_is_made_again(files: Any, tmp_path: Path) -> None:
    read_pair(*files, SIZE)
    for tiles in (tmp_path / "cache").glob("*.png"):
        tiles.unlink()
    report = make_pairs(files[0], tmp_path / "pairs", size=SIZE, n_jobs=1)
    assert len(report.pairs) == 1
    assert (tmp_path / "pairs" / "contact.png").exists()


def test_a_table_among_other_paths_is_refused(roll: Path, tmp_path: Path) -> None:
    write_pairs_csv(tmp_path / "pairs.csv", [{"name": "a", "raw": "a.tif", "srgb": "a.png"}])
    with pytest.raises(InputError, match="a table of pairs must be the only path, got 2 paths"):
        load_pairs([roll, tmp_path])


def test_a_small_picture_becomes_a_pair_if_it_is_not_registered(tmp_path: Path) -> None:
    [files] = make_camera_roll(tmp_path, 1, image_size=(24, 40), random_state=0)
    assert max(read_pair(*files, 16, register=False)[0].shape) == 16
    with pytest.raises(InputError, match="not registered: too small"):
        read_pair(*files, 16)


@pytest.mark.parametrize("size", [16, 24, 32, 48])
def test_small_pairs_are_made_of_small_files_too(tmp_path: Path, size: int) -> None:
    for files in make_camera_roll(tmp_path, 2, image_size=(192, 288), random_state=0):
        raw, srgb = read_pair(*files, size)
        assert raw.shape == srgb.shape
        assert max(raw.shape) == size
        assert np.corrcoef(raw.ravel(), srgb.ravel() ** 2.2)[0, 1] > 0.8


def test_fitting_camera_files_directly_warns_that_nothing_registers_them(files: Any) -> None:
    with pytest.warns(
        InputWarning, match=r"VirtualA_0001\.dng is a camera's RAW file, which is not registered with its"
    ):
        ISPModel("curve", direction="forward").fit([files[0]], [files[1]])
