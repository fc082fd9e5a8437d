"""Whatever is in a checkpoint, training resumes from it or raises a `CheckpointError`.

Each file is read in a worker process. The slow test mutates 5,000 files, the quick one 100.
"""

from __future__ import annotations

import json
import random
import resource
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import CPU, PLAN, Stopped, after_renders, fit, stop
from tensor_mutations import mutate, split, with_metadata
from toys import Restless, toy_pairs

from ispfit.errors import CheckpointError, TrainingError
from ispfit.jobs import run_jobs
from ispfit.training import Checkpoint
from ispfit.training.loop import _identity
from ispfit.training.run import TrainingRun

MOST_GROWTH = 100_000_000  # bytes
PLAN_OF_RUN = replace(PLAN, max_steps=80)  # whose evaluations are two steps apart, so that losses are pending


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run that was stopped between two evaluations."""
    path = tmp_path_factory.mktemp("checkpoints") / "seed"
    with pytest.raises(Stopped):
        fit(path, PLAN_OF_RUN, network=after_renders(10, stop))
    return path


@lru_cache
def begun_run() -> tuple[TrainingRun, dict[str, Any]]:
    torch.manual_seed(0)
    network, pairs = Restless().build(), toy_pairs()
    run = TrainingRun(network, pairs, None, PLAN_OF_RUN, CPU)
    return run, _identity(network, pairs, None, PLAN_OF_RUN, CPU)


def restore_mutated(job: tuple[Path, int]) -> str:
    """Restore a run from the mutated file of this number, and say what came of it; runs in a worker."""
    seed, number = job
    run, identity = begun_run()
    path = seed.with_name(f"mutated-{number}")
    path.write_bytes(mutate(seed.read_bytes(), "checkpoint", random.Random(number)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        saved = Checkpoint(path).read(identity, run.progress())
        assert saved is not None
        run.restore(saved)
        with suppress(TrainingError):  # if a weight is 1e20, so is the loss
            run.step()
        run.progress()
        result = "restored"
    except CheckpointError as error:
        result = "error" if str(error).startswith(f"{path}: ") and len(str(error)) < 3000 else f"message: {error}"
    if 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) > MOST_GROWTH:
        result = "too much memory"
    if result in {"restored", "error"}:
        path.unlink()
    return result


@pytest.mark.parametrize("count", [100, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_mutated_checkpoint_is_restored_or_an_error(checkpoint: Path, count: int) -> None:
    found = run_jobs(restore_mutated, [(checkpoint, number) for number in range(count)], n_jobs=1, time_limit=30)
    counts = Counter(found.results)
    print(f"checkpoints: {dict(counts)}")  # noqa: T201 - a figure, shown by pytest -s
    assert found.failures == [], "no other exception, no crash and no hang"
    assert set(counts) == {"restored", "error"}, "mutations neither break every file nor none"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"step": -1}, "step is -1, done is False"),
        ({"step": 81}, "step is 81, done is False"),
        ({"step": True}, "step is True"),
        ({"done": 1}, "done is 1"),
        ({"record": {}}, "missing 2 required positional arguments"),
        ({"scaler": {"scale": "x"}}, "its losses or its scaler hold more than numbers"),
    ],
)
def test_a_state_that_no_run_has_is_refused(checkpoint: Path, tmp_path: Path, changes: Any, reason: str) -> None:
    data = checkpoint.read_bytes()
    about = json.loads(split(data)[0]["__metadata__"]["checkpoint"]) | changes
    (tmp_path / "a").write_bytes(with_metadata(data, "checkpoint", json.dumps(about)))
    with pytest.raises(CheckpointError, match=rf"a: not a checkpoint of ispfit \(.*{reason}.*\); delete it to start"):
        fit(tmp_path / "a", PLAN_OF_RUN)


def test_tensors_of_another_run_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    data = checkpoint.read_bytes()
    for old, new, reason in (
        (b'"network.', b'"netwurk.', "it lacks the tensor 'network"),
        (b'"optimizer.0.', b'"optimizer.9.', "its optimizer has a state of an unknown parameter, '9'"),
        (b'"F32"', b'"I32"', "expected torch.float32"),
    ):
        assert old in data
        (tmp_path / "a").write_bytes(data.replace(old, new))
        with pytest.raises(CheckpointError, match=rf"not a checkpoint of ispfit \(.*{reason}"):
            fit(tmp_path / "a", PLAN_OF_RUN)
