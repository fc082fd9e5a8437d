"""`match_files`: which picture belongs to which RAW file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ispfit.errors import FileError, InputWarning
from ispfit.io import modern_pictures
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
    with pytest.warns(InputWarning, match=r"Dsc_1\.jpg: passed over: by their names, they belong to several RAW files"):
        found = matched(tmp_path, "DSC_1.nef", "dsc_1.nef", "Dsc_1.jpg")
    assert found == {"DSC_1.nef": "DSC_1.nef", "dsc_1.nef": "dsc_1.nef"}


COMPOSED, DECOMPOSED = "M\u00fcller", "Mu\u0308ller"  # NFC as Linux and Windows write names, NFD as macOS does


@pytest.mark.parametrize(
    ("raw", "picture"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (COMPOSED.upper(), DECOMPOSED)]
)
def test_names_may_be_composed_differently(tmp_path: Path, raw: str, picture: str) -> None:
    assert matched(tmp_path, f"{raw}.dng", f"{picture}.jpg") == {f"{raw}.dng": f"{picture}.jpg"}


def test_names_composed_differently_are_two_if_both_are_there(tmp_path: Path) -> None:
    names = (COMPOSED, DECOMPOSED)
    files = [f"{name}{suffix}" for name in names for suffix in (".dng", ".jpg")]
    assert matched(tmp_path, *files) == {f"{name}.dng": f"{name}.jpg" for name in names}


PIXEL = {
    "PXL_20230101_120000123.RAW-02.ORIGINAL.dng": "PXL_20230101_120000123.RAW-01.COVER.jpg",
    "PXL_20230101_120000456.RAW-02.ORIGINAL.dng": "PXL_20230101_120000456.RAW-01.MP.COVER.jpg",
    "PXL_20230101_120000789.NIGHT.RAW-02.ORIGINAL.dng": "PXL_20230101_120000789.NIGHT.RAW-01.COVER.jpg",
    "PXL_20210101_120000111.dng": "PXL_20210101_120000111.MP.jpg",
    "PXL_20210101_120000222.dng": "PXL_20210101_120000222.jpg",
}


def test_the_names_of_pixel_phones(tmp_path: Path) -> None:
    assert matched(tmp_path, *PIXEL, *PIXEL.values()) == PIXEL


def test_two_pictures_that_a_pixel_phone_could_mean_are_told(tmp_path: Path) -> None:
    names = ("PXL_1.RAW-02.ORIGINAL.dng", "PXL_1.RAW-01.COVER.jpg", "PXL_1.jpg")
    with pytest.warns(InputWarning, match=r"PXL_1\.(RAW-01\.COVER\.)?jpg, .*PXL_1\..*jpg: passed over: by their names"):
        assert matched(tmp_path, *names) == {names[0]: names[0]}


@pytest.mark.parametrize("suffix", [".jpe", ".HEIC", ".heif", ".HIF", ".avif", ".jxl"])
def test_newer_formats_are_pictures_too(tmp_path: Path, suffix: str) -> None:
    assert matched(tmp_path, "a.dng", f"a{suffix}") == {"a.dng": f"a{suffix}"}


def test_a_jpeg_comes_before_newer_formats_and_they_before_others(tmp_path: Path) -> None:
    assert matched(tmp_path, "a.dng", "a.heic", "a.jpe", "a.png") == {"a.dng": "a.jpe"}
    assert matched(tmp_path / "b", "a.dng", "a.heic", "a.png") == {"a.dng": "a.heic"}


@pytest.mark.parametrize(
    ("suffix", "package"), [(".HEIC", "pillow_heif"), (".hif", "pillow_heif"), (".jxl", "pillow_jxl")]
)
def test_a_picture_for_which_a_package_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str
) -> None:
    find = modern_pictures.find_spec
    monkeypatch.setattr(modern_pictures, "find_spec", lambda name: None if name == package else find(name))
    message = rf"a{suffix}: cannot be read, so that another picture of the shot is used; pip install 'ispfit\[heif\]'\."
    with pytest.warns(InputWarning, match=message):
        assert matched(tmp_path, "a.dng", f"a{suffix}") == {"a.dng": "a.dng"}
    with pytest.warns(InputWarning, match=message):
        assert matched(tmp_path / "b", "a.dng", f"a{suffix}", "a.png") == {"a.dng": "a.png"}
    assert matched(tmp_path / "c", "a.dng", f"a{suffix}", "a.jpg") == {"a.dng": "a.jpg"}


def test_many_pictures_that_are_passed_over_are_told_in_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modern_pictures, "find_spec", lambda _: None)
    names = [f"{number:02d}{suffix}" for number in range(30) for suffix in (".dng", ".heic")]
    with pytest.warns(InputWarning, match=r"00\.heic, .*09\.heic and 20 more: cannot be read") as caught:
        matched(tmp_path, *names)
    assert len(caught) == 1


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
