"""`make_pairs`: from a folder of files to a folder of pairs, whatever happens on the way."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from ispfit.datasets import load_pairs, make_camera_roll
from ispfit.errors import FileError, InputError
from ispfit.io import read_raw
from ispfit.pairs import make_pairs, outputs
from ispfit.synthetic.camera_files import CAMERAS

SIZE = 96


@pytest.fixture(scope="module")
def roll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots of a camera, two of another that holds it upright, a copy; and files that do not make a pair."""
    folder = tmp_path_factory.mktemp("card")
    first, second = CAMERAS["Virtual A"], replace(CAMERAS["Virtual B"], orientation=(6,))
    make_camera_roll(folder, 3, image_size=(192, 256), camera=first, random_state=0)
    make_camera_roll(folder / "other card", 2, image_size=(192, 256), camera=second, random_state=7)
    for suffix in (".dng", ".jpg"):
        shutil.copy(folder / f"VirtualA_0002{suffix}", folder / f"copy of 2{suffix}")
    shutil.copy(folder / "VirtualA_0001.dng", folder / "mismatch.dng")
    shutil.copy(folder / "VirtualA_0003.jpg", folder / "mismatch.jpg")
    (folder / "torn.dng").write_bytes((folder / "VirtualA_0001.dng").read_bytes()[:20000])
    return folder


