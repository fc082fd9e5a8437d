"""`find_files` lists image files and the images in folders, in natural order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ispfit.errors import FileError, InputWarning
from ispfit.io import RAW_SUFFIXES, SRGB_SUFFIXES, find_files


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_are_searched_in_natural_order_whatever_the_case(tmp_path: Path) -> None:
    names = ["shot2.NEF", "shot10.nef", "sub/a.dng", "sub2/a.dng", "Shot3.Dng"]
    touch(*(tmp_path / name for name in names), tmp_path / "shot2.jpg", tmp_path / "notes.txt")
    found = [file.relative_to(tmp_path).as_posix() for file in find_files(tmp_path, RAW_SUFFIXES)]
    assert found == ["shot2.NEF", "Shot3.Dng", "shot10.nef", "sub/a.dng", "sub2/a.dng"]


def test_files_are_taken_as_they_are_given_and_only_once(tmp_path: Path) -> None:
    touch(tmp_path / "b.dng", tmp_path / "a.dng", tmp_path / "c.odd")
    paths = [tmp_path / "c.odd", tmp_path / "b.dng", tmp_path, str(tmp_path / "a.dng")]
    assert [file.name for file in find_files(paths, RAW_SUFFIXES)] == ["c.odd", "b.dng", "a.dng"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path / ".a.jpg", tmp_path / "._b.jpg", tmp_path / ".trash/c.jpg", tmp_path / "d.jpg")
    assert find_files([tmp_path], SRGB_SUFFIXES) == [tmp_path / "d.jpg"]


def test_loops_of_symbolic_links_end(tmp_path: Path) -> None:
    touch(tmp_path / "a/b/c.jpg")
    (tmp_path / "a/b/up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "broken.jpg").symlink_to(tmp_path / "nothing.jpg")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert find_files(tmp_path, SRGB_SUFFIXES) == [tmp_path / "a/b/c.jpg"]


def test_odd_names_are_names(tmp_path: Path) -> None:
    names = ["a b.jpg", "новый.jpg", "line\nbreak.jpg", "²3.jpg"]
    touch(*(tmp_path / name for name in names))
    assert {file.name for file in find_files(tmp_path, SRGB_SUFFIXES)} == set(names)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nowhere: no such file or folder\."):
        find_files([tmp_path / "nowhere"], SRGB_SUFFIXES)


def test_suffixes_are_lower_case_and_apart() -> None:
    assert not RAW_SUFFIXES & SRGB_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in RAW_SUFFIXES | SRGB_SUFFIXES)


def unlistable(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder one that this user may not list, even if the user is root."""
    iterdir = Path.iterdir

    def refuse(path: Path) -> Any:
        if path == folder:
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)


def test_a_folder_that_cannot_be_listed_costs_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.jpg", tmp_path / "closed/b.jpg", tmp_path / "open/c.jpg")
    unlistable(monkeypatch, tmp_path / "closed")
    message = r"closed: the folder cannot be listed: Permission denied; what is in it is left out\."
    with pytest.warns(InputWarning, match=message):
        found = find_files(tmp_path, SRGB_SUFFIXES)
    assert found == [tmp_path / "a.jpg", tmp_path / "open/c.jpg"]
    with pytest.raises(FileError, match=r"closed: the folder cannot be listed: Permission denied\.$"):
        find_files(tmp_path / "closed", SRGB_SUFFIXES)


def test_a_path_below_a_folder_that_cannot_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(FileError, match=r"^/closed/a\.jpg: cannot be read: Permission denied\.$"):
        find_files("/closed/a.jpg", SRGB_SUFFIXES)
