"""The cache: which entry belongs to which key, and what is said of a damaged file or a folder that cannot be made."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from ispfit.cache import (
    CachedImage,
    cache_entry,
    cache_folder,
    cache_use,
    cached,
    clear_cache,
    open_image,
    remove_damaged,
    store_image,
)
from ispfit.cache.folder import _reserved as reserved
from ispfit.errors import FileError, InputError, InputWarning
from ispfit.images import Image, Shot


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture() -> Image:
    rng = np.random.default_rng(0)
    return Image(rng.integers(0, 256, (4, 6, 3)).astype(np.float32) / np.float32(255), Shot(iso=200))


def test_entries_differ_by_key_suffix_and_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {cache_entry("one", ".npy"), cache_entry("two", ".npy"), cache_entry("one", ".json")}
    assert cache_entry("one", ".npy") in entries
    monkeypatch.setattr("ispfit.cache.folder.__version__", "another")
    entries.add(cache_entry("one", ".npy"))
    assert len(entries) == 4
    assert {entry.parent for entry in entries} == {folder}


@pytest.mark.parametrize(
    ("pixels", "dtype"),
    [(picture(), np.uint8), (picture() / np.float32(257), np.uint16), (picture() / np.float32(3), np.float32)],
    ids=["8 bits", "16 bits", "float32"],
)
def test_an_image_is_stored_in_the_fewest_bits_that_hold_it(pixels: Image, dtype: type) -> None:
    file = cache_entry("image", ".npy")
    store_image(file, pixels)
    image = open_image(file, Shot(name="a"))
    assert (image.codes.dtype, image.shape, len(image)) == (dtype, (4, 6, 3), 4)
    np.testing.assert_array_equal(np.asarray(image), pixels)


def test_a_file_is_decoded_once_until_it_changes(tmp_path: Path) -> None:
    source, decoded = tmp_path / "a.raw", []

    def read(path: Path) -> Image:
        decoded.append(path)
        return picture()

    source.write_text("first")
    images = [cached(source, read, Shot(name="a")) for _ in range(2)]
    assert decoded == [source]
    assert images[0] == images[1] == CachedImage(images[0].file, (4, 6, 3), Shot(name="a", iso=200))
    source.write_text("changed")
    assert cached(source, read, Shot()).file != images[0].file
    assert decoded == [source, source]


def test_a_damaged_or_deleted_image_is_named(folder: Path) -> None:
    file = cache_entry("image", ".npy")
    with pytest.raises(FileError, match=rf"{file}: damaged or deleted cache file .*; load the pairs again"):
        open_image(file, Shot())
    file.write_bytes(b"not an array")
    with pytest.raises(FileError, match=rf"{file}: damaged or deleted cache file .*; load the pairs again"):
        open_image(file, Shot())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"white_balance": null, "lens": 1}', "[" * 100_000])
@pytest.mark.parametrize("suffix", [".json", ".npy"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, text: str, suffix: str) -> None:
    source = tmp_path / "a.raw"
    source.touch()
    image = cached(source, lambda _: picture(), Shot())
    image.file.with_suffix(suffix).write_text(text)
    np.testing.assert_array_equal(np.asarray(cached(source, lambda _: picture(), Shot())), picture())
    assert remove_damaged() == []


def test_a_cut_image_is_made_anew(tmp_path: Path) -> None:
    source = tmp_path / "a.raw"
    source.touch()
    image = cached(source, lambda _: picture(), Shot())
    whole = image.file.read_bytes()
    for length in (0, 5, 64, len(whole) - 1):
        image.file.write_bytes(whole[:length])
        assert remove_damaged() == [image.file]
        assert not image.file.with_suffix(".json").exists(), "an entry is removed as a whole"
        image = cached(source, lambda _: picture(), Shot())
        assert image.file.read_bytes() == whole


def test_without_a_cache_an_image_keeps_its_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "file" / "cache"))
    message = r"the cache cannot be used \(.*file/cache: Not a directory\): the images are kept in memory\."
    with pytest.warns(InputWarning, match=message):
        image = cached(tmp_path / "file", lambda _: picture(), Shot(name="a"))
    assert isinstance(image, Image)
    np.testing.assert_array_equal(image, picture())
    assert image.shot == Shot(name="a", iso=200)


def test_a_key_need_not_be_utf_8(folder: Path) -> None:
    assert cache_entry("\udcff", ".npy") != cache_entry("\udcfe", ".npy")


# The bound


def age(file: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(file, (then, then))


def test_the_entries_that_were_not_used_for_longest_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [cache_entry(str(number), ".npy") for number in range(5)]
    for number, file in enumerate(files):
        store_image(file, picture())
        age(file, days=10 - number)
    (folder / "foreign.txt").write_text("mine")
    open_image(files[0], Shot())  # it is used now
    size = files[0].stat().st_size
    monkeypatch.setenv("ISPFIT_CACHE_GB", str(4 * size / 1e9))
    reserved.clear()
    store_image(cache_entry("new", ".npy"), picture())
    left = [number for number, file in enumerate(files) if file.exists()]
    assert left == [0, 4]
    assert cache_use().n_bytes <= cache_use().limit == 4 * size
    assert (folder / "foreign.txt").read_text() == "mine"


def test_a_cache_full_of_entries_in_use_is_done_without(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_image(cache_entry("used", ".npy"), picture())
    monkeypatch.setenv("ISPFIT_CACHE_GB", "1e-7")
    reserved.clear()
    message = r"cache: holds the 1e-07 GB that it may; set ISPFIT_CACHE_GB to more, or empty it by `ispfit cache --clea"
    with pytest.raises(FileError, match=message):
        store_image(cache_entry("new", ".npy"), picture())
    assert cache_use().n_entries == 1


@pytest.mark.parametrize("text", ["x", "-1", "nan", "inf"])
def test_a_bound_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ISPFIT_CACHE_GB", text)
    with pytest.raises(InputError, match=rf"^ISPFIT_CACHE_GB: expected a number of gigabytes >= 0, got '{text}'\.$"):
        cache_use()


def test_clearing_leaves_what_the_cache_did_not_make(folder: Path) -> None:
    store_image(cache_entry("one", ".npy"), picture())
    (folder / ".ispfit-left.npy").touch()
    (folder / "foreign.npy").touch()
    before = clear_cache()
    assert (before.folder, before.n_entries) == (folder, 1)
    assert [file.name for file in folder.iterdir()] == ["foreign.npy"]
    assert cache_use().n_bytes == 0


def test_the_folder_is_that_of_the_environment_or_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("ISPFIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "ispfit"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert cache_folder() == tmp_path / "home" / ".cache" / "ispfit"
    assert cache_folder().is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "file" / "cache"))
    message = r"file/cache: the folder cannot be made: Not a directory; set ISPFIT_CACHE to another folder\."
    with pytest.raises(FileError, match=message):
        cache_entry("one", ".npy")


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ISPFIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    message = r"the cache has no place \(Could not determine home directory\.\); set ISPFIT_CACHE to a folder\."
    with pytest.raises(FileError, match=message):
        cache_folder()
