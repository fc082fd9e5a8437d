"""What `make_pairs` leaves in its folder beside the images: tables of pairs and of rejections, a contact sheet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ispfit.errors import FileError
from ispfit.pairs.contact_sheet import read_tiles, write_sheet
from ispfit.pairs.listed import ListedShot
from ispfit.pairs.lookalikes import SPLITS, group_lookalikes, split_shots
from ispfit.pairs.record import PairRecord, camera_slug
from ispfit.pairs.table import write_pairs_csv
from ispfit.pairs.worker import Job, state_file

__all__ = ["MadePair", "PairsReport", "write_outputs"]

_SHEET_PAIRS = 60  # shown on the contact sheet
_FAILURES_SHOWN = 10  # if the tables cannot be written


@dataclass(frozen=True)
class PairsReport:
    """What `make_pairs` did.

    Parameters
    ----------
    folder : the folder that holds ``pairs.csv``.
    pairs, rejected : rows of ``pairs.csv``; those of ``rejected.csv`` whose files could be read.
    failures : files that could not be read or written, and why.
    n_kept : number of pairs and rejections kept from an earlier run.
    tables : the table of each camera and style, by name; ``pairs.csv`` if there is only one.
    """

    folder: Path
    pairs: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    n_kept: int = 0
    tables: dict[str, Path] = field(default_factory=dict)

    def split_sizes(self) -> dict[str, dict[str, int]]:
        """The number of pairs in each split, by camera and style."""
        return {
            name: {split: sum(row["split"] == split for row in rows) for split in SPLITS}
            for name, rows in _by_camera(self.pairs).items()
        }


@dataclass(frozen=True)
class MadePair:
    """A shot that was made into a pair, or rejected; `listed` is what its data set says of it."""

    job: Job
    record: PairRecord
    listed: ListedShot | None = None

    @property
    def source(self) -> str:
        """The RAW file, relative to the folder of the pairs."""
        return os.path.relpath(self.job.files[0], self.job.output)

    def row(self, group: int) -> dict[str, Any]:
        """A row of ``pairs.csv``; the split is still to be chosen."""
        listed = self.listed or ListedShot(self.job.name, *self.job.files)
        first = {"name": self.job.name, **self.job.images, "scene": group, "split": listed.split}
        return first | self.record.columns() | {"source": self.source} | dict(listed.columns)

    def rejection(self) -> dict[str, Any]:
        """A row of ``rejected.csv``."""
        first = {"name": self.job.name, "source": self.source, "reason": self.record.reason}
        return first | self.record.measures()


def write_outputs(
    folder: Path,
    made: Sequence[MadePair],
    failed: Sequence[tuple[Job, str]],
    n_kept: int,
    *,
    n_test: int,
    random_state: int,
) -> PairsReport:
    """Write the tables and the contact sheet.

    Parameters
    ----------
    made : the shots whose files could be read.
    failed : the other shots, and why.
    n_kept : number of shots of an earlier run.
    n_test, random_state : of the splits, see `make_pairs`.
    """
    good, bad = [pair for pair in made if not pair.record.reason], [pair for pair in made if pair.record.reason]
    scenes = [pair.listed.scene if pair.listed else "" for pair in good]
    groups = group_lookalikes([pair.record.signature for pair in good], scenes)
    rows = [pair.row(group) for pair, group in zip(good, groups, strict=True)]
    _choose_splits(rows, n_test, random_state)
    rejected = [pair.rejection() for pair in bad]
    lost = [MadePair(job, PairRecord(reason=failure)).rejection() for job, failure in failed]
    failures = [failure for _, failure in failed]
    try:
        _write_or_remove(folder / "rejected.csv", rejected + lost)
        _write_or_remove(folder / "pairs.csv", rows)
        tables = _write_tables(folder, rows)
    except FileError as error:  # such as a full disk, of which the shots failed
        reasons = [str(error), *(f"  {failure}" for failure in failures[:_FAILURES_SHOWN])]
        raise FileError("\n".join(reasons)) from error
    try:
        _write_contact_sheet(folder, rows, rejected)
    except FileError as error:  # which costs the sheet alone
        failures.append(str(error))
    return PairsReport(folder, rows, rejected, failures, n_kept, tables)


def _choose_splits(rows: list[dict[str, Any]], n_test: int, random_state: int) -> None:
    """Give each row without a split one, camera by camera; a group that two cameras share gets one split."""
    split_of = {row["scene"]: row["split"] for row in reversed(rows) if row["split"]}
    for camera in _by_camera(rows).values():
        groups = [row["scene"] for row in camera]
        split_of |= split_shots(groups, split_of, n_test=n_test, random_state=random_state)
    for row in rows:
        row["split"] = row["split"] or split_of[row["scene"]]


def _by_camera(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows by camera and style, whose names are fit for a file name."""
    cameras: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        cameras.setdefault(camera_slug(row["camera"], row["style"]), []).append(row)
    return dict(sorted(cameras.items()))


def _write_tables(folder: Path, rows: Sequence[dict[str, Any]]) -> dict[str, Path]:
    """Write a table for each camera and style if there are several, and return where the pairs of each are listed."""
    cameras = _by_camera(rows)
    if len(cameras) < 2:
        return dict.fromkeys(cameras, folder / "pairs.csv")
    tables = {name: folder / f"pairs-{name}.csv" for name in cameras}
    for name, camera in cameras.items():
        write_pairs_csv(tables[name], camera)
    return tables


def _write_or_remove(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a table; if it would be empty, remove the one of an earlier run."""
    if rows:
        write_pairs_csv(path, rows)
    else:
        path.unlink(missing_ok=True)


def _write_contact_sheet(folder: Path, rows: Sequence[dict[str, Any]], rejected: Sequence[dict[str, Any]]) -> None:
    """Write the contact sheet: rejected pairs first, then the pairs, the least certain first."""
    worst = sorted(rows, key=lambda row: (-(row["residual"] or 0), row["name"]))
    captions = [(row["name"], f"{row['name'][:24]}  REJECTED: {row['reason']}") for row in rejected]
    captions += [(row["name"], _caption(row)) for row in worst]
    shown = [(text, read_tiles(state_file(folder, name, ".png"))) for name, text in captions[:_SHEET_PAIRS]]
    if shown:
        write_sheet(folder / "contact.png", shown)


def _caption(row: dict[str, Any]) -> str:
    if row["residual"] is None:
        return f"{row['name'][:40]}  not registered, {row['split']}"
    return f"{row['name'][:40]}  before | after  residual {row['residual']:.2f} px, {row['split']}"
