"""A search on a `dask.distributed` cluster, one of whose workers is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from ispfit import ISPModel
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs
from ispfit.io import read_raw, write_srgb

GRID = {"backbone__hidden": [4, 8], "max_steps": [80, 100]}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask sets the number of threads for its workers in our environment, and leaves it there."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.setenv(name, "1")  # to be put back as it was


@pytest.fixture
def client(request: pytest.FixtureRequest, tmp_path: Path, environment: None) -> Iterator[Client]:
    """A cluster of two workers, or of the number that the test gives as the parameter."""
    n_workers = getattr(request, "param", 2)
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path),
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(n_workers, timeout=120)
        yield client


def search(X: Any, Y: Any) -> Any:
    model = ISPModel("mlp", direction="forward", window_size=16, device="cpu", random_state=0)
    return GridSearchCV(model, GRID, cv=3, refit=False, return_train_score=True, error_score="raise").fit(X, Y)


def kill_a_busy_worker(client: Client, killed: list[int]) -> None:
    """Wait until fits have been done and others are being done, then kill the process of one of these."""
    deadline, seen = time.monotonic() + 120, set[str]()
    while time.monotonic() < deadline:
        processing = client.processing()
        fits = {str(key) for calls in processing.values() for key in calls}
        seen |= fits
        busy = [address for address, calls in processing.items() if calls]
        if busy and len(seen - fits) >= 2:
            pids = client.run(os.getpid)
            os.kill(pids[busy[0]], signal.SIGKILL)
            killed.append(pids[busy[0]])
            return
        time.sleep(0.02)


@pytest.mark.slow  # starts a cluster and waits for its timeouts; a crash of a local worker is tested in test_jobs.py
@pytest.mark.filterwarnings("ignore::UserWarning:distributed")
def test_a_killed_worker_changes_nothing_but_the_time(client: Client) -> None:
    X, Y = make_camera_pairs(6, image_size=48, random_state=0)
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_busy_worker, args=(client, killed))
    killer.start()
    with joblib.parallel_config(backend="dask"):
        found = search(X, Y)
    killer.join()
    assert len(killed) == 1
    assert killed[0] not in client.run(os.getpid).values(), "another took its place"
    alone = search(X, Y)
    assert found.cv_results_["params"] == alone.cv_results_["params"]
    for name in ("mean_test_score", "mean_train_score", "split0_test_score", "rank_test_score"):
        np.testing.assert_allclose(found.cv_results_[name], alone.cv_results_[name], rtol=0, atol=1e-5)
    assert found.best_params_ == alone.best_params_


@pytest.mark.parametrize("client", [1], indirect=True)
@pytest.mark.filterwarnings("ignore::UserWarning:distributed")
def test_a_folder_is_rendered_on_a_cluster(client: Client, tmp_path: Path) -> None:
    X, Y = make_camera_pairs(5, image_size=48, random_state=0)
    model = ISPModel("mlp", direction="inverse", max_steps=2, device="cpu", random_state=0).fit(X, Y)
    model.save(tmp_path / "camera.ispfit")
    (tmp_path / "shots").mkdir()
    for index, srgb in enumerate(Y):
        write_srgb(tmp_path / "shots" / f"{index}.png", srgb)
    (tmp_path / "shots" / "bad.png").write_bytes(b"not a picture")
    arguments = ["derender", tmp_path / "camera.ispfit", tmp_path / "shots", "--json"]
    printed = []
    for name, more in (("here", ["--jobs", 1]), ("there", ["--cluster", client.scheduler.address])):
        with redirect_stdout(StringIO()) as output, pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in [*arguments, "-o", tmp_path / name, *more]])
        assert stop.value.code == 1
        printed.append(json.loads(output.getvalue()))
    assert len(printed[1]["written"]) == 5
    assert printed[1]["failures"] == printed[0]["failures"]
    assert "bad.png" in printed[1]["failures"][0]
    for index in range(5):
        images = [read_raw(tmp_path / name / f"{index}.tif") for name in ("here", "there")]
        np.testing.assert_allclose(images[0], images[1], rtol=0, atol=1.01 / 65535)  # threads round in other orders


def test_an_address_where_nobody_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X, Y = make_camera_pairs(2, image_size=48, random_state=0)
    ISPModel("mlp", direction="inverse", max_steps=1, random_state=0).fit(X, Y).save(tmp_path / "camera.ispfit")
    write_srgb(tmp_path / "0.png", Y[0])
    arguments = [
        "derender",
        tmp_path / "camera.ispfit",
        tmp_path / "0.png",
        "-o",
        tmp_path,
        "--cluster",
        "nonsense://x",
    ]
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 2
    assert "--cluster: no scheduler answers at nonsense://x" in capsys.readouterr().err
