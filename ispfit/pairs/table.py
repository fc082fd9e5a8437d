"""The table of a folder of pairs: ``pairs.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ispfit.errors import FileError, InputError
from ispfit.files import atomic_path
from ispfit.images import Shot
from ispfit.pairs.match import is_camera_file

__all__ = ["PairRow", "read_pairs_csv", "write_pairs_csv"]

REQUIRED_COLUMNS = ("name", "raw", "srgb")
_REQUIRED = ", ".join(REQUIRED_COLUMNS)


@dataclass(frozen=True)
class PairRow:
    """One row of a table: the files of a pair, and what is known of it.

    Parameters
    ----------
    name : of the pair.
    raw, srgb : its files.
    split : "train", "validation", "test" or any other; empty if the table has no splits.
    shot : what the table says of the shot.
    aligned : whether both files are images on one pixel grid. Else they are a camera's files, which become a pair when
        they are read.
    """

    name: str
    raw: Path
    srgb: Path
    split: str
    shot: Shot
    aligned: bool = True


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
        raise FileError(f"{path}: {reason}; expected a CSV file with the columns {_REQUIRED}.") from error
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        raise InputError(f"{path}: expected the columns {_REQUIRED}, but it lacks {', '.join(missing)}.")
    return [_row(path, line, number) for number, line in enumerate(lines, 2)]


def write_pairs_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a ``pairs.csv`` from dicts with the columns that `load_pairs` describes; paths are written as given."""
    rows = list(rows)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)


def _row(path: Path, line: dict[str, str | None], number: int) -> PairRow:
    values = {key: (value or "").strip() for key, value in line.items() if isinstance(value, str | None)}
    empty = [column for column in REQUIRED_COLUMNS if not values[column]]
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
    raw, srgb = path.parent / values["raw"], path.parent / values["srgb"]
    return PairRow(values["name"], raw, srgb, values.get("split", ""), shot, aligned=not is_camera_file(raw))


def _gains(values: dict[str, str]) -> tuple[float, float, float] | None:
    red, green, blue = (_number(values.get(f"white_balance_{letter}")) for letter in "rgb")
    return None if red is None or green is None or blue is None else (red, green, blue)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
