"""Load pairs: those of a ``pairs.csv``, or those of RAW files and the camera's pictures."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from tqdm import tqdm

from ispfit.cache import CachedImage, cached
from ispfit.errors import FileError, InputError, InputWarning, PairWarning, RejectionWarning, debugging
from ispfit.images import Image, Shot, merge_shots
from ispfit.io import read_raw, read_srgb
from ispfit.jobs import run_jobs
from ispfit.pairs.lookalikes import group_lookalikes
from ispfit.pairs.match import match_files
from ispfit.pairs.read import PairSettings, PreparedPair, cached_pair, in_memory, prepare_pair
from ispfit.pairs.record import left_out
from ispfit.pairs.table import PairRow, read_pairs_csv
from ispfit.resize import Size, check_size

__all__ = ["Paths", "list_rows", "list_splits", "load_pairs"]

Paths: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]]

_Pair: TypeAlias = tuple[Image | CachedImage, Image | CachedImage]

_REASONS_SHOWN = 10


def load_pairs(
    paths: Paths,
    split: str | Sequence[str] | None = None,
    lazy: bool = False,
    size: Size | None = 512,
    *,
    register: bool = True,
    n_jobs: int | None = None,
) -> tuple[list[Any], list[Any]]:
    """Load the pairs that a ``pairs.csv`` lists, or make those of RAW files and the camera's pictures.

    The columns of the table are ``name``, ``raw`` and ``srgb`` (paths, relative to the table), and where known
    ``split``, ``scene``, ``style``, ``make``, ``model``, ``iso``, ``exposure_time`` and ``white_balance_r`` to ``_b``.
    Each image carries what they say as its ``shot``. `ispfit.pairs.make_pairs` makes such a table of any camera's
    files.

    RAW files (in folders, or listed in a table) are matched with their pictures by `ispfit.pairs.match_files` and
    registered by `ispfit.pairs.read_pair`. The result is kept in a cache, so that each pair is made once. The cache is
    the folder ``$ISPFIT_CACHE``, or ``ispfit`` in the user's cache folder; it can be deleted while nothing uses it.
    Beyond ``$ISPFIT_CACHE_GB`` (50), what was not used for longest is removed, if that is more than a day. Without a
    usable cache, pairs are made without it, with an `InputWarning`.

    Parameters
    ----------
    paths : a folder that holds a ``pairs.csv``, or the path of such a table; else RAW files and folders of them, one
        path or several.
    split : take only the pairs of this split of the table, such as "train" or "test", or of several splits.
    lazy : return images that are mapped from the cache and read when they are used: 10,000 pairs need no more memory
        than 10. False reads all pixels into memory.
    size : reduce pairs of RAW files until the longer side has at most this number of pixels, or to at most (height,
        width) with a centred crop; None keeps full resolution. Images of a table are taken as they are.
    register : False does not register RAW files and pictures: they are assumed to show the same field of view.
    n_jobs : number of processes that read RAW files; None takes one per core if there are at least four files.

    Returns
    -------
    X, Y : lists of raw and of srgb images, float32 H x W x 3 in [0, 1], for ``ISPModel.fit(X, Y)``. A pair that cannot
        be used is left out: with a `RejectionWarning` if its two images cannot be registered, with a `PairWarning` if
        one of its files cannot be read.

    Raises
    ------
    FileError
        If there is no such file, or no pair can be used.
    InputError
        If the table lacks a column, or has no such split.
    """
    rows = _of_split(list_rows(paths), split, paths)
    settings = PairSettings(None if size is None else check_size(size), register)
    camera_files, aligned = [row for row in rows if not row.aligned], [row for row in rows if row.aligned]
    pairs, problems = _prepare_rows(camera_files, settings, n_jobs)
    for row in tqdm(aligned, desc="reading pairs", unit="pair", disable=None, leave=False):
        try:
            pairs[row] = _read_row(row, lazy)
        except (FileError, InputError) as error:
            if debugging():
                raise
            problems.append(PairWarning(left_out(row.name, str(error))))
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    loaded = [pairs[row] for row in rows if row in pairs]
    if not loaded:
        reasons = "\n".join(f"  {problem}" for problem in problems[:_REASONS_SHOWN])
        raise FileError(f"{_first(paths)}: none of its pairs ({len(rows)}) can be used:\n{reasons}")
    X, Y = [raw for raw, _ in loaded], [srgb for _, srgb in loaded]
    return (X, Y) if lazy else ([in_memory(raw) for raw in X], [in_memory(srgb) for srgb in Y])


def list_rows(paths: Paths) -> list[PairRow]:
    """List the pairs that `load_pairs` would load, without looking at the images."""
    if isinstance(paths, str | PathLike) or len(paths) == 1:
        if _is_table(_first(paths)):
            return read_pairs_csv(_first(paths))
    elif tables := [str(path) for path in paths if _is_table(path)]:
        raise InputError(f"{tables[0]}: a table of pairs must be the only path, got {len(paths)} paths.")
    matched = match_files(paths, or_else=", or the folder that `ispfit pairs` writes")
    return [PairRow(raw.stem, raw, srgb, "", Shot(raw.stem), aligned=False) for raw, srgb in matched]


def list_splits(paths: Paths) -> dict[str, int]:
    """List the splits of a table and how many pairs each has; pairs without a split are counted as "".

    RAW files, and tables of which no pair has a split, have none.
    """
    if not any(_is_table(path) for path in ([paths] if isinstance(paths, str | PathLike) else paths)):
        return {}  # without a search for RAW files and their pictures
    splits = Counter(row.split for row in list_rows(paths))
    return dict(splits) if any(splits) else {}


def _is_table(path: str | PathLike[str]) -> bool:
    return Path(path).suffix.lower() == ".csv" or (Path(path) / "pairs.csv").exists()


def _first(paths: Paths) -> str | PathLike[str]:
    return paths if isinstance(paths, str | PathLike) else paths[0]


def _of_split(rows: list[PairRow], split: str | Sequence[str] | None, paths: Paths) -> list[PairRow]:
    if split is None:
        return rows
    chosen = [row for row in rows if row.split in ([split] if isinstance(split, str) else split)]
    if not chosen:
        splits = sorted({row.split for row in rows if row.split})
        known = f"it has {', '.join(splits)}" if splits else "it has no splits; ispfit pairs makes a table that has"
        raise InputError(f"split: {_first(paths)} has no pairs of split {split!r}; {known}.")
    return chosen


def _prepare_rows(
    rows: Sequence[PairRow], settings: PairSettings, n_jobs: int | None
) -> tuple[dict[PairRow, _Pair], list[InputWarning]]:
    """Make the pairs of camera files, and collect the warnings."""
    known = {row: pair for row in rows if (pair := _cached_row(row, settings)) is not None}
    rows = [row for row in rows if row not in known]
    found = run_jobs(
        partial(_prepare_row, settings=settings),
        rows,
        n_jobs=n_jobs,
        label="reading pairs",
        unit="pair",
        describe=_raw_of,
    )
    failures = dict(zip(found.failed, found.failures, strict=True))
    problems: list[InputWarning] = [PairWarning(left_out(rows[i].name, text)) for i, text in failures.items()]
    good = [row for index, row in enumerate(rows) if index not in failures]
    prepared = known | dict(zip(good, found.results, strict=True))
    notes = dict.fromkeys(note for pair in prepared.values() for note in pair.notes)
    rejected = {row: pair.record.reason for row, pair in prepared.items() if pair.record.reason}
    problems += [InputWarning(note) for note in notes]
    problems += [RejectionWarning(left_out(row.name, reason)) for row, reason in rejected.items()]
    return _with_shots({row: pair for row, pair in prepared.items() if row not in rejected}), problems


def _prepare_row(row: PairRow, settings: PairSettings) -> PreparedPair:
    return prepare_pair((row.raw, row.srgb), settings)


def _cached_row(row: PairRow, settings: PairSettings) -> PreparedPair | None:
    """The pair if it is in the cache: to read it, no worker needs to be started."""
    with suppress(FileError):
        return cached_pair((row.raw, row.srgb), settings)
    return None


def _raw_of(row: PairRow) -> str:
    return str(row.raw)


def _with_shots(pairs: dict[PairRow, PreparedPair]) -> dict[PairRow, _Pair]:
    """The images of the pairs. Their shots know what the table says, and which of them are look-alikes."""
    groups = group_lookalikes([pair.record.signature for pair in pairs.values()])
    first = {group: str(row.raw) for group, row in reversed(list(zip(groups, pairs, strict=True)))}
    images: dict[PairRow, _Pair] = {}
    for (row, pair), group in zip(pairs.items(), groups, strict=True):
        alike = Shot(scene=first[group] if groups.count(group) > 1 else None)
        assert pair.raw is not None  # or the pair was rejected
        assert pair.srgb is not None
        shot = merge_shots(merge_shots(row.shot, alike), pair.raw.shot)
        images[row] = _with_shot(pair.raw, shot), _with_shot(pair.srgb, shot)
    return images


def _with_shot(side: Image | CachedImage, shot: Shot) -> Image | CachedImage:
    return Image(side, shot) if isinstance(side, Image) else replace(side, shot=shot)


def _read_row(row: PairRow, lazy: bool) -> _Pair:
    """Read a pair whose images are on one grid already."""
    if lazy:
        return cached(row.raw, read_raw, row.shot), cached(row.srgb, read_srgb, row.shot)
    raw, srgb = read_raw(row.raw), read_srgb(row.srgb)
    return Image(raw, merge_shots(row.shot, raw.shot)), Image(srgb, merge_shots(row.shot, srgb.shot))