@pytest.fixture(scope="module")
def made(roll: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("pairs")
    return folder, make_pairs(roll, folder, size=SIZE, n_jobs=2)


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the records, which name the time of the inputs."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_pairs_are_what_load_pairs_reads(made: Any) -> None:
    folder, report = made
    X, Y = load_pairs(folder)
    assert [image.shot.name for image in X] == [row["name"] for row in report.pairs]
    assert {max(image.shape[:2]) for image in X + Y} == {SIZE}
    assert [image.shape for image in X] == [image.shape for image in Y]
    assert {image.shot.camera for image in X} == {"ispfit Virtual A", "ispfit Virtual B"}
    assert all(image.shot.white_balance[1] == 1 for image in X)


def test_the_raw_is_what_read_raw_reads(made: Any, roll: Path) -> None:
    X, _ = load_pairs(made[0])
    [raw] = [image for image in X if image.shot.name == "VirtualA_0001"]
    np.testing.assert_allclose(raw, read_raw(roll / "VirtualA_0001.dng", size=SIZE), atol=1e-4)


def test_the_table_says_what_is_known_and_was_done(made: Any) -> None:
    rows = table(made[0] / "pairs.csv")
    assert set(rows) == {
        "VirtualA_0001",
        "VirtualA_0002",
        "VirtualA_0003",
        "VirtualB_0001",
        "VirtualB_0002",
        "copy of 2",
    }
    row = rows["VirtualA_0001"]
    assert (row["make"], row["model"], row["raw"]) == ("ispfit", "Virtual A", "raw/VirtualA_0001.tif")
    assert float(row["residual"]) < 0.2
    assert float(row["overlap"]) > 0.9
    assert (made[0] / row["source"]).resolve().name == "VirtualA_0001.dng"


def test_a_copy_is_on_the_same_side_of_the_split(made: Any) -> None:
    rows = table(made[0] / "pairs.csv")
    assert rows["copy of 2"]["scene"] == rows["VirtualA_0002"]["scene"] != rows["VirtualA_0003"]["scene"]
    assert rows["copy of 2"]["split"] == rows["VirtualA_0002"]["split"]


def test_each_camera_has_a_table_of_its_own(made: Any) -> None:
    folder, report = made
    assert set(report.tables) == {"ispfit-virtual-a", "ispfit-virtual-b"}
    X, _ = load_pairs(folder / "pairs-ispfit-virtual-b.csv")
    assert [image.shot.name for image in X] == ["VirtualB_0001", "VirtualB_0002"]
    assert {row["split"] for row in table(folder / "pairs-ispfit-virtual-b.csv").values()} == {"train", "test"}


def test_what_makes_no_pair_is_listed_with_the_reason(made: Any) -> None:
    folder, report = made
    rows = table(folder / "rejected.csv")
    assert set(rows) == {"mismatch", "torn"}
    assert rows["mismatch"]["reason"] == report.rejected[0]["reason"]
    assert "torn.dng: LibRaw cannot read it" in rows["torn"]["reason"]
    assert report.failures == [rows["torn"]["reason"]]


def test_the_contact_sheet_shows_pairs_and_rejections(made: Any) -> None:
    with PILImage.open(made[0] / "contact.png") as sheet:
        codes = np.asarray(sheet)
    assert codes.std() > 20
    assert codes.shape[0] > 4 * 144


def test_a_second_run_does_nothing_and_ends_with_the_same_files(made: Any, roll: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made[0], tmp_path / "pairs")
    moved = os.path.relpath(roll, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("raw/*")}
    report = make_pairs(folder / moved, folder, size=SIZE, n_jobs=1)
    assert report.n_kept == 7
    assert {path: path.stat().st_mtime_ns for path in folder.glob("raw/*")} == before
    assert len(report.pairs) == len(made[1].pairs)


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_files(made: Any, roll: Path, tmp_path: Path) -> None:
    folder = made[0].with_name(f"again-{tmp_path.name}")  # beside the other: sources are told relative to it
    script = f"from ispfit.pairs import make_pairs; make_pairs({str(roll)!r}, {str(folder)!r}, size={SIZE}, n_jobs=1)"
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(folder.glob(".ispfit-pairs/[!.]*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "pairs.csv").exists()
    report = make_pairs(roll, folder, size=SIZE, n_jobs=2)
    assert 1 <= report.n_kept < 7
    assert contents(folder) == contents(made[0])


def test_a_pair_whose_file_changed_or_is_gone_is_made_anew(made: Any, roll: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made[0], tmp_path / "pairs")
    (folder / "srgb" / "VirtualA_0001.png").unlink()
    assert make_pairs(roll, folder, size=SIZE, n_jobs=1).n_kept == 6
    assert (folder / "srgb" / "VirtualA_0001.png").is_file()
    (folder / ".ispfit-pairs" / "VirtualA_0001.json").write_text("{")
    assert make_pairs(roll, folder, size=SIZE, n_jobs=1).n_kept == 6


def test_one_camera_can_be_asked_for(made: Any, roll: Path, tmp_path: Path) -> None:
    report = make_pairs(roll, tmp_path, size=SIZE, camera="virtual b", n_jobs=2)
    assert [row["name"] for row in report.pairs] == ["VirtualB_0001", "VirtualB_0002"]
    assert list(report.tables.values()) == [tmp_path / "pairs.csv"]
    with pytest.raises(InputError, match=r"none of the 2 shots is of camera 'Nikon'\."):
        make_pairs(roll / "other card", tmp_path, size=SIZE, camera="Nikon", n_jobs=1)


def test_picture_styles_are_told_apart(roll: Path, tmp_path: Path) -> None:
    card, pairs = tmp_path / "card", tmp_path / "pairs"
    card.mkdir()
    for name, saturation in (("plain", 0), ("vivid", 2)):
        exif = PILImage.Exif()
        exif.get_ifd(0x8769).update({0xA408: 0, 0xA409: saturation})
        shutil.copy(roll / "VirtualA_0002.dng", card / f"{name}.dng")
        with PILImage.open(roll / "VirtualA_0002.jpg") as picture:
            picture.save(card / f"{name}.jpg", quality=95, exif=exif)
    report = make_pairs(card, pairs, size=SIZE, n_jobs=1)
    assert [row["style"] for row in report.pairs] == ["standard", "saturation high"]
    assert set(report.tables) == {"ispfit-virtual-a-standard", "ispfit-virtual-a-saturation-high"}
    again = make_pairs(card, pairs, size=SIZE, n_jobs=1, style="standard")
    assert [row["name"] for row in again.pairs] == ["plain"]


def test_odd_names_and_equal_stems(roll: Path, tmp_path: Path) -> None:
    card = tmp_path / "my card\n日本"
    for name in ("new\nline", "DSC_1", "dsc_1", "sub/DSC_1"):
        (card / name).parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".dng", ".jpg"):
            shutil.copy(roll / f"VirtualA_0001{suffix}", card / f"{name}{suffix}")
    report = make_pairs(card, tmp_path / "pairs", size=SIZE, n_jobs=1)
    names = [row["name"] for row in report.pairs]
    assert "new_line" in names
    assert sorted(name[:6] for name in names) == ["DSC_1", "DSC_1-", "dsc_1-", "new_li"]
    assert len({name.casefold() for name in names}) == 4
    assert len(load_pairs(tmp_path / "pairs")[0]) == 4


def test_a_full_disk_is_told_and_leaves_no_half_of_a_pair(roll: Path, tmp_path: Path) -> None:
    script = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000));"
        "from ispfit.cli import main;"
        f"main(['pairs', {str(roll / 'other card')!r}, '-o', {str(tmp_path / 'out')!r}, '--size', '{SIZE}'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "cannot be written" in done.stderr
    assert not list((tmp_path / "out").glob("*/*.tif")) + list((tmp_path / "out").glob("*/*.png"))


