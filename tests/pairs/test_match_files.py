"""`match_files`: which picture belongs to which RAW file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ispfit.errors import FileError
from ispfit.pairs import match_files


def matched(folder: Path, *names: str) -> dict[str, str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return {os.path.relpath(raw, folder): os.path.relpath(srgb, folder) for raw, srgb in match_files(folder)}


@pytest.mark.parametrize("picture", ["a.jpg", "a.JPG", "a.jpeg", "a.png", "a.TIF", "A.JPG", "a.dng.jpg"])
def test_the_picture_of_the_same_stem_whatever_case_and_suffix(tmp_path: Path, picture: str) -> None:
    assert matched(tmp_path, "a.dng", picture, "b.jpg", ".a.jpg") == {"a.dng": picture}


def test_a_raw_without_a_picture_is_its_own(tmp_path: Path) -> None:
    assert matched(tmp_path, "a.NEF", "ab.jpg", "a-1.jpg") == {"a.NEF": "a.NEF"}


def test_a_jpeg_comes_first(tmp_path: Path) -> None:
    assert matched(tmp_path, "a.cr2", "a.tif", "a.png", "a.jpeg", "a.jpg") == {"a.cr2": "a.jpg"}


def test_stems_in_two_cases_stay_apart(tmp_path: Path) -> None:
    files = ("DSC_1.nef", "dsc_1.nef", "DSC_1.jpg", "dsc_1.jpg")
    assert matched(tmp_path, *files) == {"DSC_1.nef": "DSC_1.jpg", "dsc_1.nef": "dsc_1.jpg"}


def test_a_picture_in_another_case_goes_to_nobody_where_two_could_claim_it(tmp_path: Path) -> None:
    assert matched(tmp_path, "DSC_1.nef", "dsc_1.nef", "Dsc_1.jpg") == {
        "DSC_1.nef": "DSC_1.nef",
        "dsc_1.nef": "dsc_1.nef",
    }


def test_equal_stems_in_different_folders_stay_apart(tmp_path: Path) -> None:
    assert matched(tmp_path, "a/1.dng", "b/1.dng", "a/1.jpg") == {"a/1.dng": "a/1.jpg", "b/1.dng": "b/1.dng"}


def test_folders_named_raw_and_jpeg_beside_each_other_are_one(tmp_path: Path) -> None:
    assert matched(tmp_path, "day/RAW/1.dng", "day/JPEG/1.jpg") == {"day/RAW/1.dng": "day/JPEG/1.jpg"}


def test_odd_names(tmp_path: Path) -> None:
    names = ["a b.dng", "ä\u0301 日本.dng", "new\nline.dng", "%s{0}.dng", "-o.dng"]
    pictures = [name.replace(".dng", ".jpg") for name in names]
    assert matched(tmp_path, *names, *pictures) == dict(zip(names, pictures, strict=True))


def test_a_loop_of_links_is_walked_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    (tmp_path / "in" / "self.dng").symlink_to(tmp_path / "in" / "self.dng")
    assert matched(tmp_path, "a.dng") == {"a.dng": "a.dng"}


def test_no_raw_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(FileError, match=rf"^{tmp_path}: no RAW files here; expected files such as \.dng"):
        match_files(tmp_path)
    with pytest.raises(FileError, match=rf"^{tmp_path}, {tmp_path / 'a.jpg'}: no RAW files here"):
        match_files((tmp_path, tmp_path / "a.jpg"))
