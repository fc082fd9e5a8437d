"""`atomic_path` leaves the old file or the new one, never a half-written file."""

import errno
import os
from pathlib import Path

import pytest

from ispfit.errors import FileError
from ispfit.files import atomic_path, claim_folder, copy_time, hash_file


def test_the_file_appears_only_when_the_block_has_ended(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        assert not (tmp_path / "a.txt").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyError), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    message = r"a\.txt: cannot be written: No space left on device\."
    with pytest.raises(FileError, match=message), atomic_path(target) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(FileError, match=r"there is no folder .*nowhere"),
        atomic_path(tmp_path / "nowhere/a") as file,
    ):
        file.write_text("x")


def test_a_folder_of_the_final_name_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FileError, match="cannot be written"), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("x")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_claimed_once_and_never_from_the_user(tmp_path: Path) -> None:
    for _ in range(2):
        claim_folder(tmp_path / "new", ["a.png"], "demo")
        (tmp_path / "new" / "a.png").touch()
    mine = tmp_path / "mine"
    mine.mkdir()
    claim_folder(mine, ["a.png"], "demo")  # what lies in it has other names
    (mine / "b.png").touch()
    with pytest.raises(
        FileError, match=r"mine: holds files that ispfit compare did not make and would replace: b\.png; "
    ):
        claim_folder(mine, ["a.png", "b.png"], "compare")


def test_the_time_of_a_file_is_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    for path in (source, target):
        path.touch()
    os.utime(source, ns=(5, 1_600_000_000_000_000_123))
    copy_time(source, target)
    assert target.stat().st_mtime_ns == 1_600_000_000_000_000_123
    copy_time(tmp_path / "missing", target)
    assert hash_file(target) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(FileError, match="missing: cannot be read: No such file"):
        hash_file(tmp_path / "missing")
