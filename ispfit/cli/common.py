"""What the commands share: exit codes, the loading of pairs, failures, tables."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.errors import printable

if TYPE_CHECKING:
    from ispfit.backbone import Backbone
    from ispfit.resize import Size
    from ispfit.training import TrainingRecord

__all__ = [
    "DONE",
    "FAILED",
    "STOPPED",
    "UNUSABLE",
    "LeftOut",
    "check_not_there",
    "count",
    "covers_both",
    "load_for_command",
    "note_other_cameras",
    "print_json",
    "psnr_table",
    "report_failures",
    "report_left_out",
    "table",
    "warnings_as_notes",
]

DONE, FAILED, UNUSABLE, STOPPED = 0, 1, 2, 130

_CAUSES_SHOWN = 10
_WHAT_HELPS = {  # by the words of a rejection, see `ispfit.registration`
    "too small": "if both show the same field of view, use --no-register",
    "too uncertain": "see --max-residual of `ispfit pairs`; if both show the same field of view, use --no-register",
    "the raw shows": "see --min-overlap of `ispfit pairs`",
    "of two shots": "look at contact.png of `ispfit pairs`",
    "the same view": "look at contact.png of `ispfit pairs`",
}


@dataclass
class LeftOut:
    """The pairs that a command did not use, a sentence each.

    Parameters
    ----------
    failed : pairs with a file that cannot be read.
    rejected : pairs whose two images cannot be registered.
    """

    failed: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)


def report_failures(failures: Sequence[str], total: int) -> int:
    """List what failed on the standard error and return the exit code."""
    if not failures:
        return DONE
    click.echo(f"{len(failures)} of {total} failed:", err=True)
    for failure in failures:
        click.echo(f"  {failure}", err=True)
    return FAILED


def report_left_out(left_out: LeftOut, n_used: int) -> int:
    """List the pairs that were not used on the standard error and return the exit code; a rejection is no failure."""
    total = n_used + len(left_out.failed) + len(left_out.rejected)
    if left_out.rejected:
        click.echo(f"{len(left_out.rejected)} of {total} pairs rejected:", err=True)
        for line in _by_cause(left_out.rejected):
            click.echo(f"  {line}", err=True)
    return report_failures(left_out.failed, total)


def _by_cause(sentences: Sequence[str]) -> Iterator[str]:
    """Yield one line for each cause of rejections, the most frequent first, with the option that helps."""
    from ispfit.pairs.record import group_by_cause

    ordered = group_by_cause(sentences)
    for group in ordered[:_CAUSES_SHOWN]:
        others = f" (and {len(group) - 1} more for the same cause)" if len(group) > 1 else ""
        help_text = next((f"; {text}" for words, text in _WHAT_HELPS.items() if words in group[0]), "")
        yield f"{group[0]}{others}{help_text}"
    if len(ordered) > _CAUSES_SHOWN:
        yield f"... and {sum(map(len, ordered[_CAUSES_SHOWN:]))} more, for other causes"


@contextmanager
def warnings_as_notes() -> Iterator[LeftOut]:
    """Collect the pairs that are left out; print other warnings about inputs once each, without line numbers."""
    from ispfit.errors import InputWarning

    left_out = LeftOut()
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InputWarning)
            yield left_out
    finally:
        _sort_out(caught, left_out)


def _sort_out(caught: Sequence[warnings.WarningMessage], left_out: LeftOut) -> None:
    """Add warnings about pairs to `left_out`, print other warnings about inputs, and pass on the rest."""
    from ispfit.errors import InputWarning, PairWarning, RejectionWarning

    notes = {}
    for warning in caught:
        if issubclass(warning.category, RejectionWarning):
            left_out.rejected.append(str(warning.message))
        elif issubclass(warning.category, PairWarning):
            left_out.failed.append(str(warning.message))
        elif issubclass(warning.category, InputWarning):
            notes[str(warning.message)] = True
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    for note in notes:
        click.echo(f"Note: {note}", err=True)


def covers_both(backbone: Backbone, records: Mapping[str, TrainingRecord]) -> bool:
    """Whether the only record is that of one network for both directions."""
    return backbone.invertible and "forward" in records


def load_for_command(
    paths: Sequence[Path],
    split: str | Sequence[str] | None,
    *,
    size: Size,
    full_size: bool,
    crop: tuple[float, ...] | None,
    no_register: bool,
    jobs: int | None,
) -> tuple[list[Any], list[Any], LeftOut]:
    """Load pairs as the options of `ispfit.cli.options.reading_options` say; and what was left out."""
    from ispfit.datasets import load_pairs
    from ispfit.resize import crop_fraction

    with warnings_as_notes() as left_out:
        X, Y = load_pairs(
            paths,
            split,
            lazy=crop is None,
            size=None if full_size else size,
            register=not no_register,
            n_jobs=jobs,
        )
    if crop is not None:
        X, Y = [crop_fraction(image, crop) for image in X], [crop_fraction(image, crop) for image in Y]
    return X, Y, left_out


def note_other_cameras(camera: str | None, found: Sequence[str | None]) -> None:
    """Say on the standard error if shots are of other cameras than the one to which a model was fitted.

    Parameters
    ----------
    camera : the model's; None if it is unknown.
    found : the camera of each shot.
    """
    others = {other: found.count(other) for other in found if camera and other and other != camera}
    if others:
        names = ", ".join(f"{printable(str(other))} ({number})" for other, number in others.items())
        click.echo(
            f"Note: the model was fitted to {printable(str(camera))}, but {sum(others.values())} of {len(found)} shots "
            f"are of another camera: {names}.",
            err=True,
        )


def check_not_there(path: Path, overwrite: bool) -> None:
    """Raise a usage error if a file to write is there and may not be replaced."""
    if path.exists() and not overwrite:
        raise click.UsageError(f"{path} exists; use --overwrite to replace it.")


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


def psnr_table(title: str, values: Mapping[str, Sequence[float]]) -> str:
    """The PSNR of test shots as a table: mean, median, min and max in dB, as in Table 1 of the paper.

    Parameters
    ----------
    title : head of the first column.
    values : a PSNR for each shot, by the label of the row.
    """
    from ispfit.metrics import psnr_summary

    rows = [
        [label, *(f"{value:.2f}" for value in asdict(psnr_summary(psnrs)).values())] for label, psnrs in values.items()
    ]
    return table((title, "mean", "median", "min", "max"), rows)


def count(number: int, noun: str) -> str:
    """A number and its noun, in the plural unless it is one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
