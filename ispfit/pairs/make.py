"""From folders of files to a folder of registered pairs."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from ispfit.errors import FileError, InputError
from ispfit.jobs import run_jobs
from ispfit.pairs.contact_sheet import read_tiles, write_sheet
from ispfit.pairs.match import match_files
from ispfit.pairs.splits import SPLITS, Look, group_scenes, split_scenes
from ispfit.pairs.table import write_pairs_csv
from ispfit.pairs.worker import Job, Settings, Wanted, Worker, load_record, state_file
from ispfit.registration.align import Tolerances
from ispfit.resize import check_size

__all__ = ["PairsReport", "make_pairs"]

_SHOWN = 60  # pairs on the contact sheet
_HIDDEN = ("digest", "look", "reason")
_REJECTED = ("name", "source", "reason", "residual", "overlap", "zoom", "rotation", "distortion")


@dataclass(frozen=True)
class PairsReport:
    """What `make_pairs` did.

    Parameters
    ----------
    folder : with ``pairs.csv`` in it.
    pairs, rejected : rows of ``pairs.csv``, and those of ``rejected.csv`` whose files could be read.
    failures : what could not be read or written, and why.
    n_kept : how many pairs and rejections were there from an earlier run.
    tables : of the pairs of each camera and style, by name; ``pairs.csv`` alone if there is but one.
    """

    folder: Path
    pairs: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    n_kept: int = 0
    tables: dict[str, Path] = field(default_factory=dict)


def make_pairs(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    size: int | tuple[int, int] | None = 512,
    max_residual: float = Tolerances.max_residual,
    min_overlap: float = Tolerances.min_overlap,
    camera: str | None = None,
    style: str | None = None,
    white_balance: Sequence[float] | None = None,
    n_test: int = 50,
    random_state: int = 0,
    jobs: int | None = None,
    time_limit: float = 600,
) -> PairsReport:
    """Make registered pairs of the RAW files and pictures in folders, as a folder that `load_pairs` reads.

    Each shot is decoded, turned upright, cut to the camera's crop box, registered, resampled, cropped to what both
    files show and reduced to `size`. The folder gets ``raw/*.tif`` (16 bits, linear), ``srgb/*.png``, ``pairs.csv``,
    ``rejected.csv`` with the reasons, and ``contact.png``: checkerboards of raw and srgb before and after. Of several
    cameras or styles each also gets a table of its own, such as ``pairs-nikon-d600-vivid.csv``.

    A run that was stopped goes on where it was, and ends with the same files as one that was not. Pairs whose files or
    settings have changed are made anew.

    Parameters
    ----------
    paths : RAW files and folders; see `match_files` for which picture belongs to which.
    output : folder to write to, made if it is not there.
    size : of the pairs, (height, width) or one number for a square; None keeps full resolution.
    max_residual, min_overlap : see `Tolerances`; a pair beyond them is rejected.
    camera, style : take only shots whose camera (make and model) or picture style contains this, in any case.
    white_balance : gains (r, g, b) for all RAW files instead of those in them.
    n_test : shots to test with, of each camera and style; at most a fifth of them. Of the others 80 % are to train
        and 20 % to validate with. No scene is in two of them: bursts and copies are noticed.
    random_state : seed of the splits.
    jobs : processes; see `run_jobs`.
    time_limit : seconds after which a file is given up.

    Raises
    ------
    FileError
        If there are no RAW files, or the folder cannot be written to, or holds pairs that were made otherwise.
    InputError
        If a parameter is not as above.
    """
    target = None if size is None else check_size(size)
    gains = None if white_balance is None else tuple(float(gain) for gain in white_balance)
    settings = Settings(target, Tolerances(max_residual, min_overlap), gains)
    folder, wanted = Path(output), Wanted(camera, style)
    matched = match_files(paths)
    _prepare(folder)
    plan = [Job(name, raw, srgb, folder, settings) for name, (raw, srgb) in zip(_names(matched), matched, strict=True)]
    known = {job.name: load_record(job) for job in plan}
    todo = [job for job in plan if known[job.name] is None]
    outcome = run_jobs(
        Worker(wanted), todo, jobs=jobs, time_limit=time_limit, label="pairs", unit="shot", describe=_raw
    )
    known |= {record["name"]: record for record in outcome.results if record is not None}
    records = [(job, record) for job in plan if (record := known[job.name]) is not None and wanted.has(record)]
    failed = [(todo[index], failure) for index, failure in zip(outcome.failed, outcome.failures, strict=True)]
    if not records and not failed:
        raise InputError(f"{paths}: none of the {len(plan)} shots is of {wanted}.")
    rows = [record | {"source": os.path.relpath(job.raw, folder)} for job, record in records]
    return _write(folder, rows, failed, n_test, random_state, len(plan) - len(todo))


def _raw(job: Job) -> str:
    return str(job.raw)


def _prepare(folder: Path) -> None:
    """Make the folders, and clear them of what a killed run left half-written; pairs that are there already must be
    of this function's making.
    """
    if (folder / "pairs.csv").exists() and not state_file(folder, "").parent.is_dir():
        raise FileError(f"{folder}: holds a pairs.csv that ispfit pairs did not make; give another folder.")
    try:
        for made in (folder / "raw", folder / "srgb", state_file(folder, "").parent):
            made.mkdir(parents=True, exist_ok=True)
            for leftover in made.glob(".ispfit-*"):
                leftover.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be written to: {error.strerror}.") from error


def _names(matched: Sequence[tuple[Path, Path]]) -> list[str]:
    """Names that no two pairs share, on file systems too that do not tell cases apart: stems, where need be numbered.

    The number is of the path, so that it stays when other files come or go.
    """
    stems = ["".join(letter if letter.isprintable() else "_" for letter in raw.stem)[:120] for raw, _ in matched]
    count = Counter(stem.casefold() for stem in stems)
    return [
        stem if count[stem.casefold()] == 1 else f"{stem}-{hashlib.sha256(os.fsencode(raw.resolve())).hexdigest()[:6]}"
        for stem, (raw, _) in zip(stems, matched, strict=True)
    ]


def _write(
    folder: Path,
    rows: list[dict[str, Any]],
    failed: list[tuple[Job, str]],
    n_test: int,
    random_state: int,
    n_kept: int,
) -> PairsReport:
    pairs, rejected = [row for row in rows if not row["reason"]], [row for row in rows if row["reason"]]
    _share_out(pairs, n_test, random_state)
    lost = [
        {"name": job.name, "source": os.path.relpath(job.raw, folder), "reason": failure} for job, failure in failed
    ]
    _write_table(folder / "rejected.csv", [{key: row.get(key) for key in _REJECTED} for row in rejected + lost])
    _write_table(folder / "pairs.csv", [_row(row) for row in pairs])
    tables = _write_tables(folder, pairs)
    worst = sorted(pairs, key=lambda row: (-row["residual"], row["name"]))
    shown = [
        (_caption(row), read_tiles(state_file(folder, row["name"], ".png"))) for row in (rejected + worst)[:_SHOWN]
    ]
    if shown:
        write_sheet(folder / "contact.png", shown)
    return PairsReport(folder, pairs, rejected, [failure for _, failure in failed], n_kept, tables)


def _share_out(pairs: list[dict[str, Any]], n_test: int, random_state: int) -> None:
    """Give each pair its scene and its split, camera by camera."""
    looks = [Look(row["digest"], row["look"], row["taken"], row["camera"]) for row in pairs]
    for row, scene in zip(pairs, group_scenes(looks), strict=True):
        row["scene"] = scene
    split_of: dict[int, str] = {}
    for group in _groups(pairs).values():
        split_of |= split_scenes([row["scene"] for row in group], split_of, n_test=n_test, random_state=random_state)
    for row in pairs:
        row["split"] = split_of[row["scene"]]


def _groups(pairs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The pairs by camera and style, in a form fit for a file name."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in pairs:
        name = " ".join(part for part in (row["camera"], row["style"]) if part) or "unknown camera"
        slug = "-".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())
        groups.setdefault(slug or "unknown-camera", []).append(row)
    return dict(sorted(groups.items()))


def _write_tables(folder: Path, pairs: list[dict[str, Any]]) -> dict[str, Path]:
    groups = _groups(pairs)
    if len(groups) < 2:
        return dict.fromkeys(groups, folder / "pairs.csv")
    tables = {name: folder / f"pairs-{name}.csv" for name in groups}
    for name, group in groups.items():
        write_pairs_csv(tables[name], [_row(row) for row in group])
    return tables


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A line of ``pairs.csv``."""
    first = {key: row[key] for key in ("name", "raw", "srgb", "scene", "split")}
    return first | {key: value for key, value in row.items() if key not in first and key not in _HIDDEN}


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a table, or take away an old one where there is nothing to tell."""
    if rows:
        write_pairs_csv(path, rows)
    else:
        path.unlink(missing_ok=True)


def _caption(row: dict[str, Any]) -> str:
    if row["reason"]:
        return f"{row['name'][:24]}  REJECTED: {row['reason']}"
    return f"{row['name'][:40]}  before | after  residual {row['residual']:.2f} px, {row['split']}"


def summary(report: PairsReport) -> list[tuple[str, dict[str, int]]]:
    """Of each camera and style, how many pairs are in each split."""
    return [
        (name, {split: sum(row["split"] == split for row in group) for split in SPLITS})
        for name, group in _groups(report.pairs).items()
    ]
