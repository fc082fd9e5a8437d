"""The cache: which entry belongs to which key, and what is said of a damaged file or a folder that cannot be made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ispfit import cache
from ispfit.cache import CachedImage, cache_entry, cache_folder, cached, open_image, store_image
from ispfit.errors import FileError
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
    monkeypatch.setattr(cache, "__version__", "another")
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
    with pytest.raises(FileError, match=rf"{file}: damaged or deleted cache file .*; delete it and load the pairs"):
        open_image(file, Shot())
    file.write_bytes(b"not an array")
    with pytest.raises(FileError, match=rf"{file}: damaged or deleted cache file .*; delete it and load the pairs"):
        open_image(file, Shot())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"white_balance": null, "lens": 1}'])
def test_a_damaged_shot_is_named(tmp_path: Path, text: str) -> None:
    source = tmp_path / "a.raw"
    source.touch()
    image = cached(source, lambda _: picture(), Shot())
    about = image.file.with_suffix(".json")
    about.write_text(text)
    with pytest.raises(FileError, match=rf"{about}: damaged cache file .*; delete it and load the pairs again\."):
        cached(source, lambda _: picture(), Shot())


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
