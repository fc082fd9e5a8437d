"""Whatever is in a model file, loading it gives a model or a `ModelFileError`, at the cost of the file's own size.

Each file is loaded in a worker process. The slow test mutates 5,000 files, the quick one 100.
"""

from __future__ import annotations

import json
import random
import resource
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import brief_photofinish, small
from tensor_mutations import join, mutate, split, with_metadata
from toys import Line, LineNetwork, toy_pairs

import ispfit
from ispfit import ISPModel, list_backbones
from ispfit.errors import ModelFileError
from ispfit.jobs import run_jobs

MOST_GROWTH = 100_000_000  # bytes
MOST_SECONDS = 30  # for one file, on any machine

HOSTILE_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("mlp", {"layers": 200_000}),
    ("mlp", {"layers": 10**7}),
    ("mlp", {"hidden": 10**6, "layers": 3}),
    ("histpyramid", {"channels": 10**7}),
    ("histpyramid", {"grids": [4] * 100_000}),
    ("histpyramid", {"bins": 10**9}),
    ("histpyramid", {"bins": 10**6}),
    ("srcnn", {"layers": 10**7}),
    ("srcnn", {"layers": 10**6}),
    ("curve", {"nodes": 10**9}),
    ("curve", {"nodes": 10**6}),
    ("photofinish", {"max_shots": 10**6}),
    ("parametric", {"control_points": 10**6}),
    ("hypercolumn", {"width": 1e300}),
    ("fcn", {"width": 1000.0}),
    ("mlp", {"hidden": {"a": 1}}),
    ("mlp", {"initialisation": "x" * 10**6}),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model of each backbone."""
    folder = tmp_path_factory.mktemp("models")
    for name in list_backbones():
        fitted = ISPModel(small(name), max_steps=2, batch_size=2, windows_per_image=2, window_size=8, random_state=0)
        with brief_photofinish():
            fitted.fit(*toy_pairs(2, 16)).save(folder / f"{name}.ispfit")
    return folder


def load_hostile(path: Path) -> tuple[str, float, int]:
    """Return the message ("" if there is none), the seconds and the growth in bytes of loading a file; in a worker."""
    ispfit.load(path.parent / "warm-up.ispfit", device="cpu")
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    message = ""
    try:
        ispfit.load(path, device="cpu")
    except ModelFileError as error:
        message = str(error)
    growth = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return message, time.process_time() - started, growth


def with_settings(data: bytes, settings: dict[str, Any]) -> bytes:
    about = json.loads(split(data)[0]["__metadata__"]["ispfit"])
    about["backbone"]["settings"] |= settings
    return with_metadata(data, "ispfit", json.dumps(about))


def test_settings_cost_no_more_than_the_file_holds(models: Path) -> None:
    (models / "warm-up.ispfit").write_bytes((models / "mlp.ispfit").read_bytes())
    paths = [models / f"hostile-{number}.ispfit" for number in range(len(HOSTILE_SETTINGS))]
    for path, (name, settings) in zip(paths, HOSTILE_SETTINGS, strict=True):
        path.write_bytes(with_settings((models / f"{name}.ispfit").read_bytes(), settings))
    found = run_jobs(load_hostile, paths, n_jobs=1, time_limit=MOST_SECONDS)
    assert found.failures == []
    print(f"settings: {max(seconds for _, seconds, _ in found.results):.2f} s at most")  # noqa: T201 - a figure
    for case, (message, _, growth) in zip(HOSTILE_SETTINGS, found.results, strict=True):
        assert "its weights do not fit the installed backbone" in message, case
        assert growth < MOST_GROWTH, case


@pytest.mark.parametrize("name", list_backbones())
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_weights_that_are_not_finite_are_refused(models: Path, tmp_path: Path, name: str, value: float) -> None:
    header, tensors = split((models / f"{name}.ispfit").read_bytes())
    floats = [entry for key, entry in header.items() if key != "__metadata__" and entry["dtype"] == "F32"]
    start = next(entry["data_offsets"] for entry in floats if entry["data_offsets"][1] > entry["data_offsets"][0])[0]
    changed = tensors[:start] + np.float32(value).tobytes() + tensors[start + 4 :]
    (tmp_path / "a").write_bytes(join(json.dumps(header), changed))
    with pytest.raises(ModelFileError, match=r"its tensor '.+' holds NaN, infinite values or values above 1e\+30"):
        ispfit.load(tmp_path / "a")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "its metadata are nested too deeply"),
        ('{"a":' * 20 + "1" + "}" * 20, "its metadata are nested too deeply"),
        ('{"format": NaN}', "its metadata holds the number NaN"),
        ('{"format": 1, "seconds": 1e999}', "its metadata holds the number inf"),
        ('{"format": 1, "steps": 1' + "0" * 30 + "}", r"its metadata holds the number 1\.000e\+30"),
        ('{"format": 1, "steps": 1' + "0" * 6000 + "}", "Exceeds the limit"),
        ('{"format": 1, "notes": [' + "0," * 300_000 + "0]}", "its metadata hold more than 200000 values"),
        ("[]", "it has no metadata of ispfit"),
    ],
)
def test_metadata_that_no_model_has_are_refused(models: Path, tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a").write_bytes(with_metadata((models / "mlp.ispfit").read_bytes(), "ispfit", text))
    with pytest.raises(ModelFileError, match=rf"a: not a model file of ispfit \({reason}.*\); expected one written"):
        ispfit.load(tmp_path / "a")


def test_a_header_larger_than_any_is_not_parsed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(join(" " * 5_000_000, b""))
    with pytest.raises(ModelFileError, match=r"its header claims 5000000 bytes"):
        ispfit.load(tmp_path / "a")


@pytest.mark.parametrize("origin", ["evil-pkg 1", "", None, 5, [], "x" * 10_000, "\x1b[31mred"])
def test_what_a_file_says_of_its_plugin_is_its_claim(models: Path, tmp_path: Path, origin: Any) -> None:
    data = (models / "mlp.ispfit").read_bytes()
    about = json.loads(split(data)[0]["__metadata__"]["ispfit"])
    about["backbone"] |= {"name": "no-such", "origin": origin}
    (tmp_path / "a").write_bytes(with_metadata(data, "ispfit", json.dumps(about)))
    with pytest.raises(ModelFileError, match="needs the backbone 'no-such', which is not installed") as caught:
        ispfit.load(tmp_path / "a")
    message = str(caught.value)
    assert "that is the file's own claim: install only what you know and trust." in message
    assert "pip install" not in message
    assert "\x1b" not in message
    assert len(message) < 400 + len(str(tmp_path))
    if origin == "evil-pkg 1":
        assert "The file says that it came with 'evil-pkg 1'" in message


@pytest.mark.usefixtures("toy_plugin")
def test_a_plugin_whose_network_reads_its_own_weights_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the meta device there are none to read, so such a network is built with data, under the same bound."""
    build = LineNetwork.__init__

    def read_weights(network: LineNetwork, gain: float) -> None:
        build(network, gain)
        network.start = float(network.conv.weight.detach().sum())
        for _ in range(round(gain)):
            torch.zeros(1)

    monkeypatch.setattr(LineNetwork, "__init__", read_weights)
    fitted = ISPModel(Line(gain=2.0), max_steps=1, window_size=8, random_state=0).fit(*toy_pairs(4, 16))
    fitted.save(tmp_path / "a")
    X, _ = toy_pairs(2, 16)
    np.testing.assert_array_equal(ispfit.load(tmp_path / "a").transform(X), fitted.transform(X))
    hostile = with_settings((tmp_path / "a").read_bytes(), {"gain": 10**8})
    (tmp_path / "a").write_bytes(hostile)
    with pytest.raises(ModelFileError, match="its settings describe a larger network than its weights"):
        ispfit.load(tmp_path / "a")


