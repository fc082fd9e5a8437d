"""`ispfit deblur` writes a sharp photograph, keeps its EXIF and draws what it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from ispfit import ISPModel, psnr, read_srgb
from ispfit.cli import main
from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.datasets import make_camera_pairs
from ispfit.deblur import blur, register_shift, shake_kernel
from ispfit.images import Image, Shot
from ispfit.io import write_srgb


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A blurred photograph, the sharp one, and a model of its camera."""
    folder = tmp_path_factory.mktemp("deblur")
    X, Y = make_camera_pairs(5, image_size=144, camera="manual", random_state=4)
    ISPModel("curve").fit(X[:2], Y[:2]).save(folder / "camera.ispfit")
    shot = Shot(make="ispfit", model="Virtual A", iso=200)
    write_srgb(folder / "sharp.jpg", Y[2])
    light = blur(srgb_to_linear(np.asarray(Y[2])), shake_kernel(11, 1))
    write_srgb(folder / "blurred.jpg", Image(linear_to_srgb(np.asarray(light)), shot))
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], folder: Path) -> Any:
    def run(*arguments: object) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["deblur", str(folder / "blurred.jpg"), "--kernel-size", "11", *map(str, arguments)])
        return (stop.value.code, *capsys.readouterr())

    return run


def test_it_deblurs_in_raw_space_and_draws_a_picture(run: Any, folder: Path) -> None:
    output = folder / "made" / "out.jpg"
    code, text, errors = run("--model", folder / "camera.ispfit", "-o", output, "--picture")
    assert (code, errors) == (0, "")
    assert text.splitlines()[0].endswith("on 3 scales, in raw space")
    truth, before, after = (read_srgb(path) for path in (folder / "sharp.jpg", folder / "blurred.jpg", output))
    assert psnr(*register_shift(truth, after, 12)) > psnr(truth, before) + 0.5
    assert after.shot.camera == "ispfit Virtual A"
    assert after.shot.iso == 200
    with PILImage.open(folder / "made" / "out-deblurring.png") as picture:
        assert picture.width > picture.height


def test_without_a_model_it_deblurs_in_srgb_space(run: Any, folder: Path) -> None:
    code, text, _ = run("-o", folder / "srgb.png", "--json", "--region", "10", "10", "120", "120")
    found = json.loads(text)
    assert (code, found["space"], found["changed"]) == (0, "srgb", True)
    assert np.sum(found["kernel"]) == pytest.approx(1)
    code, _, errors = run("-o", folder / "srgb.png")
    assert code == 2
    assert errors == f"Error: {folder / 'srgb.png'}: exists already; use --overwrite to replace it.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "raw", "-o", "new.jpg"], "--space raw needs --model"),
        (["-o", "blurred.jpg", "--overwrite"], "is the photograph itself, and would be replaced"),
        (["--kernel-size", "12", "-o", "new.jpg"], "kernel_size: expected an odd number of pixels"),
        (["--kernel-size", "101", "-o", "new.jpg"], "kernel_size: expected at most half of the shorter side"),
    ],
)
def test_errors_say_what_to_do(run: Any, folder: Path, arguments: list[str], message: str) -> None:
    code, _, errors = run(*[folder / word if word.endswith("jpg") else word for word in arguments])
    assert code == 2
    assert message in errors
    assert not (folder / "new.jpg").exists()
