"""The benchmarks of accuracy: what they compute, and that each writes its tables on a few small pairs."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from ispfit import psnr
from ispfit.backbones.photofinish import Photofinish, PhotofinishNetwork
from ispfit.comparison import PairSet, RunResult, prepare_pair_set
from ispfit.datasets import load_pairs, make_camera_roll
from ispfit.images import Image
from ispfit.runtime import resolve_runtime

ACCURACY = Path(__file__).parents[2] / "benchmarks" / "accuracy"
Script = Callable[[str], Any]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Import a script by its name."""
    monkeypatch.syspath_prepend(str(ACCURACY))
    return import_module


@pytest.fixture(scope="module")
def pair_set(tmp_path_factory: pytest.TempPathFactory) -> PairSet:
    """Ten small pairs of a virtual camera, two of them test pairs."""
    return prepare_pair_set("virtual-a", tmp_path_factory.mktemp("data"), n_samples=10, image_size=32)


def call(command: Any, *arguments: object) -> Any:
    return command.main([str(argument) for argument in arguments], standalone_mode=False)


def result(n_fit: int, seed: int, forward: list[float]) -> RunResult:
    psnr = {"forward": forward, "inverse": [20.0, 30.0]}
    return RunResult("camera", "curve", {}, {}, seed, n_fit, 1.0, 1, {}, ["a", "b"], psnr)


def test_few_shots_are_averaged_over_the_test_shots_of_each_draw(script: Script) -> None:
    results = [result(5, 0, [20.0, 22.0]), result(5, 1, [23.0, 27.0]), result(10, 0, [30.0, 31.0])]
    curves = script("few_shots").Curves(results)
    assert curves.table("camera", "forward") == (
        ["camera, raw to sRGB", "5 shots", "10 shots"],
        [["curve", "23.00 ± 2.83", "30.50"]],
    )
    forward, inverse = curves.plot().axes
    assert [axis.get_title() for axis in (forward, inverse)] == ["camera, raw to sRGB", "camera, sRGB to raw"]
    assert [label.get_text() for label in forward.get_xticklabels()] == ["5", "10"]
    assert forward.get_lines()[0].get_ydata().tolist() == [23.0, 30.5]


def test_few_shots_ends_with_all_shots_and_resumes(
    script: Script, pair_set: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [pair_set.path, "-o", tmp_path, "--backbones=curve", "--counts=40,2,4", "--seeds=2"]
    assert call(script("few_shots").few_shots, *arguments) == 0
    assert "| virtual-a-10-32, sRGB to raw | 2 shots | 4 shots | 8 shots |" in capsys.readouterr().out
    lines = list(csv.DictReader((tmp_path / "few-shots.csv").read_text().splitlines()))
    assert {(line["n_fit"], line["seed"]) for line in lines} == {(n, seed) for n in "248" for seed in "01"}
    assert len({line["psnr"] for line in lines if (line["n_fit"], line["direction"]) == ("2", "forward")}) == 4
    with PILImage.open(tmp_path / "few-shots.png") as picture:
        assert picture.size == (1100, 420)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()}
    call(script("few_shots").few_shots, *arguments)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").iterdir()} == before


@pytest.mark.parametrize("counts", ["5,many", "0,5", ""])
def test_counts_are_whole_numbers(script: Script, counts: str) -> None:
    with pytest.raises(Exception, match=f"expected whole numbers >= 1, separated by commas, got '{counts}'"):
        call(script("few_shots").few_shots, "virtual-a", "-o", "nowhere", f"--counts={counts}")


def test_the_gain_alone_is_predicted(script: Script) -> None:
    statistics = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    regression = script("photofinish_parts").GainOnly(3, 4, 20)
    regression.fit(statistics, statistics.sum(1, keepdim=True).double().numpy().repeat(4, 1), list(range(20)))
    predicted = regression(statistics)
    torch.testing.assert_close(predicted[:, 0], statistics.sum(1), rtol=0, atol=0.1)
    assert predicted[:, 1:].abs().max() == 0


