"""Camera models as ONNX graphs: onnxruntime against torch, at other sizes, in tiles, without ispfit."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import ispfit
from ispfit import Backbone, ISPModel, Network, Scene, Window, get_backbone, list_backbones
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.backbones.photofinish import Photofinish
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.errors import BackboneError, InputError
from ispfit.formats import onnx_export, onnx_runner
from ispfit.formats.onnx_export import MAX_DIFFERENCE, export_onnx

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(folder.name for folder in (ROOT / "plugins").glob("ispfit-*"))


class SceneNetwork(Network):
    """A network with a scene, a halo and a stride, and with what ONNX needs help for."""

    halo, stride = 2, 2

    def __init__(self) -> None:
        super().__init__()
        self.predict = torch.nn.Linear(3 * 7 * 5, 3)
        self.blur = torch.nn.Conv2d(3, 3, 5, groups=3)
        self.register_buffer("luma", torch.tensor([0.3, 0.6, 0.1]))

    def describe(self, image: torch.Tensor) -> Scene:
        small = torch.nn.functional.adaptive_avg_pool2d(image, (7, 5))
        return Scene(tint=self.predict(small.flatten(1)), light=(small.flatten(2).mT @ self.luma).mean(1))

    def render(self, pixels: torch.Tensor, scene: Scene, window: Window) -> torch.Tensor:
        place = window.grid().mean(1, keepdim=True)
        return self.blur(pixels) + scene["tint"][:, :, None, None] * place + scene["light"][:, None, None, None]


class WithScene(Backbone):
    name = "with-scene"

    def build(self) -> Network:
        return SceneNetwork()


class Branching(Network):
    def render(self, pixels: torch.Tensor, scene: Scene, window: Window) -> torch.Tensor:
        return pixels if pixels.mean() > 0.1 else 2 * pixels


class Searching(Network):
    def render(self, pixels: torch.Tensor, scene: Scene, window: Window) -> torch.Tensor:
        return torch.searchsorted(torch.linspace(0, 1, 9), pixels) / 9


class OfOneSize(Network):
    def render(self, pixels: torch.Tensor, scene: Scene, window: Window) -> torch.Tensor:
        return pixels + torch.zeros(96, 128)


@pytest.fixture(scope="module")
def pairs() -> Any:
    return make_camera_pairs(4, image_size=48, random_state=0)


@pytest.fixture(scope="module")
def model(pairs: Any) -> ISPModel:
    return ISPModel("mlp", max_steps=1, random_state=0).fit(*pairs)


@pytest.fixture(scope="module")
def exported(pairs: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[ISPModel, Path, Any]:
    model = ISPModel(WithScene(), direction="forward", max_steps=1, random_state=0).fit(*pairs)
    path = tmp_path_factory.mktemp("onnx") / "camera.v1.onnx"
    return model, path, export_onnx(model, path)


def test_graphs_are_checked_and_say_what_they_are(exported: Any) -> None:
    _, path, written = exported
    assert [graphs.direction for graphs in written] == ["forward"]
    names = [f"camera.v1-forward-{graph}.onnx" for graph in ("describe", "render")]
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(names)
    for graphs in written:
        assert graphs.opset == 18
        assert 0 <= graphs.difference < 1e-5
        assert graphs.tiled_difference < 1e-5
        for file in graphs.paths:
            graph = onnx.load(file)
            onnx.checker.check_model(graph)
            about = {entry.key: entry.value for entry in graph.metadata_props}
            assert about["backbone"] == "with-scene"
            assert about["direction"] == graphs.direction
            assert (about["halo"], about["stride"], about["scene"]) == ("2", "2", "tint light")
            assert about["camera"] == "ispfit Virtual A"
            assert about["maps"] == "raw to sRGB"
            assert about["ispfit"] == ispfit.__version__
            tensors = [tensor.name for tensor in (*graph.graph.input, *graph.graph.output)]
            assert set(tensors) <= set(about)
            assert about[tensors[0]].startswith("float32 (1, 3, ")
            assert file.stem.endswith(about["graph"])


@pytest.mark.parametrize(("shape", "tile"), [((31, 45), 16), (64, 64), ((1, 9), 4), ((200, 50), 1000)], ids=str)
def test_any_size_runs_as_in_torch(exported: Any, shape: Any, tile: int) -> None:
    model, path, _ = exported
    image = np.random.default_rng(1).random((*(shape if isinstance(shape, tuple) else (shape, shape)), 3), np.float32)
    found = onnx_runner.OnnxModel(path)(image, tile=tile)
    np.testing.assert_allclose(found, model.transform([image])[0], atol=1e-5)


def test_the_scene_of_another_image_can_be_given(exported: Any) -> None:
    model, path, _ = exported
    first, second = (np.random.default_rng(i).random((20, 30, 3), np.float32) * (1 + i) / 3 for i in (1, 2))
    run = onnx_runner.OnnxModel(path)
    expected = model.transform([first], scenes=model.describe([second]))[0]
    np.testing.assert_allclose(run(first, scene=run.describe(second)), expected, atol=1e-5)


def test_it_runs_without_torch_and_without_ispfit(exported: Any, tmp_path: Path) -> None:
    model, path, _ = exported
    runner = Path(onnx_runner.__file__).read_text(encoding="utf-8")
    assert "ispfit" not in [line.split()[1] for line in runner.splitlines() if line.startswith(("import", "from"))]
    (tmp_path / "runner.py").write_text(runner, encoding="utf-8")
    image = np.full((9, 9, 3), 0.25, np.float32)
    code = (
        "import sys; sys.modules['torch'] = sys.modules['ispfit'] = None\n"
        "import numpy as np; from runner import OnnxModel\n"
        f"print(OnnxModel({str(path)!r})(np.full((9, 9, 3), 0.25, np.float32))[4, 4].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout), model.transform([image])[0][4, 4], atol=1e-5)


def test_the_documentation_shows_the_runner_which_is_short() -> None:
    runner = Path(onnx_runner.__file__).read_text(encoding="utf-8")
    assert f"```python\n{runner}```" in (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
    assert len(runner.splitlines()) <= 40


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Branching(), r"its code branches on the values of a tensor \(test_onnx.py, line \d+\), which a graph cannot"),
        (Searching(), r"ONNX has no counterpart of the operation aten.searchsorted"),
        (OfOneSize(), r"its code works for images of one size only"),
    ],
    ids=["branch", "operation", "size"],
)
def test_what_stands_in_the_way_is_told_and_nothing_is_written(
    network: Network,
    message: str,
    model: ISPModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(onnx_export, "_WAYS", onnx_export._WAYS[:1])
    monkeypatch.setitem(model.networks_, "inverse", network)
    with pytest.raises(BackboneError, match=rf"^mlp, inverse: cannot be exported to ONNX: {message}.*\.$"):
        export_onnx(model, tmp_path / "model.onnx", ("inverse",))
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_if_one_direction_differs_none_is_written(
    model: ISPModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "write", lambda captured, path, *arguments: path.touch())
    monkeypatch.setattr(onnx_export, "_measure", lambda network, way, stem: (0.0, 0.25 if way == "inverse" else 0.0))
    with pytest.raises(BackboneError, match=r"^mlp, inverse: .* the graph's output differs from torch's by 0.25\.$"):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments_are_told(model: ISPModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"expected a file name that ends in .onnx, got 'model.pt'"):
        export_onnx(model, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"directions: the model has no 'backward', but forward, inverse"):
        export_onnx(model, tmp_path / "model.onnx", ("backward",))
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r'onnxscript is missing: pip install "ispfit\[onnx\]"'):
        export_onnx(model, tmp_path / "model.onnx")


def test_the_command_writes_both_directions(
    model: ISPModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "m.ispfit")
    command = ["export", str(tmp_path / "m.ispfit"), "-o", str(tmp_path / "m.onnx")]
    assert exit_code([*command, "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert [graphs["direction"] for graphs in written] == ["forward", "inverse"]
    assert [Path(*graphs["paths"]).name for graphs in written] == ["m-forward-render.onnx", "m-inverse-render.onnx"]
    assert max(graphs["difference"] for graphs in written) < 1e-6
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "m-forward-render.onnx",
        "m-inverse-render.onnx",
        "m.ispfit",
    ]
    assert exit_code(command) == 2
    assert "m-forward-render.onnx" in capsys.readouterr().err


def test_the_command_prints_the_differences(
    model: ISPModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exported(model: ISPModel, path: Path, directions: tuple[str, ...]) -> list[onnx_export.OnnxGraphs]:
        assert directions == ("inverse",)
        return [onnx_export.OnnxGraphs("inverse", (path,), 18, 2.5e-6, 0.0)]

    monkeypatch.setattr(onnx_export, "export_onnx", exported)
    model.save(tmp_path / "m.ispfit")
    (tmp_path / "m-inverse-render.onnx").touch()
    (tmp_path / "m.onnx").touch()
    command = ["export", str(tmp_path / "m.ispfit"), "-o", str(tmp_path / "m.onnx"), "--direction", "inverse"]
    assert exit_code(command) == 2
    assert exit_code([*command, "--overwrite"]) == 0
    [head, row] = capsys.readouterr().out.splitlines()
    assert head.split() == ["graph", "size", "opset", "to", "torch", "tiles", "to", "whole"]
    assert row.split()[1:] == ["0.0", "MB", "18", "2.5e-06", "0.0e+00"]


def exit_code(command: list[str]) -> Any:
    with pytest.raises(SystemExit) as stop:
        main(command)
    return stop.value.code


@pytest.mark.slow
@pytest.mark.parametrize("name", [*list_backbones(), "photofinish.residual", *PLUGINS])
def test_every_backbone_is_exported(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, Y = make_camera_pairs(12, image_size=96, random_state=0)
    model = ISPModel(make_backbone(name, monkeypatch), max_steps=5, random_state=0).fit(X, Y)
    written = export_onnx(model, tmp_path / "model.onnx")
    assert [graphs.direction for graphs in written] == ["forward", "inverse"]
    assert all(graphs.difference <= MAX_DIFFERENCE for graphs in written)
    if name == "parametric":  # its graphs always look up a table, which torch uses only for large images
        X, Y = ([np.kron(image, np.ones((6, 6, 1), np.float32)) for image in images[:1]] for images in (X, Y))
    for way, images, transform in (("forward", X, model.transform), ("inverse", Y, model.inverse_transform)):
        found = onnx_runner.OnnxModel(tmp_path / "model.onnx", way)(images[0], tile=40)
        np.testing.assert_allclose(found, transform(images[:1])[0], rtol=0, atol=MAX_DIFFERENCE)


def make_backbone(name: str, monkeypatch: pytest.MonkeyPatch) -> Backbone:
    """The backbone of a name, or that of a plugin's folder, which need not be installed."""
    if name in PLUGINS:
        monkeypatch.syspath_prepend(ROOT / "plugins" / name)
        [plugin] = import_module(name.replace("-", "_")).ispfit_backbones()
        return plugin()  # type: ignore[no-any-return]
    variants = {"photofinish.residual": lambda: Photofinish(residual=True)}
    return variants.get(name, get_backbone(name.split(".")[0]))()


def test_the_network_as_published_is_refused_with_the_reason(tmp_path: Path) -> None:
    X, Y = make_camera_pairs(2, image_size=32, random_state=0)
    model = ISPModel(HistPyramid.paper(channels=2), direction="forward", max_steps=1, random_state=0).fit(X, Y)
    with pytest.raises(BackboneError, match=r"cannot be exported .* without grids, the weights of cascaded poolings"):
        export_onnx(model, tmp_path / "model.onnx")
