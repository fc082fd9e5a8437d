"""The camera's colour matrix, from the RAW files of a fit to the exports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ispfit
from ispfit.cli import main
from ispfit.datasets import CAMERAS, make_camera_roll
from ispfit.io import read_color_matrix
from ispfit.io.color_matrix import find_color_matrix


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matrix") / "shots"
    make_camera_roll(folder, 2, image_size=(32, 48), random_state=0)
    return folder


def run(*arguments: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 0


def fit(source: Path, target: Path) -> ispfit.ISPModel:
    run("fit", source, "-o", target, "--backbone", "curve", "--no-register")
    return ispfit.load(target)


def test_fit_takes_it_from_the_raw_files_and_from_those_of_pairs(shots: Path, tmp_path: Path) -> None:
    expected = CAMERAS["Virtual A"].color_matrix()
    found = fit(shots, tmp_path / "a.ispfit").color_matrix_
    np.testing.assert_allclose(found, expected, atol=1e-3)
    run("pairs", shots, "-o", tmp_path / "pairs", "--no-register", "--jobs", "1")
    np.testing.assert_array_equal(fit(tmp_path / "pairs", tmp_path / "b.ispfit").color_matrix_, found)


def test_derender_writes_it_into_the_dng(shots: Path, tmp_path: Path) -> None:
    matrix = fit(shots, tmp_path / "m.ispfit").color_matrix_
    [jpeg, *_] = sorted(shots.glob("*.jpg"))
    run("derender", tmp_path / "m.ispfit", jpeg, "-o", tmp_path / "out", "--format", "dng", "--jobs", "1")
    [dng] = (tmp_path / "out").glob("*.dng")
    white = np.array([0.95047, 1.0, 1.08883])
    np.testing.assert_allclose(read_color_matrix(dng), matrix / (matrix @ white)[:, None], atol=2e-3)


def test_a_raw_file_of_another_camera_is_passed_over(shots: Path, tmp_path: Path) -> None:
    other = replace(CAMERAS["Virtual B"], orientation=(1,))
    [(raw, _)] = make_camera_roll(tmp_path, 1, image_size=32, camera=other, random_state=0)
    own = sorted(shots.glob("*.dng"))[0]
    matrix, path = find_color_matrix([tmp_path / "none.dng", raw, own], "ispfit Virtual A")
    assert path == own
    np.testing.assert_allclose(matrix, CAMERAS["Virtual A"].color_matrix(), atol=1e-3)
    assert find_color_matrix([raw], "ispfit Virtual A") == (None, None)


def test_info_says_whether_it_is_known(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(shots, tmp_path / "m.ispfit")
    capsys.readouterr()
    run("info", tmp_path / "m.ispfit", "--json")
    assert np.shape(json.loads(capsys.readouterr().out)["color_matrix"]) == (3, 3)