@pytest.mark.usefixtures("brief_photofinish")
def test_without_a_neighbourhood_there_is_no_lift(script: Script, pair_set: PairSet) -> None:
    network = script("photofinish_parts").Reduced("lift", control_points=10, max_shots=10).build()
    network.fit_pairs(list(zip(*pair_set.load()[0], strict=True)))
    for direction in (network.rendering, network.derendering):
        predicted = direction.regression(torch.randn(3, len(direction.regression.mean)))
        by_camera = predicted.view(3, 4, -1)
        assert by_camera[:, 1::2, :12].abs().amin() > 1e-6
        assert by_camera[:, ::2, 1:12].abs().amin() > 1e-6  # a raw that is rendered as it is has no gain
        assert by_camera[:, :, 12:].abs().max() == 0


@pytest.mark.usefixtures("brief_photofinish")
def test_one_map_is_what_it_renders_with(script: Script, pair_set: PairSet) -> None:
    network = script("photofinish_parts").OneMap(2, control_points=10, max_shots=10).build()
    network.fit_pairs(list(zip(*pair_set.load()[0], strict=True)))
    for direction in (network.rendering, network.derendering):
        assert direction.weights.tolist() == [0, 0, 1, 0]


def test_an_oracle_finds_the_gain(script: Script) -> None:
    network = Photofinish().build()
    assert isinstance(network, PhotofinishNetwork)
    raw = Image(np.random.default_rng(0).uniform(0, 0.3, (32, 32, 3)).astype(np.float32))
    for direction, sign in ((network.rendering, 1), (network.derendering, -1)):
        source = raw if sign == 1 else Image(np.asarray(raw) ** (1 / 2.2))
        colors = torch.from_numpy(np.array(source)).reshape(-1, 3)
        rendered = direction.output(direction.base(direction.coordinates(colors), torch.full((4,), 0.42 * sign))[0])
        target = Image(rendered.clamp(0, 1).numpy().reshape(raw.shape))
        inputs, targets, _ = script("oracles").sample_shots([(source, target)], 1, 500)
        assert script("oracles")._best_gains(direction, inputs, targets).tolist() == pytest.approx(
            4 * [0.42 * sign], abs=0.006
        )


def test_a_table_of_a_shot_holds_any_smooth_map(script: Script) -> None:
    colors = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0))
    mixed = 0.2 + 0.6 * colors.roll(1, 1) ** 2
    torch.testing.assert_close(script("oracles").fit_table(colors, mixed), mixed, rtol=0, atol=2e-3)


@pytest.mark.usefixtures("brief_photofinish")
def test_who_knows_more_of_a_shot_renders_it_better(script: Script, pair_set: PairSet) -> None:
    oracles, (fit, test) = script("oracles"), pair_set.load()
    network = Photofinish(control_points=10, max_shots=10).build()
    network.fit_pairs(list(zip(*fit, strict=True)))
    pair, runtime = (Image(test[0][0]), Image(test[1][0])), resolve_runtime("cpu", "fp32")
    for direction in ("forward", "inverse"):
        gain, parameters, table = (
            psnr(pair[direction == "forward"], oracles.oracle_rendering(name, network, direction, pair, runtime))
            for name in oracles.ORACLES
        )
        assert gain < parameters - 1 < table - 2


