"""Pairs from a folder with a ``pairs.csv``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ispfit.datasets.cache import CachedImage, cached
from ispfit.errors import FileError, InputError, PairWarning
from ispfit.files import file_fingerprint
from ispfit.images import Image, Shot, merge_shots
from ispfit.io import read_raw, read_srgb
from ispfit.pairs.match import match_files, read_pair
from ispfit.pairs.table import PairRow, read_pairs_csv

__all__ = ["list_rows", "load_pairs"]


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
        return f"pair {file_fingerprint(self.raw)} {file_fingerprint(self.srgb)} {self.size} {self.side}"

    def __call__(self, path: Path) -> Image:
        return _read_pair(self.raw, self.srgb, self.size, self.stamp.rsplit(" ", 1)[0])[self.side]


def _readers(row: PairRow, size: int | None) -> list[tuple[Path, Callable[[Path], Image]]]:
    """Each of the two files, and what reads it."""
    if row.made:
        return [(row.raw, read_raw), (row.srgb, read_srgb)]
    return [(path, _Side(row.raw, row.srgb, size, side)) for side, path in enumerate((row.raw, row.srgb))]


@lru_cache(maxsize=1)
def _read_pair(raw: Path, srgb: Path, size: int | None, stamp: str) -> tuple[Image, Image]:
    """`read_pair`, done once for the two sides that are asked for one after the other."""
    return read_pair(raw, srgb, size)


def _match_raws(folder: Path) -> list[PairRow]:
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
            raw, srgb = (_read(path, read, row.shot, lazy) for path, read in _readers(row, size))
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


def _read(path: Path, read: Callable[[Path], Image], shot: Shot, lazy: bool) -> Image | CachedImage:
    if lazy:
        return cached(path, read, shot)
    image = read(path)
    return Image(image, merge_shots(shot, image.shot))
