"""Mutated files: whatever is in a file, reading it returns a picture or raises an error that names the file.

Each file is read in a worker process, under a limit of time and memory. The slow test mutates 5,000 files of each
format, the quick one 100.
"""

from __future__ import annotations

import random
import resource
import warnings
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from fuzz import FORMATS, mutate, write_seeds

from ispfit.errors import IspfitError
from ispfit.io import read_raw, read_srgb
from ispfit.io.exif import read_exif, read_style
from ispfit.jobs import run_jobs

MOST_GROWTH = 1_500_000_000  # bytes: a header may claim a large picture whose pixels are all there


@lru_cache
def seeds_of(folder: Path, name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(f"{name}-*"))]


def read_mutated(job: tuple[Path, str, int]) -> str:
    """Make the mutated file of this number, read it, and say what came of it; runs in a worker."""
    folder, name, number = job
    data = mutate(seeds_of(folder, name), random.Random(f"{name} {number}"))
    path = folder / f"mutated-{name}-{number}{FORMATS[name]}"
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = [_result(reader, path) for reader in _READERS[name]]
        read_exif(path)
        read_style(path)
    if 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) > MOST_GROWTH:
        return "too much memory"
    wrong = [result for result in results if result not in {"picture", "error"}]
    if not wrong:
        path.unlink()
    return wrong[0] if wrong else results[0]


def _result(reader: str, path: Path) -> str:
    try:
        image = np.asarray(
            {"srgb": read_srgb, "raw": read_raw, "half": lambda path: read_raw(path, half_size=True)}[reader](path)
        )
    except IspfitError as error:
        return "error" if str(error).startswith(f"{path}: ") else f"an error that does not name its file: {error}"
    except MemoryError:
        return "MemoryError"
    sound = image.size and np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1
    return "picture" if sound else f"no picture: {image.shape}, {image.min():g} to {image.max():g}"


_READERS = {
    "jpeg": ["srgb"],
    "png": ["srgb"],
    "tiff8": ["srgb"],
    "tiff16": ["srgb", "raw"],
    "dng": ["raw", "half", "srgb"],
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("count", [100, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_mutated_file_is_a_picture_or_an_error(tmp_path: Path, name: str, count: int) -> None:
    write_seeds(tmp_path)
    jobs = [(tmp_path, name, number) for number in range(count)]
    found = run_jobs(read_mutated, jobs, n_jobs=2, time_limit=30, describe=str)
    counts = Counter(found.results)
    print(f"{name}: {dict(counts)}, {len(found.failures)} failures")  # noqa: T201 - the report; shown by pytest -s
    assert found.failures == [], "no crash and no hang"
    assert set(counts) == {"picture", "error"}, "mutations neither break every file nor none"
