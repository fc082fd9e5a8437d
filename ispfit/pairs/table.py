"""The table of a folder of pairs: ``pairs.csv``."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ispfit.errors import FileError, InputError
from ispfit.files import atomic_path
from ispfit.images import Shot
from ispfit.io import find_files, raw_suffixes
from ispfit.pairs.match import is_camera_file

__all__ = ["PairRow", "raw_sources", "read_pairs_csv", "write_pairs_csv"]

REQUIRED_COLUMNS = ("name", "raw", "srgb")
_REQUIRED = ", ".join(REQUIRED_COLUMNS)
_DELIMITERS = ",;\t"
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


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
    """Read a ``pairs.csv`` without looking at the images.

    The table may be as a spreadsheet program saves it: in UTF-8 or UTF-16, with or without a byte order mark, its
    columns separated by commas, semicolons or tabs. If they are not separated by commas, a number may have a decimal
    comma. Lines without any value are skipped.

    Raises
    ------
    FileError
        If the file cannot be read, or is not such a text.
    InputError
        If a column or a value that each pair needs is missing.
    """
    path = Path(folder_or_csv)
    path = path / "pairs.csv" if path.is_dir() else path
    try:
        text = _decode(path.read_bytes())
        text, told = _without_separator_line(text)
        delimiter = told or max(_DELIMITERS, key="".join(text.splitlines()[:1]).count)
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: {_reason(error)}; expected a CSV file with the columns {_REQUIRED}.") from error
    columns = [column.strip() for column in lines[0]] if lines else []
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        found = f"it has {', '.join(columns)}" if any(columns) else "it is empty"
        raise InputError(f"{path}: expected the columns {_REQUIRED}, but it lacks {', '.join(missing)}; {found}.")
    rows = [(number, dict(zip(columns, map(str.strip, line), strict=False))) for number, line in enumerate(lines, 1)]
    return [_row(path, values, number, delimiter) for number, values in rows[1:] if any(values.values())]


def raw_sources(paths: Iterable[str | PathLike[str]]) -> Iterator[Path]:
    """Yield the RAW files among paths and in folders, and those that tables of `make_pairs` were made of, if there."""
    for path in map(Path, paths):
        table = path / "pairs.csv" if path.is_dir() else path
        if table.suffix.lower() == ".csv" and table.is_file():
            lines = csv.DictReader(io.StringIO(_decode(table.read_bytes()), newline=""))
            named = (table.parent / source for line in lines if (source := line.get("source") or line.get("raw")))
            yield from (source for source in named if is_camera_file(source) and source.is_file())
        elif path.exists():
            yield from (each for each in find_files(path, raw_suffixes()) if is_camera_file(each))


def _decode(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding)
    if b"\0" in data[:2]:  # UTF-16 without a mark: the high byte of the first letter
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le")
    return data.decode("utf-8")


def _without_separator_line(text: str) -> tuple[str, str]:
    """Return the text without the line ``sep=;``, by which Excel is told the separator, and the separator or ""."""
    first, _, rest = text.partition("\n")
    told = first.strip().strip('"')
    return (rest, told[4:]) if told[:4].lower() == "sep=" and told[4:] in tuple(_DELIMITERS) else (text, "")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, UnicodeDecodeError):
        return "its text is neither UTF-8 nor UTF-16 (save it as 'CSV UTF-8')"
    return str(error)


def write_pairs_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a ``pairs.csv`` from dicts with the columns that `load_pairs` describes; paths are written as given."""
    rows = list(rows)
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)


def _row(path: Path, values: dict[str, str], number: int, delimiter: str) -> PairRow:
    empty = [column for column in REQUIRED_COLUMNS if not values.get(column)]
    if empty:
        raise InputError(f"{path}, line {number}: nothing in the column {empty[0]!r}.")
    numbers = {name: _number(text if delimiter == "," else text.replace(",", ".")) for name, text in values.items()}
    shot = Shot(
        name=values["name"],
        make=values.get("make") or None,
        model=values.get("model") or None,
        iso=numbers.get("iso"),
        exposure_time=numbers.get("exposure_time"),
        white_balance=_gains(numbers),
        scene=values.get("scene") or None,
        style=values.get("style") or None,
    )
    raw, srgb = path.parent / values["raw"], path.parent / values["srgb"]
    return PairRow(values["name"], raw, srgb, values.get("split", ""), shot, aligned=not is_camera_file(raw))


def _gains(numbers: dict[str, float | None]) -> tuple[float, float, float] | None:
    red, green, blue = (numbers.get(f"white_balance_{letter}") for letter in "rgb")
    return None if red is None or green is None or blue is None else (red, green, blue)


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
