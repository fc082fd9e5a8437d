"""Pairs from a folder with a ``pairs.csv``."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ispfit.datasets.cache import CachedImage, cached, file_stamp
from ispfit.errors import FileError, InputError, PairWarning
from ispfit.images import Image, Shot, merge_shots
from ispfit.io import read_raw, read_srgb

__all__ = ["PairRow", "list_rows", "load_pairs", "read_pairs_csv", "write_pairs_csv"]

REQUIRED = ("name", "raw", "srgb")


@dataclass(frozen=True)
class PairRow:
    """One line of a ``pairs.csv``: the files of a pair, and what is known of it."""

    name: str
    raw: Path
    srgb: Path
    split: str
    shot: Shot
    made: bool = True
    """Whether the files are one pair of one size; else they are a camera's and become one when they are read."""

    def readers(self, size: int | None) -> list[tuple[Path, Callable[[Path], Image]]]:
        """Each of the two files, and what reads it."""
        if self.made:
            return [(self.raw, read_raw), (self.srgb, read_srgb)]
        return [(path, _Side(self.raw, self.srgb, size, side)) for side, path in enumerate((self.raw, self.srgb))]


@dataclass(frozen=True)
class _Side:
    """Reads the raw (0) or the srgb (1) of a camera's files."""

    raw: Path
    srgb: Path
    size: int | None
    side: int

    @property
    def stamp(self) -> str:
        """What the image depends on: both files, since one is fitted to the other."""
        return f"pair {file_stamp(self.raw)} {file_stamp(self.srgb)} {self.size} {self.side}"

    def __call__(self, path: Path) -> Image:
        return _read_pair(self.raw, self.srgb, self.size, self.stamp.rsplit(" ", 1)[0])[self.side]


@lru_cache(maxsize=1)
def _read_pair(raw: Path, srgb: Path, size: int | None, stamp: str) -> tuple[Image, Image]:
    """`read_pair`, done once for the two sides that are asked for one after the other."""
    from ispfit.pairs import read_pair

    return read_pair(raw, srgb, size)


def _match_raws(folder: Path) -> list[PairRow]:
    from ispfit.pairs import match_files

    return [PairRow(raw.stem, raw, srgb, "", Shot(raw.stem), made=False) for raw, srgb in match_files(folder)]


def load_pairs(
    folder_or_csv: str | PathLike[str], split: str | None = None, lazy: bool = False, size: int | None = 512
) -> tuple[list[Any], list[Any]]:
    """Load the pairs that a ``pairs.csv`` lists, or those of a folder of RAW files.

    Its columns: ``name``, ``raw`` and ``srgb`` (paths, relative to the file), and where they are known ``split``,
    ``scene``, ``make``, ``model``, ``iso``, ``exposure_time`` and ``white_balance_r`` to ``_b``. What they say travels
    with each image as its ``shot``. `ispfit.pairs.make_pairs` makes such a folder of any camera's files; from a folder
    of RAW files the pairs are read as they are, see `ispfit.pairs.match_files` and `read_pair`.

    Parameters
    ----------
    folder_or_csv : a folder that holds a ``pairs.csv``, or the path of such a file, or a folder of RAW files.
    split : take only the pairs of this split, such as "train" or "test".
    lazy : decode each file once into a memory-mapped cache and return images that read from it when they are used:
        10,000 pairs need no more memory than 10. The cache is in ``$ISPFIT_CACHE``, or ``ispfit`` in the user's
        cache folder; it can be deleted at any time.
    size : to which pairs from RAW files are reduced, pixels, square; None keeps their size. Those of a ``pairs.csv``
        are taken as they are.

    Returns
    -------
    X, Y : lists of raw and of srgb images, float32 H x W x 3 in [0, 1], for ``ISPModel.fit(X, Y)``. A pair with a
        file that cannot be read is left out with a `PairWarning`.

    Raises
    ------
    FileError
        If there is no such file, or none of its pairs can be read.
    InputError
        If the file lacks a column, or has no such split.
    """
    rows = list_rows(folder_or_csv)
    if split is not None:
        splits = sorted({row.split for row in rows})
        rows = [row for row in rows if row.split == split]
        if not rows:
            raise InputError(f"split: {folder_or_csv} has no pairs of split {split!r}; it has {', '.join(splits)}.")
    X: list[Image | CachedImage] = []
    Y: list[Image | CachedImage] = []
    for row in tqdm(rows, desc="reading pairs", unit="pair", disable=None, leave=False):
        try:
            raw, srgb = (_read(path, read, row.shot, lazy) for path, read in row.readers(size))
        except (FileError, InputError) as error:
            warnings.warn(f"pair {row.name!r} was left out: {error}", PairWarning, stacklevel=2)
            continue
        X.append(raw)
        Y.append(srgb)
    if not X:
        raise FileError(f"{folder_or_csv}: none of its {len(rows)} pairs can be read.")
    return X, Y


def list_rows(folder_or_csv: str | PathLike[str]) -> list[PairRow]:
    """What `load_pairs` would load, without looking at the images."""
    path = Path(folder_or_csv)
    return _match_raws(path) if path.is_dir() and not (path / "pairs.csv").exists() else read_pairs_csv(path)


def read_pairs_csv(folder_or_csv: str | PathLike[str]) -> list[PairRow]:
    """Read a ``pairs.csv`` without looking at the images."""
    path = Path(folder_or_csv)
    path = path / "pairs.csv" if path.is_dir() else path
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            columns, lines = table.fieldnames or [], list(table)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise FileError(f"{path}: {reason}; expected a CSV file with the columns {', '.join(REQUIRED)}.") from error
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise InputError(f"{path}: expected the columns {', '.join(REQUIRED)}, but it lacks {', '.join(missing)}.")
    return [_row(path, line, number) for number, line in enumerate(lines, 2)]


def write_pairs_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a ``pairs.csv`` from dicts with the columns that `load_pairs` describes; paths are written as given."""
    from ispfit.files import atomic_path

    rows = list(rows)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)


def _row(path: Path, line: dict[str, str | None], number: int) -> PairRow:
    values = {key: (value or "").strip() for key, value in line.items() if isinstance(value, str | None)}
    empty = [column for column in REQUIRED if not values[column]]
    if empty:
        raise InputError(f"{path}, line {number}: nothing in the column {empty[0]!r}.")
    shot = Shot(
        name=values["name"],
        make=values.get("make") or None,
        model=values.get("model") or None,
        iso=_number(values.get("iso")),
        exposure_time=_number(values.get("exposure_time")),
        white_balance=_gains(values),
        scene=values.get("scene") or None,
    )
    return PairRow(
        values["name"], path.parent / values["raw"], path.parent / values["srgb"], values.get("split", ""), shot
    )


def _gains(values: dict[str, str]) -> tuple[float, float, float] | None:
    red, green, blue = (_number(values.get(f"white_balance_{letter}")) for letter in "rgb")
    return None if red is None or green is None or blue is None else (red, green, blue)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _read(path: Path, read: Callable[[Path], Image], shot: Shot, lazy: bool) -> Image | CachedImage:
    if lazy:
        return cached(path, read, shot)
    image = read(path)
    return Image(image, merge_shots(shot, image.shot))