@pytest.mark.slow  # ten fits; the parts are tested above
def test_the_parts_of_photofinish_have_one_table(pair_set: PairSet, tmp_path: Path) -> None:
    command = [sys.executable, str(ACCURACY / "photofinish_parts.py"), str(pair_set.path), "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    names = [line.split(" | ")[0] for line in done.stdout.splitlines()[2:] if line]
    assert names == [
        *("| one map of colours (parametric)", "| one map, sharp", "| one map, sharp, gains divided out"),
        *("| one map, smooth", "| one map, smooth, gains divided out", "| + gain", "| + tone, saturation, tint"),
        *("| + local lift", "| + residual network", "| photofinish"),
        *("| gain known", "| all parameters known", "| table fitted to the shot"),
    ]
    assert "| gain known |" in (tmp_path / "parts.md").read_text()


def test_pixels_are_binned_by_the_truth_and_clipped_ones_apart(script: Script) -> None:
    measure = script("error_by_brightness")
    srgb = np.array([[0.1, 0.5, 0.9, 1.0, 1.0]], np.float32)[..., None].repeat(3, 2)
    raw = np.array([[0.001, 0.1, 0.5, 0.9, 0.99]], np.float32)[..., None].repeat(3, 2)
    raw[0, 1, 1] = 0.11
    names = np.array(measure.BINS)
    assert names[measure.bins_of(raw, srgb, "forward")[0]].tolist() == [
        *("0.0 to 0.2", "0.4 to 0.6", "0.8 to 1.0", "srgb clipped", "raw clipped")
    ]
    assert names[measure.bins_of(raw, srgb, "inverse")[0]].tolist() == [
        *("0.0 to 0.2", "0.2 to 0.4", "0.6 to 0.8", "srgb clipped", "raw clipped")
    ]


def test_errors_are_averaged_over_the_pixels_of_a_bin(script: Script) -> None:
    errors = script("error_by_brightness").Errors()
    truth = np.full((1, 4, 3), 0.5)
    errors.add(np.array([[0, 0, 0, 4]]), truth, truth + np.array([0.1, -0.1, 0.1, 0.02])[None, :, None])
    assert errors.shares() == ["75.0 %", "0.0 %", "0.0 %", "0.0 %", "25.0 %", "0.0 %", "0.0 %", "100.0 %"]
    first, *_, fifth, _, _, total = errors.cells()
    assert first == "20.0 dB, 25.5 (+8.5)"
    assert fifth == "34.0 dB, 5.1 (+5.1)"
    assert total == "21.2 dB, 20.4 (+7.6)"


def test_error_by_brightness_fits_models_once_or_takes_them(
    script: Script, pair_set: PairSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = script("error_by_brightness").error_by_brightness
    call(command, pair_set.path, "-o", tmp_path, "--backbones=curve")
    printed = capsys.readouterr().out
    assert "| virtual-a-10-32, sRGB to raw | pixels | curve |" in printed
    assert (tmp_path / "error-by-brightness.md").read_text() == printed.removesuffix("\n")
    [model] = (tmp_path / "models").glob("*.ispfit")
    model.rename(tmp_path / "mine.ispfit")
    call(command, pair_set.path, "-o", tmp_path, "--model", tmp_path / "mine.ispfit")
    assert capsys.readouterr().out == printed.replace("| curve |", "| mine |")


def test_the_halves_of_a_shot_are_a_pair_set(script: Script, tmp_path: Path) -> None:
    ((raw, _),) = make_camera_roll(tmp_path / "roll", 1, image_size=(192, 288), random_state=0)
    call(script("light_halves").light_halves, raw, "-o", tmp_path / "halves", "--tiles=2")
    fit, test = PairSet("halves", tmp_path / "halves").load()
    assert PairSet.names(fit[0]) == ["left-0-0", "left-0-1", "left-1-0", "left-1-1"]
    assert PairSet.names(test[1]) == ["right-0-0", "right-0-1", "right-1-0", "right-1-1"]
    [whole], [rendered] = load_pairs(raw, size=None)
    for side, image in ((0, whole), (1, rendered)):
        lines = [np.concatenate([*fit[side][row : row + 2], *test[side][row : row + 2]], 1) for row in (0, 2)]
        np.testing.assert_allclose(np.concatenate(lines), image, atol=1e-4)
    assert {image.shot.scene for image in (*fit[0], *test[0])} == {raw.stem}
