"""What the commands share: exit codes, options, pairs, and work on many files."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ispfit.errors import FileError, InputWarning, PairWarning
from ispfit.jobs import run_jobs

__all__ = [
    "DONE",
    "FAILED",
    "STOPPED",
    "UNUSABLE",
    "load_any_pairs",
    "print_json",
    "report_failures",
    "table",
    "warnings_as_notes",
]

DONE, FAILED, UNUSABLE, STOPPED = 0, 1, 2, 130

Item = TypeVar("Item")
Result = TypeVar("Result")


def report_failures(failures: Sequence[str], total: int) -> int:
    """List what failed on the standard error and return the exit code."""
    if not failures:
        return DONE
    click.echo(f"{len(failures)} of {total} failed:", err=True)
    for failure in failures:
        click.echo(f"  {failure}", err=True)
    return FAILED


@contextmanager
def warnings_as_notes() -> Iterator[list[str]]:
    """Collect the pairs that were left out; print what else is said of inputs, without line numbers."""
    left_out: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        yield left_out
    for warning in caught:
        if issubclass(warning.category, PairWarning):
            left_out.append(str(warning.message))
        elif issubclass(warning.category, InputWarning):
            click.echo(f"Note: {warning.message}", err=True)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def load_any_pairs(
    paths: Sequence[Path], split: str | None, size: int | None, crop: tuple[float, ...] | None, jobs: int | None
) -> tuple[list[Any], list[Any], list[str]]:
    """Pairs from a ``pairs.csv`` (or its folder), or from RAW files with their JPEGs; and what could not be read."""
    from ispfit.datasets import load_pairs
    from ispfit.pairs.match import crop_fraction, match_files

    if len(paths) == 1 and (paths[0].suffix.lower() == ".csv" or (paths[0] / "pairs.csv").exists()):
        with warnings_as_notes() as failures:
            X, Y = load_pairs(paths[0], split, lazy=crop is None)
    else:
        if split is not None:
            raise FileError(f"{paths[0]}: --split needs a pairs.csv; a folder of RAW files has no splits.")
        outcome = run_jobs(
            _PairReader(size), match_files(paths), jobs=jobs, label="reading", unit="pair", describe=_first
        )
        failures = outcome.failures
        if not outcome.results:
            raise FileError("\n".join([f"{paths[0]}: none of the pairs can be read.", *failures]))
        X, Y = ([pair[side] for pair in outcome.results] for side in (0, 1))
    if crop is not None:
        X, Y = ([crop_fraction(image, crop) for image in side] for side in (X, Y))
    return X, Y, failures


@dataclass(frozen=True)
class _PairReader:
    size: int | None

    def __call__(self, pair: tuple[Path, Path]) -> tuple[Any, Any]:
        from ispfit.pairs.match import read_pair

        return read_pair(*pair, self.size)


def _first(pair: tuple[Path, Path]) -> str:
    return str(pair[0])


def print_json(data: Any) -> None:
    """Print data as JSON on the standard output, and nothing else."""
    json.dump(data, sys.stdout, indent=2)
    sys.stdout.write("\n")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text in columns: the first to the left, numbers to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )
