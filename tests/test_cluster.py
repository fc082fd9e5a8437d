"""A search on a `dask.distributed` cluster, one of whose workers is killed in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from ispfit import ISPModel
from ispfit.datasets import make_camera_pairs

GRID = {"backbone__hidden": [4, 8], "max_steps": [150, 200]}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask sets the number of threads for its workers in our environment, and leaves it there."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.setenv(name, "1")  # to be put back as it was


@pytest.fixture
def client(tmp_path: Path, environment: None) -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path),
        ) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=120)
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
