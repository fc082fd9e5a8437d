"""Work on many files in parallel such that a bad file, whatever is in it, costs that file alone.

An error of ispfit describes itself. Any other exception is a defect of ispfit or of a plugin: it costs its file too.
``ISPFIT_DEBUG=1`` (``--debug``) raises the first error, with its traceback.

Each worker is a process of its own that is fresh, not forked (LibRaw's OpenMP would deadlock), and works on one item at
a time. So a decoder that crashes or hangs is known by its file, and its worker is replaced. Workers end within a second
of their parent, however it ends. On a cluster
(``joblib.parallel_config(backend="dask")``) the cluster deals with crashes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

# joblib offers neither a check for its own backends nor an executor of one process in its public modules; these names
# exist in joblib 1.4 to 1.6.
from joblib import Parallel, cpu_count, delayed
from joblib._parallel_backends import LokyBackend, MultiprocessingBackend, SequentialBackend, ThreadingBackend
from joblib.externals.loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError
from joblib.parallel import get_active_backend
from tqdm import tqdm

from ispfit.errors import IspfitError, debugging, explain

__all__ = ["JobResults", "run_jobs"]

Item = TypeVar("Item")
Result = TypeVar("Result")
_Answer = tuple[Any, str | None]  # the result of an item, or why it failed

_FEWEST_PARALLEL = 4  # items; for fewer, starting more processes costs more than it saves
_IDLE_SECONDS = 300
_WATCH_SECONDS = 0.5
_OWN_VARIABLES = ("ISPFIT_", "XDG_CACHE_HOME")  # of the environment, that change what a worker does
_idle: dict[int, list[ProcessPoolExecutor]] = {}
"""Workers that wait for more work, by their number of threads: a start costs a second of imports."""


@dataclass
class JobResults(Generic[Result]):
    """What `run_jobs` returns, in the order of the items.

    Parameters
    ----------
    results : the results of the items that did not fail.
    failures : why the other items failed.
    failed : the positions of these other items.
    """

    results: list[Result] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)


def run_jobs(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    n_jobs: int | None = None,
    time_limit: float = 600,
    label: str = "",
    unit: str = "file",
    describe: Callable[[Item], str] = str,
    crash_message: str = "crashed its decoder, or ran out of memory; the file is damaged or of an unknown kind.",
) -> JobResults[Result]:
    """Call `work` on each item in worker processes; an item that fails is recorded; the others continue.

    Parameters
    ----------
    work : a module's function or a partial of one. What it raises is recorded as the failure of its item; if
        ``ISPFIT_DEBUG`` is 1, it is raised, and the other items are not worked on.
    items : one for each file.
    n_jobs : number of processes; None takes one per core if there are at least four items.
    time_limit : seconds after which an item counts as failed.
    label, unit : text of the progress bar, which shows on a terminal only.
    describe : names an item that crashed its worker or took too long.
    crash_message : the failure of an item that ended its worker.

    Examples
    --------
    >>> import os
    >>> found = run_jobs(os.path.getsize, [os.devnull, "/no/such/file"], n_jobs=1)
    >>> found.results
    [0]
    >>> found.failures
    ["[Errno 2] No such file or directory: '/no/such/file'"]
    """
    n_jobs = min(n_jobs or (1 if len(items) < _FEWEST_PARALLEL else cpu_count()), max(1, len(items)))
    pool = _Pool(work, items, n_jobs, time_limit, describe, crash_message)
    answers = _cluster_answers(work, items) if _on_cluster() else pool.answers()
    found: dict[int, _Answer] = {}
    with warnings.catch_warnings(), tqdm(total=len(items), desc=label, unit=unit, disable=None) as bar:
        # Loky warns when it replaces a worker that has grown. If warnings are errors, that ends its thread: a hang.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        for index, (result, failure) in answers:
            name = describe(items[index])
            found[index] = (result, failure if failure is None or _names(failure, name) else f"{name}: {failure}")
            bar.update()
    ordered = [found[index] for index in range(len(items))]
    return JobResults(
        [result for result, failure in ordered if failure is None],
        [failure for _, failure in ordered if failure is not None],
        [index for index, (_, failure) in enumerate(ordered) if failure is not None],
    )


def _names(failure: str, name: str) -> bool:
    """Whether a failure names its file, or begins with another file of the same shot."""
    return name in failure or Path(failure.partition(": ")[0]).stem == Path(name).stem


def _on_cluster() -> bool:
    """Whether the caller has chosen a backend from outside joblib: dask, ray."""
    backend, _ = get_active_backend()
    return not isinstance(backend, LokyBackend | SequentialBackend | MultiprocessingBackend | ThreadingBackend)


def _cluster_answers(work: Callable[[Item], Any], items: Sequence[Item]) -> Iterator[tuple[int, _Answer]]:
    calls = (delayed(_numbered)(work, index, item, debugging()) for index, item in enumerate(items))
    yield from Parallel(return_as="generator_unordered", batch_size=1)(calls)


def _numbered(work: Callable[[Item], Any], index: int, item: Item, debug: bool) -> tuple[int, _Answer]:
    return index, _guarded(work, item, 1, debug)


@dataclass(frozen=True)
class _Task:
    index: int
    worker: ProcessPoolExecutor
    deadline: float


@dataclass(frozen=True)
class _Pool(Generic[Item]):
    """Workers on this machine; see `run_jobs` for the fields."""

    work: Callable[[Item], Any]
    items: Sequence[Item]
    n_jobs: int
    time_limit: float
    describe: Callable[[Item], str]
    crash_message: str

    @property
    def threads(self) -> int:
        """Threads of each worker: its share of the cores, or OMP_NUM_THREADS if that is set and smaller."""
        share = max(1, int(cpu_count()) // self.n_jobs)
        asked = os.environ.get("OMP_NUM_THREADS", "")
        return min(share, int(asked)) if asked.isdecimal() and int(asked) else share

    def answers(self) -> Iterator[tuple[int, _Answer]]:
        """Yield the index and the answer of each item as it is done."""
        pending, running = iter(enumerate(self.items)), dict[Future[Any], _Task]()
        caller = _Caller()
        try:
            while True:
                while len(running) < self.n_jobs and (following := next(pending, None)) is not None:
                    task = _Task(following[0], self._worker(), time.monotonic() + self.time_limit)
                    future = task.worker.submit(_as_caller, caller, self.work, following[1], self.threads)
                    running[future] = task
                if not running:
                    return
                patience = min(task.deadline for task in running.values()) - time.monotonic()
                wait(running, timeout=max(0, patience), return_when=FIRST_COMPLETED)
                for future, task in list(running.items()):
                    if future.done() or time.monotonic() >= task.deadline:
                        del running[future]
                        yield task.index, self._answer(future, task)
        finally:
            for task in running.values():
                task.worker.shutdown(wait=False, kill_workers=True)

    def _worker(self) -> ProcessPoolExecutor:
        """Return an executor of one process, so that it is known which item the process had when it died."""
        if waiting := _idle.get(self.threads):
            return waiting.pop()
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = dict.fromkeys(names, str(self.threads))
        return ProcessPoolExecutor(
            1, timeout=_IDLE_SECONDS, env=environment, initializer=_end_with, initargs=(os.getpid(),)
        )

    def _answer(self, future: Future[Any], task: _Task) -> _Answer:
        """Return the answer of a task that is done or late, and keep its worker for later if it is still good."""
        name = self.describe(self.items[task.index])
        if not future.done():
            task.worker.shutdown(wait=False, kill_workers=True)
            return None, f"{name}: took longer than {self.time_limit:g} s; it was given up."
        try:
            answer: _Answer = future.result()
        except TerminatedWorkerError:
            task.worker.shutdown(wait=False, kill_workers=True)
            return None, f"{name}: {self.crash_message}"
        _idle.setdefault(self.threads, []).append(task.worker)
        return answer


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, be it by ``kill -9``: a worker holds memory and the output's pipe."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _Caller:
    """The working folder and the environment of the process that calls `run_jobs`."""

    def __init__(self) -> None:
        self.folder = Path.cwd()
        self.variables = {name: value for name, value in os.environ.items() if name.startswith(_OWN_VARIABLES)}

    def adopt(self) -> None:
        """Make them those of this process, an idle worker that may still have those of an earlier call."""
        os.chdir(self.folder)
        for name in [name for name in os.environ if name.startswith(_OWN_VARIABLES)]:
            del os.environ[name]
        os.environ.update(self.variables)


def _as_caller(caller: _Caller, work: Callable[[Item], Any], item: Item, threads: int) -> _Answer:
    try:
        caller.adopt()
    except OSError as error:
        return None, f"the working folder cannot be entered: {error}"
    return _guarded(work, item, threads, debugging())


def _guarded(work: Callable[[Item], Result], item: Item, threads: int, debug: bool) -> _Answer:
    """Return the result of an item, or why it failed; if `debug`, raise what `work` raises."""
    if "torch" in sys.modules:  # which counts the cores for itself
        sys.modules["torch"].set_num_threads(threads)
    try:
        return work(item), None
    except Exception as error:
        if debug:
            raise
        return None, _failure(error)


def _failure(error: Exception) -> str:
    if isinstance(error, IspfitError | OSError | Warning):
        return str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "memory" in str(error)):
        return "there is not enough memory for it; use smaller images or fewer jobs."
    return f"a defect of ispfit or of a plugin: {explain(error)}; please report it with what --debug shows."
