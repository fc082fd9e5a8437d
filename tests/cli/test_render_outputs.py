"""What `ispfit render` and `derender` write where: no file of the user's is replaced, and no stale picture is kept."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import quick, toy_pairs

import ispfit
from ispfit.cli import main
from ispfit.datasets import make_camera_roll
from ispfit.io import read_srgb, recipe_id, recipe_of, write_srgb
from ispfit.pairs import make_pairs


@pytest.fixture(scope="module")
def roll(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two DNG files, each beside its JPEG."""
    folder = tmp_path_factory.mktemp("roll")
    make_camera_roll(folder, 2, image_size=(64, 96), random_state=0)
    for path in folder.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models that differ."""
    folder = tmp_path_factory.mktemp("models")
    for seed in (0, 1):
        quick(random_state=seed).fit(*toy_pairs(3)).save(folder / f"{seed}.ispfit")
    return sorted(folder.iterdir())


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command in this process; returns exit code, output and errors."""

    def run(*arguments: object) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([*map(str, arguments), "--jobs", "1", "--device", "cpu"])
        return (stop.value.code, *capsys.readouterr())

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_the_camera_s_pictures_are_never_replaced(
    run: Any, models: list[Path], roll: Path, tmp_path: Path, overwrite: list[str]
) -> None:
    folder = tmp_path / "roll"
    shutil.copytree(roll, folder)
    before = contents(folder)
    code, _, errors = run("render", models[0], folder, "-o", folder, *overwrite)
    assert code == 2
    assert f"{folder}: 2 files would be replaced that this command did not write: {folder}" in errors
    assert errors.rstrip().endswith("give another -o.")
    assert contents(folder) == before


def test_a_file_of_the_user_s_stops_the_command_before_it_writes(
    run: Any, models: list[Path], roll: Path, tmp_path: Path
) -> None:
    mine = tmp_path / f"{sorted(roll.glob('*.dng'))[1].stem}.jpg"
    mine.write_bytes(b"mine")
    assert run("render", models[0], roll, "-o", tmp_path, "--overwrite")[0] == 2
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_bytes() == b"mine"


def test_a_picture_that_another_program_changed_is_the_user_s(
    run: Any, models: list[Path], roll: Path, tmp_path: Path
) -> None:
    run("render", models[0], roll, "-o", tmp_path)
    edited = sorted(tmp_path.iterdir())[0]
    edited.write_bytes(edited.read_bytes().replace(b"ispfit ", b"editor "))
    assert run("render", models[1], roll, "-o", tmp_path)[0] == 2


@pytest.mark.parametrize(("command", "size"), [("render", "50"), ("derender", "60")])
def test_outputs_are_kept_if_they_are_up_to_date_and_else_made_again(
    run: Any, models: list[Path], roll: Path, tmp_path: Path, command: str, size: str
) -> None:
    first = run(command, models[0], roll, "-o", tmp_path)
    assert first[:2] == (0, f"2 written to {tmp_path}\n")
    before = contents(tmp_path)
    assert run(command, models[0], roll, "-o", tmp_path)[1] == f"0 written to {tmp_path}, 2 up to date\n"
    assert contents(tmp_path) == before
    again = f"2 written to {tmp_path}, 2 of them made again, for another file, model or option\n"
    assert run(command, models[1], roll, "-o", tmp_path)[1] == again
    of_the_other = contents(tmp_path)
    assert all(of_the_other[name] != data for name, data in before.items())
    assert run(command, models[1], roll, "-o", tmp_path, "--size", size)[1] == again
    assert json.loads(run(command, models[1], roll, "-o", tmp_path, "--size", size, "--json")[1])["written"] == []
    assert run(command, models[1], roll, "-o", tmp_path, "--size", size, "--overwrite")[1] == again
    run(command, models[0], roll, "-o", tmp_path)
    assert contents(tmp_path) == before