@pytest.mark.parametrize(
    "name", ["pairs.csv", "rejected.csv", "contact.png", "pairs-vivid.csv", "raw/VirtualB_0002.tif"]
)
def test_files_of_other_making_are_not_replaced(roll: Path, tmp_path: Path, name: str) -> None:
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    with pytest.raises(FileError, match=f"did not make and would replace: {name}; give another folder"):
        make_pairs(roll / "other card", tmp_path, size=SIZE)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [mine.name]
    assert mine.read_text() == "mine"


def test_a_file_that_is_read_is_not_replaced(roll: Path, tmp_path: Path) -> None:
    (tmp_path / "srgb").mkdir()
    shutil.copy(roll / "VirtualA_0001.dng", tmp_path / "srgb")
    with PILImage.open(roll / "VirtualA_0001.jpg") as picture:
        picture.save(tmp_path / "srgb" / "VirtualA_0001.png")
    with pytest.raises(FileError, match=r"would replace: srgb/VirtualA_0001\.png; give another folder"):
        make_pairs(tmp_path / "srgb", tmp_path, size=SIZE)


def test_a_second_card_is_added(roll: Path, tmp_path: Path) -> None:
    """Its files may have the names, and even the paths, of those of the first."""
    card, pairs = tmp_path / "card", tmp_path / "pairs"
    for number, shot in enumerate(("VirtualA_0001", "other card/VirtualB_0001"), 1):
        card.mkdir()
        for suffix in (".dng", ".jpg"):
            shutil.copy(roll / f"{shot}{suffix}", card / f"DSC_1{suffix}")
        report = make_pairs(card, pairs, size=SIZE, n_jobs=1)
        assert (len(report.pairs), report.n_kept) == (number, number - 1)
        shutil.rmtree(card)
    names = [row["name"] for row in report.pairs]
    assert names[0] == "DSC_1"
    assert names[1].startswith("DSC_1-")
    X, _ = load_pairs(pairs)
    assert [image.shot.model for image in X] == ["Virtual A", "Virtual B"]
    assert np.array_equal(X[0], read_raw(pairs / "raw" / "DSC_1.tif"))
    assert set(table(pairs / "pairs.csv")) == set(names)


def test_pairs_of_other_settings_are_not_mixed(made: Any, roll: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made[0], tmp_path / "pairs")
    before = contents(folder)
    with pytest.raises(FileError, match=r"holds \d pairs of other files that were made with other settings, such as"):
        make_pairs(roll / "other card", folder, size=SIZE - 8, n_jobs=1)
    assert contents(folder) == before
    assert make_pairs(roll, folder, size=SIZE - 8, n_jobs=1).n_kept == 0


def test_a_folder_that_cannot_be_made_is_named(roll: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file: cannot be written to"):
        make_pairs(roll, tmp_path / "file")


def test_a_read_only_folder_is_named(roll: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(FileError, match=r"out: cannot be written to: Read-only file system\."):
        make_pairs(roll, tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_folder_that_becomes_read_only_loses_no_pair_that_is_done(roll: Path, tmp_path: Path) -> None:
    make_pairs(roll / "other card", tmp_path / "out", size=SIZE, n_jobs=1)
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "raw").chmod(0o500)
    try:
        report = make_pairs(roll / "other card", tmp_path / "out", size=SIZE - 8, n_jobs=1)
    finally:
        (tmp_path / "out" / "raw").chmod(0o700)
    assert len(report.failures) == 2
    assert "cannot be written: Permission denied" in report.failures[0]
    assert {name: data for name, data in contents(tmp_path / "out").items() if name.startswith("raw")} == {
        name: data for name, data in before.items() if name.startswith("raw")
    }


def test_a_full_disk_shows_the_shots_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_camera_roll(tmp_path / "roll", 1, image_size=(64, 96), random_state=0)
    (tmp_path / "roll" / "bad.dng").write_bytes(b"no RAW file")

    def full(path: Path, *rest: Any) -> None:
        raise FileError(f"{path}: cannot be written: No space left on device.")

    options: dict[str, Any] = {"size": None, "register": False, "n_jobs": 1}
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "write_sheet", full)
        report = make_pairs(tmp_path / "roll", tmp_path / "pairs", **options)
    assert len(report.pairs) == 1
    assert "bad.dng" in report.failures[0]
    assert report.failures[1:] == [f"{tmp_path}/pairs/contact.png: cannot be written: No space left on device."]
    monkeypatch.setattr(outputs, "write_pairs_csv", full)
    with pytest.raises(FileError, match=r"rejected\.csv: cannot be written: No space left on device\.\n  .*bad\.dng: "):
        make_pairs(tmp_path / "roll", tmp_path / "pairs", **options)
