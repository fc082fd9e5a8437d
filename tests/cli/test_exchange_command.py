"""`ispfit exchange`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image as PILImage
from toys import quick

import ispfit
from ispfit.analysis import exchange_scene
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.io import write_linear


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model with a scene, one without, and two raws."""
    folder = tmp_path_factory.mktemp("exchange")
    X, Y = make_camera_pairs(2, image_size=(24, 36), random_state=0)
    for name, backbone in (("camera", HistPyramid(channels=4, grids=[2])), ("mlp", "mlp")):
        quick(backbone, max_steps=4, learning_rate=1e-3).fit(X, Y).save(folder / f"{name}.ispfit")
    for name, raw in zip("ab", X, strict=True):
        write_linear(folder / f"{name}.tif", raw, dtype="float32")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(["exchange", *map(str, arguments)])
    plt.close("all")
    return (stop.value.code, *capsys.readouterr())


def test_a_picture_with_the_scene_of_another(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, figure = tmp_path / "picture.png", tmp_path / "figure.png"
    arguments = [files / "camera.ispfit", files / "b.tif", "--scene-from", files / "a.tif", "-o", output]
    code, out, _ = run(capsys, *arguments, "--part", "luminance", "--figure", figure)
    assert code == 0
    assert out.startswith(f"{output}: with the scene of A, lightness L* changes by ")
    model = ispfit.load(files / "camera.ispfit")
    expected = exchange_scene(model, files / "b.tif", files / "a.tif", parts="luminance")
    with PILImage.open(output) as picture, PILImage.open(figure) as drawn:
        np.testing.assert_allclose(np.asarray(picture), 255 * expected, atol=0.51)
        assert drawn.width > 1000
    code, out, _ = run(capsys, *arguments, "--share", "0", "--overwrite", "--json")
    assert json.loads(out)["written"] == [str(output)]
    assert json.loads(out)["shift"]["ciede2000"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("mlp", [], "Error: the backbone mlp has no scene to exchange: it renders each pixel from its surround alone;"),
        ("camera", ["--part", "hue"], "Error: parts: the scene of histpyramid has luminance/global, luminance/grid2, "),
        ("camera", ["--figure", "figure.txt"], "figure.txt: expected a name that ends with .pdf, .png, .svg."),
        ("camera", ["--figure", "picture.png"], "expected two names of their own, which are no inputs."),
        ("camera", ["--scene-from", "missing.dng"], "missing.dng"),
    ],
)
def test_what_cannot_be_exchanged_is_2(
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: str,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    fixed = [files / f"{model}.ispfit", files / "b.tif", "-o", "picture.png", "--scene-from", files / "a.tif"]
    code, _, err = run(capsys, *fixed, *options)
    assert code == 2
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_an_output_is_not_replaced_unasked(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "picture.png"
    output.write_text("mine")
    code, _, err = run(capsys, files / "camera.ispfit", files / "b.tif", "--scene-from", files / "a.tif", "-o", output)
    assert code == 2
    assert f"{output} exists; use --overwrite to replace it." in err
    assert output.read_text() == "mine"
