"""`ispfit info` tells what a model file holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ispfit import ISPModel
from ispfit._version import __version__
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.images import Image, Shot


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of a named camera, with one of four pairs held out."""
    X, Y = make_camera_pairs(4, image_size=32, camera="manual", random_state=0)
    raws = [Image(raw, Shot(model="ACME \x1b[31mOne")) for raw in X]
    model = ISPModel("mlp", max_steps=7, validation_fraction=0.25, direction="inverse", random_state=0)
    path = tmp_path_factory.mktemp("info") / "camera.ispfit"
    model.fit(raws, Y).save(path)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `ispfit info`; returns exit code, output and errors."""

    def run(*arguments: object) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["info", *map(str, arguments)])
        return (stop.value.code, *capsys.readouterr())

    return run


def test_it_tells_camera_backbone_and_fit(run: Any, model_file: Path) -> None:
    code, output, errors = run(model_file)
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    record = ISPModel.load(model_file).records_["inverse"]
    assert lines[0] == str(model_file)
    assert lines[1].startswith("  camera    ACME ")
    assert "\x1b" not in output
    assert lines[2].split()[:2] == ["backbone", "mlp(hidden=64,"]
    assert lines[2].endswith(f", ispfit {__version__}")
    assert lines[3].startswith("  written   2023-11-")
    assert lines[3].endswith(f" by ispfit {__version__}")
    assert lines[5].startswith("  inverse   3 pairs, 7 steps in ")
    assert lines[5].endswith(f", {record.best_psnr:.2f} dB on 1 validation pair")
    assert len(lines) == 6


def test_json_holds_the_course_of_training(run: Any, model_file: Path) -> None:
    facts = json.loads(run(model_file, "--json")[1])
    record = ISPModel.load(model_file).records_["inverse"]
    assert facts["bytes"] == model_file.stat().st_size
    assert facts["backbone"]["name"] == "mlp"
    assert facts["parameters"]["max_steps"] == 7
    assert facts["directions"]["inverse"]["history"] == record.history
    network = ISPModel.load(model_file).networks_["inverse"]
    assert facts["weights"] == sum(tensor.numel() for tensor in network.state_dict().values())


def test_another_file_is_refused(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    code, output, errors = run(path)
    assert (code, output) == (2, "")
    assert f"{path}: not a model file of ispfit" in errors
