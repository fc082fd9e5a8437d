"""`TensorBoard`: what it writes, read back."""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage
from tensorboardX.proto.event_pb2 import Event

from ispfit import ISPModel
from ispfit.callbacks import TensorBoard
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.errors import InputError


@pytest.fixture(scope="module")
def pairs() -> Any:
    return make_camera_pairs(4, image_size=32, random_state=0)


def events(folder: Path) -> Iterator[tuple[int, str, Any]]:
    """The step, tag and value of each event (TFRecord: length, checksum, data, checksum)."""
    [path] = folder.glob("events.*")
    data = path.read_bytes()
    while data:
        (length,) = struct.unpack_from("<Q", data)
        event = Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]
        yield from ((event.step, value.tag, value) for value in event.summary.value)


def test_losses_psnr_and_pictures_are_written(pairs: Any, tmp_path: Path) -> None:
    callback = TensorBoard(tmp_path, n_pictures=1, picture_every=2, size=16)
    model = ISPModel("mlp", max_steps=20, validation_fraction=0.25, random_state=0).set_callbacks(callback)
    model.fit(*pairs)
    found = list(events(tmp_path / "fit-1"))
    for direction, record in model.records_.items():
        losses = [(step, value.simple_value) for step, tag, value in found if tag == f"{direction}/loss"]
        assert losses == [(entry["step"], pytest.approx(entry["loss"])) for entry in record.history]
        psnrs = [value.simple_value for _, tag, value in found if tag == f"{direction}/validation_PSNR_dB"]
        assert psnrs == [pytest.approx(entry["psnr"], abs=1e-4) for entry in record.history]
    pictures = [value.image for _, tag, value in found if tag.startswith("forward/pair_1_input")]
    assert pictures
    shown = np.asarray(PILImage.open(io.BytesIO(pictures[-1].encoded_image_string)))
    assert shown.shape == (16, 64, 3)
    made, truth = shown[:, 16:32].astype(float), shown[:, 32:48].astype(float)
    np.testing.assert_allclose(shown[:, 48:], np.clip(4 * np.abs(made - truth), 0, 255), atol=8)


def test_each_fit_has_a_folder_of_its_own(pairs: Any, tmp_path: Path) -> None:
    model = ISPModel("curve", max_steps=1, random_state=0).set_callbacks(TensorBoard(tmp_path))
    model.fit(*pairs)
    model.fit(*pairs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit-1", "fit-2"]
    tags = {tag for _, tag, _ in events(tmp_path / "fit-2")}
    assert any(tag.startswith("forward/pair_1_input_output_truth") for tag in tags)  # without steps: at the end


def test_it_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    callback = TensorBoard(tmp_path, picture_every=3)
    callback.setup(None, None)
    again = pickle.loads(pickle.dumps(callback))
    callback.teardown(None, None)
    assert again.picture_every == 3
    again.on_fit_task_end(None, None, fitted_estimator=object())  # before setup: nothing


def test_without_its_writer_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r'pip install "ispfit\[tensorboard\]"'):
        TensorBoard("runs")


def test_fit_writes_it_from_the_command_line(tmp_path: Path) -> None:
    from ispfit.datasets import make_camera_roll

    make_camera_roll(tmp_path / "shots", 3, image_size=32, random_state=0)
    command = [
        "fit",
        str(tmp_path / "shots"),
        "-o",
        str(tmp_path / "m.ispfit"),
        "--backbone",
        "mlp",
        "--max-steps",
        "2",
    ]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--no-register", "--tensorboard", str(tmp_path / "runs")])
    assert stop.value.code == 0
    assert {"forward/loss", "inverse/loss"} <= {tag for _, tag, _ in events(tmp_path / "runs/fit-1")}