@lru_cache
def seeds_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*.ispfit")) if path.stem in list_backbones()]


def load_mutated(job: tuple[Path, int]) -> tuple[str, float]:
    """Load the mutated file of this number, and return what came of it and the seconds it took; runs in a worker."""
    folder, number = job
    rng = random.Random(number)
    path = folder / f"mutated-{number}"
    path.write_bytes(mutate(rng.choice(seeds_of(folder)), "ispfit", rng))
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        model = ispfit.load(path, device="cpu")
        result = "model" if all(_finite(network) for network in model.networks_.values()) else "NaN"
    except ModelFileError as error:
        result = "error" if str(error).startswith(f"{path}: ") and len(str(error)) < 1000 else f"message: {error}"
    seconds = time.process_time() - started
    if 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) > MOST_GROWTH:
        result = "too much memory"
    if result in {"model", "error"}:
        path.unlink()
    return result, seconds


def _finite(network: Any) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


@pytest.mark.parametrize("count", [100, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_mutated_file_is_a_model_or_an_error(models: Path, count: int) -> None:
    found = run_jobs(load_mutated, [(models, number) for number in range(count)], n_jobs=1, time_limit=MOST_SECONDS)
    counts, slowest = Counter(result for result, _ in found.results), max(seconds for _, seconds in found.results)
    print(f"model files: {dict(counts)}, {slowest:.2f} s at most")  # noqa: T201 - figures, shown by pytest -s
    assert found.failures == [], "no other exception, no crash and no hang"
    assert set(counts) == {"model", "error"}, "mutations neither break every file nor none"
