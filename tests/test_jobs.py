"""Many files in parallel: a crash, a hang and an error each cost one file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from joblib import cpu_count

from ispfit.errors import FileError
from ispfit.jobs import run_jobs

Make = Callable[..., list[Path]]


def size(path: Path) -> int:
    """A decoder: fails, crashes or hangs as the file says."""
    text = path.read_text()
    if text == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "hang":
        time.sleep(600)
    if text == "bad":
        raise FileError(f"{path}: is bad.")
    if text == "defect":
        raise ZeroDivisionError("a defect of the program")
    return len(text)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make_files(*texts: str) -> list[Path]:
        paths = [tmp_path / f"{index}" for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return paths

    return make_files


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_and_failures_are_in_the_order_of_the_items(make: Make, jobs: int) -> None:
    outcome = run_jobs(size, make("a", "bad", "ccc", "bad", "eeeee"), n_jobs=jobs)
    assert outcome.results == [1, 3, 5]
    assert [failure[-10:] for failure in outcome.failures] == ["1: is bad.", "3: is bad."]


def test_a_crash_of_a_native_decoder_costs_one_file(make: Make) -> None:
    paths = make("a", "crash", "ccc", "crash", "bad", "ffffff")
    outcome = run_jobs(size, paths, n_jobs=2)
    assert outcome.results == [1, 3, 6]
    assert [failure.split(":")[0] for failure in outcome.failures] == [str(paths[index]) for index in (1, 3, 4)]
    assert "1: crashed its decoder, or ran out of memory; the file is damaged" in outcome.failures[0]


def test_a_hang_costs_one_file(make: Make) -> None:
    run_jobs(size, make("a", "a"), n_jobs=2)  # starts the workers, outside of the limit
    outcome = run_jobs(size, make("hang", "bb", "ccc"), n_jobs=2, time_limit=4)
    assert outcome.results == [2, 3]
    assert len(outcome.failures) == 1
    assert outcome.failures[0].endswith("0: took longer than 4 s; it was given up.")


def test_a_defect_of_the_program_costs_one_file_and_is_called_a_defect(make: Make) -> None:
    paths = make("a", "defect", "ccc")
    outcome = run_jobs(size, paths, n_jobs=1)
    assert (outcome.results, outcome.failed) == ([1, 3], [1])
    assert re.fullmatch(
        rf"{paths[1]}: a defect of ispfit or of a plugin: ZeroDivisionError: a defect of the program "
        r"\(.*tests/test_jobs\.py, line \d+\); please report it with what --debug shows\.",
        outcome.failures[0],
    )


@pytest.mark.parametrize(("text", "error"), [("defect", ZeroDivisionError), ("bad", FileError)])
def test_debugging_raises_the_first_error_with_its_traceback(
    make: Make, text: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISPFIT_DEBUG", "1")
    with pytest.raises(error, match=r"a defect of the program|is bad\.") as caught:
        run_jobs(size, make("a", text), n_jobs=1)
    assert "in size\n" in str(caught.value.__cause__), "the worker's traceback"
    assert run_jobs(size, make("aa"), n_jobs=1).results == [2]


def threads(_: int) -> str:
    return os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize("asked", ["1", "1000", "0", ""])
def test_a_worker_has_its_share_of_the_cores_but_no_more_threads_than_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)  # tests have one core
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert run_jobs(threads, [0], n_jobs=1).results == ["1" if asked == "1" else str(cpu_count())]


def test_nothing_to_do() -> None:
    assert run_jobs(size, []).results == []


_kept: list[bytes] = []


def grow(number: int) -> int:
    """What makes loky replace a worker: 200 MB more each second."""
    _kept.append(bytes(bytearray(b"x") * 200_000_000))
    time.sleep(1.1)
    return number


def test_a_worker_that_grows_is_replaced_and_nothing_hangs() -> None:
    assert run_jobs(grow, range(5), n_jobs=1, time_limit=60).results == [0, 1, 2, 3, 4]


def test_a_worker_works_in_the_folder_that_the_caller_is_in(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a")
    monkeypatch.chdir(tmp_path)
    assert run_jobs(os.path.abspath, ["file"], n_jobs=1).results == [str(tmp_path / "file")]
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert run_jobs(os.path.abspath, ["file"], n_jobs=1).results == [str(tmp_path / "below" / "file")]


def fail_about_picture(path: Path) -> int:
    raise FileError(f"{path.with_suffix('.jpg')}: the JPEG is damaged.")


def test_a_failure_names_one_file_of_a_shot() -> None:
    found = run_jobs(fail_about_picture, [Path("roll/1.dng")], n_jobs=1)
    assert found.failures == ["roll/1.jpg: the JPEG is damaged."]


def tell_and_wait(path: Path) -> None:
    """Write the number of this process and wait."""
    path.write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_workers_end_with_their_parent(tmp_path: Path, number: int) -> None:
    """Else they would hold the pipe of its output for minutes: ``communicate`` would time out."""
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); from test_jobs import tell_and_wait; "
        "from ispfit.jobs import run_jobs; run_jobs(tell_and_wait, [Path(sys.argv[1])], n_jobs=1)"
    )
    told, command = tmp_path / "pid", [sys.executable, "-c", script]
    process = subprocess.Popen(
        [*command, told, Path(__file__).parent], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    deadline = time.monotonic() + 120
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told.read_text()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number
