"""Work on many files in parallel: no file, whatever is in it, takes down the others.

Each worker is a process of its own that is fresh, not forked (LibRaw's OpenMP would deadlock), and has one item at
a time. So a decoder that crashes, or does not come back, is known by its file; its worker is replaced. On a cluster
(``joblib.parallel_config(backend="dask")``) this is the cluster's business.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from joblib import Parallel, cpu_count, delayed
from joblib._parallel_backends import LokyBackend, MultiprocessingBackend, SequentialBackend, ThreadingBackend
from joblib.externals.loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError
from joblib.parallel import get_active_backend
from tqdm import tqdm

from ispfit.errors import IspfitError

__all__ = ["Outcome", "run_jobs"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_IDLE_SECONDS = 300
_idle: dict[int, list[ProcessPoolExecutor]] = {}
"""Workers that wait for more work, by their number of threads: a start costs a second of imports."""


@dataclass
class Outcome(Generic[Result]):
    """What came of many items, in their order.

    Parameters
    ----------
    results : of the items that did not fail.
    failures : why the others failed.
    failed : the positions of those others.
    """

    results: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)


def run_jobs(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    jobs: int | None = None,
    time_limit: float = 600,
    label: str = "",
    unit: str = "file",
    describe: Callable[[Item], str] = str,
    crash: str = "crashed its decoder, or ran out of memory; the file is damaged or of an unknown kind.",
) -> Outcome[Result]:
    """Call `work` on each item in worker processes; an item that fails is noted and sinks nothing.

    Parameters
    ----------
    work : a module's function or a partial of one; what it says with an `IspfitError` or `OSError` is noted.
        Other exceptions are defects of `work` and are raised.
    items : one a file.
    jobs : processes; None takes one for each core if there are files enough to be worth it.
    time_limit : seconds after which an item has failed.
    label, unit : of the progress bar, which only a terminal sees.
    describe : names an item where it crashed its worker or took too long.
    crash : what is said of an item that ended its worker.

    Examples
    --------
    >>> import os
    >>> outcome = run_jobs(os.path.getsize, [os.devnull, "/no/such/file"], jobs=1)
    >>> outcome.results
    [0]
    >>> outcome.failures
    ["[Errno 2] No such file or directory: '/no/such/file'"]
    """
    jobs = min(jobs or (1 if len(items) < 4 else cpu_count()), max(1, len(items)))
    answers = (
        _cluster_answers(work, items) if _on_cluster() else _answers(work, items, jobs, time_limit, describe, crash)
    )
    found: dict[int, tuple[Any, str | None]] = {}
    with warnings.catch_warnings(), tqdm(total=len(items), desc=label, unit=unit, disable=None) as bar:
        # Loky replaces a worker that has grown, and warns; where warnings are errors that ended its thread: a hang.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        for index, answer in answers:
            result, failure = answer
            name = describe(items[index])
            found[index] = (result, failure if failure is None or name in failure else f"{name}: {failure}")
            bar.update()
    ordered = [found[index] for index in range(len(items))]
    return Outcome(
        [result for result, failure in ordered if failure is None],
        [failure for _, failure in ordered if failure is not None],
        [index for index, (_, failure) in enumerate(ordered) if failure is not None],
    )


def _on_cluster() -> bool:
    """Whether the caller has chosen a backend of joblib that is not one of its own: dask, ray."""
    backend, _ = get_active_backend()
    return not isinstance(backend, LokyBackend | SequentialBackend | MultiprocessingBackend | ThreadingBackend)


def _cluster_answers(
    work: Callable[[Item], Any], items: Sequence[Item]
) -> Iterator[tuple[int, tuple[Any, str | None]]]:
    calls = (delayed(_numbered)(work, index, item) for index, item in enumerate(items))
    yield from Parallel(return_as="generator_unordered", batch_size=1)(calls)


def _numbered(work: Callable[[Item], Any], index: int, item: Item) -> tuple[int, tuple[Any, str | None]]:
    return index, _guarded(work, item, 1)


def _answers(
    work: Callable[[Item], Any],
    items: Sequence[Item],
    jobs: int,
    time_limit: float,
    describe: Callable[[Item], str],
    crash: str,
) -> Iterator[tuple[int, tuple[Any, str | None]]]:
    """Index, and result or failure, of each item as it is done."""
    threads = max(1, cpu_count() // jobs)
    pending, running = iter(enumerate(items)), dict[Future[Any], _Task]()
    try:
        while True:
            while len(running) < jobs and (following := next(pending, None)) is not None:
                task = _Task(following[0], _worker(threads), time.monotonic() + time_limit)
                running[task.worker.submit(_guarded, work, following[1], threads)] = task
            if not running:
                return
            patience = min(task.deadline for task in running.values()) - time.monotonic()
            wait(running, timeout=max(0, patience), return_when=FIRST_COMPLETED)
            for future, task in list(running.items()):
                if future.done() or time.monotonic() >= task.deadline:
                    del running[future]
                    name = describe(items[task.index])
                    yield task.index, _answer(future, task.worker, name, threads, time_limit, crash)
    finally:
        for task in running.values():
            task.worker.shutdown(wait=False, kill_workers=True)


@dataclass(frozen=True)
class _Task:
    index: int
    worker: ProcessPoolExecutor
    deadline: float


def _worker(threads: int) -> ProcessPoolExecutor:
    """An executor of one process, so that it is known which item it had when it died."""
    if waiting := _idle.get(threads):
        return waiting.pop()
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return ProcessPoolExecutor(1, timeout=_IDLE_SECONDS, env=dict.fromkeys(names, str(threads)))


def _answer(
    future: Future[Any], worker: ProcessPoolExecutor, name: str, threads: int, time_limit: float, crash: str
) -> tuple[Any, str | None]:
    """Result or failure of a task that is done or late; a worker that is still good goes back to the idle ones."""
    if not future.done():
        worker.shutdown(wait=False, kill_workers=True)
        return None, f"{name}: took longer than {time_limit:g} s; it was given up."
    try:
        answer: tuple[Any, str | None] = future.result()
    except TerminatedWorkerError:
        worker.shutdown(wait=False, kill_workers=True)
        return None, f"{name}: {crash}"
    _idle.setdefault(threads, []).append(worker)
    return answer


def _guarded(work: Callable[[Item], Result], item: Item, threads: int) -> tuple[Result | None, str | None]:
    if "torch" in sys.modules:  # which counts the cores for itself
        sys.modules["torch"].set_num_threads(threads)
    try:
        return work(item), None
    except (IspfitError, OSError) as error:
        return None, str(error)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error):
            return None, "there is not enough memory for it; use smaller images or fewer jobs."
        raise
