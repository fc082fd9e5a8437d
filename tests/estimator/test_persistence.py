"""Model files are exact and safe to open, and other files are refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from small import small
from toys import Gamma, LeastSquares, Line, Restless, toy_pairs

import ispfit
from ispfit import ISPModel, list_backbones
from ispfit.backbones.mlp import MLP
from ispfit.datasets import make_camera_pairs
from ispfit.errors import FileError, InputError, ModelFileError
from ispfit.estimator.persistence import FORMAT, to_json
from ispfit.plugins.manager import forget_plugins
from ispfit.training import TrainingRecord

SETTINGS: dict[str, Any] = {
    "max_steps": 3,
    "batch_size": 2,
    "windows_per_image": 2,
    "window_size": 8,
    "validation_fraction": 0.3,
    "device": "cpu",
    "random_state": 0,
}


def fit(backbone: Any, **changes: Any) -> ISPModel:
    return ISPModel(backbone, **SETTINGS | changes).fit(*toy_pairs(4, 16))


def images(model: ISPModel) -> Any:
    X, Y = toy_pairs(2, 16)
    return np.stack(model.transform(X) + model.inverse_transform(Y))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model.isp"
    fit(MLP(hidden=4)).save(path)
    return path


def changed(source: Path, target: Path, **changes: Any) -> Path:
    """A copy of a model file with other metadata, and with tensors that start with ``drop`` left out."""
    drop = changes.pop("drop", "nothing")
    tensors = {name: value for name, value in safetensors.torch.load_file(source).items() if not name.startswith(drop)}
    safetensors.torch.save_file(tensors, target, {"ispfit": json.dumps(about(source) | changes)})
    return target


def about(path: Path) -> dict[str, Any]:
    with safetensors.safe_open(path, "pt") as opened:
        return dict(json.loads(opened.metadata()["ispfit"]))


@pytest.mark.usefixtures("brief_photofinish")
@pytest.mark.parametrize("name", list_backbones())
def test_every_backbone_comes_back_exactly(name: str, tmp_path: Path) -> None:
    model = fit(small(name))
    model.save(tmp_path / "a")
    loaded = ispfit.load(tmp_path / "a", device="cpu")
    np.testing.assert_array_equal(images(loaded), images(model))
    assert to_json(loaded.backbone_.settings()) == to_json(model.backbone_.settings())


@pytest.mark.parametrize("backbone", [Line(gain=2.0), Restless(), LeastSquares(), Gamma()])
@pytest.mark.usefixtures("toy_plugin")
def test_a_plugin_s_backbone_comes_back_exactly(backbone: Any, tmp_path: Path) -> None:
    model = fit(backbone)
    model.save(tmp_path / "a")
    np.testing.assert_array_equal(images(ispfit.load(tmp_path / "a", device="cpu")), images(model))
    assert about(tmp_path / "a")["backbone"] == {
        "name": backbone.name,
        "origin": "ispfit-toys 1.2",
        "settings": backbone.settings(),
    }


@pytest.mark.usefixtures("toy_plugin")
def test_an_invertible_network_is_written_once(tmp_path: Path) -> None:
    fit(Gamma()).save(tmp_path / "a")
    assert list(safetensors.torch.load_file(tmp_path / "a")) == ["forward.logs"]
    loaded = ispfit.load(tmp_path / "a", device="cpu")
    assert set(loaded.networks_) == {"forward", "inverse"}


def test_a_loaded_model_is_the_one_that_was_saved(file: Path) -> None:
    loaded = ispfit.load(file)
    assert repr(loaded) == repr(
        ISPModel(MLP(hidden=4), **SETTINGS | {"device": "auto"})
    )  # the device is where it is loaded
    assert loaded.camera_ == "Toy One"
    assert loaded.records_["forward"].steps == 3
    assert len(loaded.records_["inverse"].history) == 3
    assert not any(network.training for network in loaded.networks_.values())


def test_a_loaded_model_can_be_fitted_on(file: Path, tmp_path: Path) -> None:
    loaded = ispfit.load(file, device="cpu").set_params(warm_start=True).fit(*toy_pairs(4, 16))
    assert loaded.records_["forward"].steps == 6
    loaded.save(tmp_path / "a")
    np.testing.assert_array_equal(images(ispfit.load(tmp_path / "a")), images(loaded))


def test_one_direction_comes_back_alone(tmp_path: Path) -> None:
    fit("mlp", direction="inverse").save(tmp_path / "a")
    assert set(ispfit.load(tmp_path / "a").networks_) == {"inverse"}


def test_the_metadata_can_be_read_by_anybody(file: Path) -> None:
    found = about(file)
    assert found["format"] == FORMAT
    assert found["version"] == ispfit.__version__
    assert found["backbone"] == {
        "name": "mlp",
        "origin": f"ispfit {ispfit.__version__}",
        "settings": {"hidden": 4, "layers": 2, "initialisation": "torch"},
    }
    assert found["directions"] == ["forward", "inverse"]
    assert found["camera"] == "Toy One"
    assert found["parameters"]["max_steps"] == 3


def test_numbers_of_numpy_are_saved(tmp_path: Path) -> None:
    fit(MLP(hidden=np.int64(4)), max_steps=np.int32(3), verbose=np.bool_(False)).save(tmp_path / "a")
    assert ispfit.load(tmp_path / "a").backbone_.settings() == MLP(hidden=4).settings()


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(3)])
def test_a_random_state_that_is_no_number_is_left_out(tmp_path: Path, random_state: Any) -> None:
    fit("mlp", random_state=random_state).save(tmp_path / "a")
    assert ispfit.load(tmp_path / "a").random_state is None


def test_a_parameter_that_is_no_json_is_named(tmp_path: Path) -> None:
    model = fit(MLP(hidden=4))
    model.backbone_.hidden = {4}  # type: ignore[attr-defined]
    message = r"its backbone, 'mlp' with \{'hidden': \{4\}, .*cannot be saved \(\{4\} is not JSON\); use finite numbers"
    with pytest.raises(InputError, match=message):
        model.save(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_backbone_with_another_s_name_is_not_saved(tmp_path: Path) -> None:
    class Mine(MLP):
        pass

    message = (
        r"Mine has the name 'mlp' of MLP from ispfit .*, which would be loaded in its place; give it a name of its"
    )
    with pytest.raises(InputError, match=message):
        fit(Mine(hidden=4)).save(tmp_path / "a")


# Writing


def test_a_model_that_cannot_be_written_leaves_the_old_one(file: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    (tmp_path / "a").write_bytes(b"old")
    model = ispfit.load(file)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(FileError, match=r"a: cannot be written: File too large\."):
            model.save(tmp_path / "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_a_missing_folder_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"there is no folder .*nowhere"):
        ispfit.load(file).save(tmp_path / "nowhere" / "a")


# Files that are no models


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=rf"^{re.escape(str(tmp_path / 'a'))}: no such model file\.$"):
        ispfit.load(tmp_path / "a")
    with pytest.raises(ModelFileError, match="no such model file"):
        ispfit.load(tmp_path)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_a_pickle_is_refused_and_not_run(tmp_path: Path, write: Any) -> None:
    buffer = io.BytesIO()
    write(Trap(tmp_path / "trapped"), buffer)
    (tmp_path / "a").write_bytes(buffer.getvalue())
    with pytest.raises(ModelFileError, match=r"a: not a model file of ispfit \(.+\); expected one written by ISPMod"):
        ispfit.load(tmp_path / "a")
    assert not (tmp_path / "trapped").exists()
    pickle.loads(pickle.dumps(Trap(tmp_path / "trapped")))
    assert (tmp_path / "trapped").exists()  # the trap works


@pytest.mark.parametrize("garbage", [b"", b"\0", b"garbage", b"\xff" * 100, b"{}" * 50, bytes(4096)])
def test_garbage_is_refused(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "a").write_bytes(garbage)
    with pytest.raises(ModelFileError, match=r"a: not a model file of ispfit \(.+\); expected one written by ISPModel"):
        ispfit.load(tmp_path / "a")


def test_a_truncated_file_is_refused_at_any_length(file: Path, tmp_path: Path) -> None:
    data = file.read_bytes()
    for length in {*range(0, len(data), max(1, len(data) // 60)), 7, 8, 9, len(data) - 1}:
        (tmp_path / "a").write_bytes(data[:length])
        with pytest.raises(ModelFileError, match="not a model file of ispfit"):
            ispfit.load(tmp_path / "a")


def test_a_file_with_something_behind_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(file.read_bytes() + b"x")
    with pytest.raises(ModelFileError, match="not a model file of ispfit"):
        ispfit.load(tmp_path / "a")


@pytest.mark.parametrize(
    "metadata",
    [None, {"other": "x"}, {"ispfit": "no JSON"}, {"ispfit": "[]"}, {"ispfit": "{}"}, {"ispfit": '{"format": "x"}'}]
    + [{"ispfit": json.dumps({"format": value})} for value in (-1, 0, True, None)],
)
def test_other_safetensors_are_refused(tmp_path: Path, metadata: Any) -> None:
    safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "a", metadata)
    with pytest.raises(ModelFileError, match=r"a: not a model file of ispfit \(.+\); expected one written by ISPModel"):
        ispfit.load(tmp_path / "a")


def test_a_newer_format_says_what_to_install(file: Path, tmp_path: Path) -> None:
    path = changed(file, tmp_path / "a", format=FORMAT + 1, version="9.1")
    message = (
        f"{path}: written by ispfit '9.1' in format {FORMAT + 1}, this one reads format {FORMAT}; "
        "pip install --upgrade ispfit."
    )
    with pytest.raises(ModelFileError, match=re.escape(message)):
        ispfit.load(path)


def test_a_missing_plugin_says_what_to_install(tmp_path: Path, toy_plugin: None, monkeypatch: Any) -> None:
    fit(Line()).save(tmp_path / "a")
    monkeypatch.setenv("ISPFIT_DISABLE_PLUGINS", "toys")
    forget_plugins()
    message = (
        f"{tmp_path / 'a'}: needs the backbone 'line', which is not installed. The file says that it came with "
        "'ispfit-toys 1.2'; that is the file's own claim: install only what you know and trust."
    )
    with pytest.raises(ModelFileError, match=re.escape(message)):
        ispfit.load(tmp_path / "a")


def test_a_backbone_that_nobody_registered_can_be_saved_and_loaded_once_it_is(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = fit(Line())
    model.save(tmp_path / "a")
    message = (
        "needs the backbone 'line', which is not installed. The file says that no plugin registered it; register its "
        "class with @ispfit.hookimpl."
    )
    with pytest.raises(ModelFileError, match=re.escape(message)):
        ispfit.load(tmp_path / "a")
    request.getfixturevalue("toy_plugin")
    np.testing.assert_array_equal(images(ispfit.load(tmp_path / "a")), images(model))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"drop": "inverse.body.0.weight"}, r"it lacks the tensor 'inverse\.body\.0\.weight'"),
        (
            {"backbone": {"name": "mlp", "settings": {"hidden": 5}}},
            r"its tensor 'forward\.body\.0\.weight' has the shape \(4, 3, 1, 1\), expected \(5, 3, 1, 1\)",
        ),
        ({"directions": ["forward"]}, r"its tensor 'inverse\.body\.0\.bias' is unknown"),
        ({"backbone": {"name": "mlp", "settings": {"nodes": 5}}}, "TypeError: .*'nodes'"),
        ({"backbone": {"name": "mlp"}}, "TypeError: settings in its metadata: expected a dict, got None"),
        ({"backbone": 3}, "TypeError: backbone in its metadata: expected a dict, got 3"),
        ({"directions": 3}, "TypeError: directions in its metadata: expected a list, got 3"),
        ({"directions": {"forward": 1}}, "TypeError: directions in its metadata: expected a list"),
        ({"directions": []}, r"directions in its metadata: expected some of \['forward', 'inverse'\], got \[\]"),
        ({"directions": ["forward"] * 100_000}, "directions in its metadata: expected some of"),
        ({"records": 3}, "TypeError: records in its metadata: expected a dict, got 3"),
        ({"records": {"forward": {"steps": 3}}}, "TypeError: .*'n_train'"),
        ({"records": {"forward": None}}, "TypeError: forward in its metadata: expected a dict, got None"),
        ({"records": {}}, "TypeError: forward in its metadata: expected a dict, got None"),
        ({"parameters": {"max_steps": [1]}}, "TypeError: parameter 'max_steps': expected a number"),
        ({"camera": ["x"]}, r"TypeError: camera in its metadata: expected a name or null, got \['x'\]"),
        ({"camera": "x" * 1000}, "TypeError: camera in its metadata: expected a name or null"),
    ],
)
def test_weights_that_do_not_fit_are_told(file: Path, tmp_path: Path, changes: Any, reason: str) -> None:
    path = changed(file, tmp_path / "a", **changes)
    message = (
        rf"a: its weights do not fit the installed backbone \({reason}.*\); it was written by ispfit '[\d.]+' with "
    )
    with pytest.raises(ModelFileError, match=message):
        ispfit.load(path)


def test_a_model_of_half_precision_works_anywhere(tmp_path: Path) -> None:
    X, Y = make_camera_pairs(2, image_size=24, random_state=0)
    model = ISPModel("mlp", max_steps=1, random_state=0).fit(X, Y)
    model.set_params(precision="fp16").save(tmp_path / "m.ispfit")
    assert ispfit.load(tmp_path / "m.ispfit", device="cpu").transform(X[:1])[0].shape == (24, 24, 3)


def test_what_a_later_version_adds_to_a_record_is_left_out() -> None:
    record = TrainingRecord(3, 1, steps=7)
    assert TrainingRecord.from_dict(asdict(record) | {"novelty": 1}) == record


def test_a_record_of_the_wrong_kind_is_refused() -> None:
    record = asdict(TrainingRecord(3, 1, steps=7))
    for changes in ({"steps": -1}, {"seconds": "x"}, {"history": [{}]}, {"notes": [1]}, {"stopped_early": None}):
        with pytest.raises(TypeError, match="its training record has fields of the wrong kind"):
            TrainingRecord.from_dict(record | changes)


def test_the_color_matrix_is_kept(file: Path, tmp_path: Path) -> None:
    model = ispfit.load(file)
    assert model.color_matrix_ is None
    model.color_matrix_ = np.array([[0.8, -0.2, -0.1], [-0.4, 1.2, 0.2], [0.0, 0.1, 0.6]])
    model.save(tmp_path / "with.isp")
    np.testing.assert_array_equal(ispfit.load(tmp_path / "with.isp").color_matrix_, model.color_matrix_)


@pytest.mark.parametrize(
    "matrix", [[[1, 0], [0, 1]], [[1, 0, 0]] * 3, [[1e9, 0, 0], [0, 1, 0], [0, 0, 1]], "D65", [["a"] * 3] * 3], ids=str
)
def test_a_wrong_color_matrix_is_refused(file: Path, tmp_path: Path, matrix: Any) -> None:
    path = changed(file, tmp_path / "wrong.isp", color_matrix=matrix)
    with pytest.raises(ModelFileError, match="color_matrix in its metadata: expected 3 rows of 3 numbers"):
        ispfit.load(path)
