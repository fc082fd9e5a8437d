"""Camera models as ONNX graphs: onnxruntime against torch, at other sizes, in tiles, without ispfit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from ispfit import Backbone, ISPModel, Network, Scene, Window, list_backbones
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.errors import BackboneError, InputError
from ispfit.formats import onnx_export, onnx_runner
from ispfit.formats.onnx_export import MAX_DIFFERENCE, export_onnx
from ispfit.plugins import manager


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


class BranchingNetwork(SceneNetwork):
    def describe(self, image: torch.Tensor) -> Scene:
        return super().describe(image if image.mean() > 0.1 else 2 * image)


@pytest.fixture(scope="module")
def pairs() -> Any:
    return make_camera_pairs(4, image_size=48, random_state=0)


@pytest.fixture(scope="module")
def exported(pairs: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[ISPModel, Path, Any]:
    model = ISPModel(WithScene(), max_steps=2, random_state=0).fit(*pairs)
    path = tmp_path_factory.mktemp("onnx") / "camera.v1.onnx"
    return model, path, export_onnx(model, path)


def test_graphs_of_both_directions_are_checked_and_say_what_they_are(exported: Any) -> None:
    _, path, written = exported
    assert [graphs.direction for graphs in written] == ["forward", "inverse"]
    names = [f"camera.v1-{way}-{graph}.onnx" for way in ("forward", "inverse") for graph in ("describe", "render")]
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
            assert file.stem.endswith(about["graph"])


@pytest.mark.parametrize(("shape", "tile"), [((31, 45), 16), (64, 64), ((1, 9), 4), ((200, 50), 1000)], ids=str)
def test_any_size_runs_as_in_torch(exported: Any, shape: Any, tile: int) -> None:
    model, path, _ = exported
    image = np.random.default_rng(1).random((*(shape if isinstance(shape, tuple) else (shape, shape)), 3), np.float32)
    for way, transform in (("forward", model.transform), ("inverse", model.inverse_transform)):
        found = onnx_runner.OnnxModel(path, way)(image, tile=tile)
        np.testing.assert_allclose(found, transform([image])[0], atol=1e-5)


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


def test_what_stands_in_the_way_is_told_and_nothing_is_written(pairs: Any, tmp_path: Path) -> None:
    model = ISPModel(WithScene(), direction="forward", max_steps=1, random_state=0).fit(*pairs)
    model.networks_["forward"] = BranchingNetwork()
    with pytest.raises(BackboneError, match=r"with-scene, forward: cannot be exported .* branches on the values of"):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_operation_without_a_counterpart_is_named() -> None:
    error = RuntimeError("outer")
    error.__cause__ = RuntimeError("No ONNX function found for <OpOverload(op='aten.cdist', overload='default')>.")
    assert "aten.cdist" in onnx_export._reason(error)


def test_graphs_that_differ_are_not_written(pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "_OPSETS", (18,))
    monkeypatch.setattr(onnx_export, "_measure", lambda *arguments: (0.25, 0.0))
    model = ISPModel("curve", direction="forward", max_steps=1, random_state=0).fit(*pairs)
    with pytest.raises(BackboneError, match=r"the graph's output differs from torch's by 0.25"):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments_are_told(pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ISPModel("mlp", direction="forward", max_steps=1, random_state=0).fit(*pairs)
    with pytest.raises(InputError, match=r"expected a file name that ends in .onnx, got 'model.pt'"):
        export_onnx(model, tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"the model has no 'inverse', but forward"):
        export_onnx(model, tmp_path / "model.onnx", ("inverse",))
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r'onnxscript is missing: pip install "ispfit\[onnx\]"'):
        export_onnx(model, tmp_path / "model.onnx")


def test_the_command_prints_the_differences(pairs: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ISPModel("mlp", direction="forward", max_steps=1, random_state=0).fit(*pairs).save(tmp_path / "m.ispfit")
    command = ["export", str(tmp_path / "m.ispfit"), "-o", str(tmp_path / "m.onnx")]
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 0
    [head, row] = capsys.readouterr().out.splitlines()
    assert head.split() == ["graph", "size", "opset", "to", "torch", "tiles", "to", "whole"]
    assert float(row.split()[-2]) <= MAX_DIFFERENCE
    with pytest.raises(SystemExit) as stop:
        main(command)
    assert stop.value.code == 2
    assert "m-forward-render.onnx" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main([*command, "--overwrite", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["direction"] == "forward"


@pytest.mark.slow
@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_is_exported(name: str, tmp_path: Path) -> None:
    X, Y = make_camera_pairs(12, image_size=96, random_state=0)
    model = ISPModel(manager.get_backbone(name)(), max_steps=5, random_state=0).fit(X, Y)
    written = export_onnx(model, tmp_path / "model.onnx")
    assert [graphs.direction for graphs in written] == list(model.networks_)
    assert all(graphs.difference <= MAX_DIFFERENCE for graphs in written)
