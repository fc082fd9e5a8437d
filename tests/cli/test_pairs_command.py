"""``ispfit pairs``, and ``ispfit fit`` on what it made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ispfit.cli import main
from ispfit.datasets import load_pairs, make_camera_roll

QUICK = ["--backbone", "mlp", "--max-steps", "5", "--windows-per-image", "2"]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    make_camera_roll(folder, 3, image_size=(192, 256), random_state=7)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return stop.value.code, *capsys.readouterr()

    return call


def test_a_card_becomes_pairs_and_pairs_a_model(run: Any, card: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    code, out, _ = run("pairs", card, "-o", pairs, "--size", "96", "--jobs", "1")
    assert code == 0
    assert "3 pairs, 0 rejected" in out
    assert "ispfit-virtual-a" in out
    assert f"look at {pairs / 'contact.png'}" in out
    assert run("fit", pairs, "-o", tmp_path / "a.ispfit", "--split", "train", *QUICK)[0] == 0
    again = run("pairs", card, "-o", pairs, "--size", "96", "--json", "--jobs", "1")
    assert json.loads(again[1])["kept"] == 3


def test_a_damaged_file_is_1_and_sinks_nothing(run: Any, card: Path, tmp_path: Path) -> None:
    broken = tmp_path / "torn.dng"
    broken.write_bytes(b"II*\0 no picture")
    code, out, err = run("pairs", card, broken, "-o", tmp_path / "out", "--size", "96", "--jobs", "1")
    assert code == 1
    assert "3 pairs, 0 rejected" in out
    assert "1 of 4 failed" in err
    assert "torn.dng: the DNG is damaged: its directories cannot be read" in err


def test_a_rejected_pair_is_told_and_no_failure(run: Any, card: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for path in card.iterdir():
        (mixed / path.name).write_bytes(path.read_bytes())
    (mixed / "VirtualA_0001.jpg").write_bytes((card / "VirtualA_0002.jpg").read_bytes())
    code, out, err = run("pairs", mixed, "-o", tmp_path / "out", "--size", "96", "--jobs", "1")
    assert code == 0
    assert "2 pairs, 1 rejected" in out
    assert "1 of 3 pairs rejected:\n  pair 'VirtualA_0001' was left out: not registered: " in err


def test_rejections_with_one_cause_are_one_line_that_names_the_option(run: Any, card: Path, tmp_path: Path) -> None:
    """Nothing was made, so the exit code is not 0."""
    code, out, err = run("pairs", card, "-o", tmp_path, "--size", "96", "--jobs", "1", "--max-residual", "0")
    assert code == 1
    assert "0 pairs, 3 rejected" in out
    assert "3 of 3 pairs rejected:\n  pair 'VirtualA_0001' was left out: not registered: too uncertain: the exp" in err
    assert "(and 2 more for the same cause); see --max-residual of `ispfit pairs`; if both show the same fi" in err
    assert len(err.splitlines()) == 2


def test_wrong_usage_is_2(run: Any, tmp_path: Path) -> None:
    assert run("pairs", tmp_path, "-o", tmp_path / "out")[0] == 2
    assert "no RAW files here" in run("pairs", tmp_path, "-o", tmp_path / "out")[2]
    assert run("pairs", tmp_path, "-o", tmp_path / "out", "--min-overlap", "2")[0] == 2


def test_a_folder_of_raw_files_is_loaded_directly(card: Path) -> None:
    X, Y = load_pairs(card, size=64)
    assert [image.shot.name for image in X] == [f"VirtualA_000{number}" for number in (1, 2, 3)]
    assert {image.shape for image in X + Y} == {(48, 64, 3)}
    lazy, _ = load_pairs(card, size=(64, 64), lazy=True)
    assert [image.shape for image in lazy] == [(64, 64, 3)] * 3


def test_size_is_the_longer_side_and_square_the_crop_of_the_paper(run: Any, card: Path, tmp_path: Path) -> None:
    for arguments, shape in ((["--size", "64"], (48, 64, 3)), (["--size", "64", "--square"], (64, 64, 3))):
        output = tmp_path / "-".join(arguments)
        assert run("pairs", card, "-o", output, "--jobs", "1", *arguments)[0] == 0
        assert {image.shape for image in load_pairs(output)[0]} == {shape}


def test_a_dry_run_lists_what_would_be_paired(run: Any, card: Path, tmp_path: Path) -> None:
    code, output, _ = run("pairs", card, "-o", tmp_path / "pairs", "--dry-run")
    assert code == 0
    first = sorted(card.glob("*.dng"))[0]
    assert output.splitlines()[0] == f"{first}  {first.with_suffix('.jpg')}"
    assert output.splitlines()[-1] == "3 RAW files, 0 of them without a picture beside it"
    assert not (tmp_path / "pairs").exists()
