"""A run that was killed or interrupted resumes to exactly the weights of an uninterrupted run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from runs import LONG, after_renders, equal, fit, step_of
from torch import Tensor

from ispfit.training import TrainingRecord

_SPAWNED = multiprocessing.get_context("forkserver")  # clean processes, forked from one that has imported torch
_SPAWNED.set_forkserver_preload(["ispfit.training", "torch._dynamo", "pytest"])  # Adam imports torch._dynamo


@pytest.fixture(scope="module")
def whole() -> tuple[dict[str, Tensor], TrainingRecord]:
    return fit(None)


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[dict[str, Tensor], TrainingRecord]:
    return fit(None, LONG)


def run(path: Path, result: Path) -> None:
    weights, record = fit(path, LONG)
    safetensors.torch.save_file(weights, result, {"record": json.dumps(asdict(record))})


def run_until_killed(path: Path, step: int, delay: float) -> None:
    """Resume training and kill the process `delay` seconds after a step began."""
    fit(path, LONG, network=after_renders(2 * step, lambda: threading.Timer(delay, kill_oneself).start()))


def end(target: Callable[..., None], *arguments: Any) -> int | None:
    """Run a function in a new process and return its exit code, or minus the signal that ended it."""
    process = _SPAWNED.Process(target=target, args=arguments, daemon=True)
    process.start()
    process.join(60)
    code: int | None = process.exitcode
    return code


def test_kill_9_again_and_again_changes_nothing(tmp_path: Path, uninterrupted: Any) -> None:
    path, result, steps = tmp_path / "a", tmp_path / "result", [-1]
    for delay in (0.0, 0.003, 0.007, 0.011):
        assert end(run_until_killed, path, 3, delay) == -signal.SIGKILL
        steps.append(step_of(path))
    assert steps == sorted(set(steps))
    assert steps[-1] < LONG.max_steps
    assert end(run, path, result) == 0
    with safetensors.safe_open(result, "pt") as file:
        record = TrainingRecord(**json.loads(file.metadata()["record"]))
    assert equal((safetensors.torch.load_file(result), record), uninterrupted)


def kill_oneself(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_file(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
    kill_oneself()


def rename_and_die(source: Path, target: Path) -> None:
    os.replace(source, target)  # noqa: PTH105 - Path.replace is what this stands in for
    kill_oneself()


MOMENTS = {
    "before anything is written": (Path, "write_bytes", kill_oneself),
    "half of the file is written": (Path, "write_bytes", half_a_file),
    "before the file is renamed": (Path, "replace", kill_oneself),
    "just after the file was renamed": (Path, "replace", rename_and_die),
}


def run_until(moment: str, step: int, path: Path) -> None:
    """Train, and kill the process at a moment of the write that follows a step."""
    place, name, death = MOMENTS[moment]
    fit(path, LONG, network=after_renders(step, lambda: setattr(place, name, death)))


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_9_within_a_write_leaves_the_old_state_or_the_new(tmp_path: Path, moment: str, uninterrupted: Any) -> None:
    path = tmp_path / "a"
    assert end(run_until, moment, 7, path) == -signal.SIGKILL
    assert step_of(path) == (
        4 if moment.startswith("just after") else 3
    )  # a step renders twice: to train and to validate
    assert equal(fit(path, LONG, every=3600), uninterrupted)


# Ctrl-C


def run_in_a_terminal(path: Path, ready: Path, go: Path) -> None:
    def pause() -> None:
        ready.touch()
        wait_for(go)

    try:
        fit(path, LONG, every=3600, network=after_renders(10, pause))
    except KeyboardInterrupt:
        sys.exit(42)


def wait_for(file: Path) -> None:
    end = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_ctrl_c_of_a_process_leaves_a_checkpoint(tmp_path: Path, uninterrupted: Any) -> None:
    path, ready, go = (tmp_path / name for name in ("a", "ready", "go"))
    process = _SPAWNED.Process(target=run_in_a_terminal, args=(path, ready, go), daemon=True)
    process.start()
    wait_for(ready)
    os.kill(process.pid, signal.SIGINT)
    go.touch()
    process.join(60)
    assert process.exitcode == 42
    assert step_of(path) == 6
    assert equal(fit(path, LONG, every=3600), uninterrupted)


@pytest.fixture
def handler() -> Iterator[Any]:
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores SIGINT for commands with `&`
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, previous)


def test_ctrl_c_ends_the_step_first(tmp_path: Path, handler: Any, whole: Any) -> None:
    network = after_renders(10, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "a", every=3600, network=network)
    assert step_of(tmp_path / "a") == 6
    assert signal.getsignal(signal.SIGINT) is handler
    assert equal(fit(tmp_path / "a", every=3600), whole)


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, handler: Any) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "a", every=3600, network=after_renders(10, twice))
    assert step_of(tmp_path / "a") == 0
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_without_a_checkpoint_still_stops(handler: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(None, network=after_renders(10, lambda: signal.raise_signal(signal.SIGINT)))
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_thread_can_train(whole: Any) -> None:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(fit(None)))
    thread.start()
    thread.join()
    assert equal(results[0], whole)


def test_signals_that_are_ignored_or_left_to_the_system_stay_so(handler: Any, whole: Any) -> None:
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    network = after_renders(10, lambda: signal.raise_signal(signal.SIGINT))
    assert equal(fit(None, network=network), whole)
    assert signal.getsignal(signal.SIGTERM) is before
