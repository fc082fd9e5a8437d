"""`ispfit lut`: from shots, or from a model file, to a LUT and the report of its loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from ispfit import ISPModel
from ispfit.cli import main
from ispfit.datasets import load_pairs, make_camera_roll


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("roll")
    make_camera_roll(folder, 5, image_size=(96, 144), random_state=0)
    return folder


@pytest.fixture(scope="module")
def model(shots: Path) -> Path:
    X, Y = load_pairs(shots, register=False)
    path = shots / "camera.ispfit"
    ISPModel("curve", random_state=0).fit(X, Y).save(path)
    return path


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["lut", *map(str, arguments)])
    return int(str(stop.value.code))


def read_cube(path: Path) -> Any:
    rows = [line for line in path.read_text().splitlines() if line[:1].isdigit()]
    return np.array([row.split() for row in rows], float)


def test_from_shots_to_a_look_and_its_loss(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--backbone", "curve", "--no-register", "--lut-size", "17", "--json"
    assert run(shots, "-o", tmp_path / "look.cube", *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["shots"], report["nodes"]) == (1, 17)
    assert report["matrix"].startswith(f"of {shots}")
    assert {loss["interpolation"] for loss in report["losses"]} == {"trilinear", "tetrahedral"}
    assert all(loss["psnr"] == pytest.approx(loss["own_psnr"]) for loss in report["losses"])  # it ignores the scene
    assert min(loss["psnr"] for loss in report["losses"]) > 30
    assert len(read_cube(tmp_path / "look.cube")) == 17**3


def test_a_haldclut_of_a_model_has_rawtherapees_name(model: Path, shots: Path, tmp_path: Path) -> None:
    options = "--matrix-of", next(shots.glob("*.dng")), "--encoding", "prophoto"
    assert run(model, "-o", tmp_path / "look.png", *options) == 0
    assert run(model, "-o", tmp_path / "look.png", *options) == 2  # it exists
    assert imagecodecs.png_decode((tmp_path / "look ProPhoto.png").read_bytes()).shape == (512, 512, 3)


def test_resolves_dialect_has_a_shaper_for_linear_input(model: Path, tmp_path: Path) -> None:
    options = "--encoding", "camera", "--dialect", "resolve", "--lut-size", "17"
    assert run(model, "-o", tmp_path / "look.cube", *options) == 0
    assert "LUT_1D_SIZE 4096" in (tmp_path / "look.cube").read_text()


def test_the_inverse_brings_the_raw_back(model: Path, tmp_path: Path) -> None:
    for name, options in {"a.cube": [], "b.cube": ["--inverse"]}.items():
        assert run(model, "-o", tmp_path / name, "--encoding", "camera", "--lut-size", "33", *options) == 0
    forward, inverse = (read_cube(tmp_path / name).reshape(33, 33, 33, 3) for name in ("a.cube", "b.cube"))
    grey = np.arange(33)
    srgb, raw = forward[grey, grey, grey, 1], inverse[grey, grey, grey, 1]
    middle = (srgb > 0.3) & (srgb < 0.8)
    np.testing.assert_allclose(np.interp(srgb[middle], grey / 32, raw), grey[middle] / 32, atol=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "look.lut"], "-o: expected a name that ends in .cube or .png, got 'look.lut'"),
        (["-o", "look.png", "--encoding", "camera"], "--encoding camera: a HaldCLUT has one of srgb, "),
        (["-o", "look.cube"], "--encoding srgb: needs the colour matrix of the camera; give one of its RAW files as"),
    ],
)
def test_wrong_use_is_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert run(model, options[0], tmp_path / options[1], *options[2:]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