def test_an_output_of_a_changed_file_is_made_again(run: Any, models: list[Path], roll: Path, tmp_path: Path) -> None:
    picture = tmp_path / "in" / "a.png"
    picture.parent.mkdir()
    for value in (0.2, 0.7):
        write_srgb(picture, np.full((8, 8, 3), value, np.float32))
        _, output, _ = run("derender", models[0], picture, "-o", tmp_path / "out")
        assert output.startswith("1 written")
    [expected] = ispfit.load(models[0]).inverse_transform([picture])
    assert np.allclose(ispfit.read_raw(tmp_path / "out" / "a.tif"), expected, atol=1e-4)


def test_outputs_have_the_time_of_their_files(run: Any, models: list[Path], roll: Path, tmp_path: Path) -> None:
    run("render", models[0], roll, "-o", tmp_path / "srgb")
    run("derender", models[0], roll, "-o", tmp_path / "raw")
    times = {path.stat().st_mtime for folder in ("srgb", "raw") for path in (tmp_path / folder).iterdir()}
    assert times == {1_600_000_000}


def test_names_do_not_depend_on_other_files(run: Any, models: list[Path], tmp_path: Path) -> None:
    cards = [tmp_path / "card1", tmp_path / "card2"]
    for card in cards:
        card.mkdir()
        write_srgb(card / "DSC1.png", np.full((8, 8, 3), 0.5, np.float32))
    shutil.copy(cards[0] / "DSC1.png", cards[0] / "DSC1.tiff")
    out = tmp_path / "out"
    code, output, errors = run("derender", models[0], *cards, cards[0] / "DSC1.png", "-o", out)
    assert (code, output) == (1, f"2 written to {out}\n")  # a file that is named twice is done once
    target = out / "card1" / "DSC1.tif"
    failure = f"{cards[0] / 'DSC1.tiff'}: its output {target} is that of {cards[0] / 'DSC1.png'}; give it another -o."
    assert failure in errors
    assert sorted(contents(out)) == ["card1/DSC1.tif", "card2/DSC1.tif"]


def test_match_takes_some_of_the_files(run: Any, models: list[Path], roll: Path, tmp_path: Path) -> None:
    one = sorted(roll.glob("*.dng"))[1]
    assert run("render", models[0], roll, "-o", tmp_path, "--match", f"*{one.stem[-2:]}.dng")[0] == 0
    assert [path.stem for path in tmp_path.iterdir()] == [one.stem]
    code, _, errors = run("render", models[0], roll, "-o", tmp_path, "--match", "nothing*")
    assert code == 2
    assert "no files to work on that match 'nothing*'" in errors


def test_of_a_folder_of_pairs_one_side_is_taken(run: Any, models: list[Path], roll: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    make_pairs(roll, pairs, size=32, register=False, n_jobs=1)
    assert (pairs / "contact.png").exists()
    assert run("derender", models[0], pairs, "-o", tmp_path / "raw")[0] == 0
    assert run("render", models[0], pairs, "-o", tmp_path / "srgb")[0] == 0
    names = sorted(path.stem for path in (pairs / "srgb").iterdir())
    assert [sorted(path.stem for path in (tmp_path / side).iterdir()) for side in ("raw", "srgb")] == [names, names]


def test_recipes_are_read_from_what_was_written_with_them(tmp_path: Path) -> None:
    image, recipe = np.full((8, 8, 3), 0.5, np.float32), recipe_id("state", 1, None)
    write_srgb(tmp_path / "a.jpg", image, unique_id=recipe)
    assert len(recipe) == 32
    assert recipe != recipe_id("state", 2, None)
    assert recipe_of(tmp_path / "a.jpg") == recipe
    write_srgb(tmp_path / "b.jpg", image)
    assert recipe_of(tmp_path / "b.jpg") is None
    write_srgb(tmp_path / "c.jpg", read_srgb(tmp_path / "a.jpg"), unique_id="0123456789abcdef" * 2)  # a camera's
    assert recipe_of(tmp_path / "c.jpg") is None
