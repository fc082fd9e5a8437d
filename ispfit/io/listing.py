"""Suffixes of image files, and the search for such files in folders."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from ispfit.errors import FileError, InputWarning

__all__ = [
    "JPEG_SUFFIXES",
    "MODERN_SUFFIXES",
    "RAW_SUFFIXES",
    "SRGB_SUFFIXES",
    "TIFF_SUFFIXES",
    "check_file",
    "find_files",
]

RAW_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef"),
        *("nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"),
    )
)
"""Suffixes, in lower case, of the RAW files that LibRaw decodes."""

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe")

MODERN_SUFFIXES = (".heic", ".heif", ".hif", ".avif", ".jxl")
"""Suffixes of pictures that need the extra ``ispfit[heif]``, see `ispfit.io.modern_pictures`."""

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

SRGB_SUFFIXES = frozenset({*JPEG_SUFFIXES, *MODERN_SUFFIXES, ".png"}) | TIFF_SUFFIXES
"""Suffixes, in lower case, of the rendered images that `read_srgb` reads, apart from the previews in RAW files."""


def check_file(path: str | os.PathLike[str]) -> Path:
    """Return `path` as a `Path`; raise a `FileError` if it is a folder, is empty, or cannot be read."""
    source = Path(path)
    if source.is_dir():
        raise FileError(f"{source}: expected a file, got a folder.")
    try:
        with source.open("rb") as file:
            if not file.read(1):
                raise FileError(f"{source}: the file is empty.")
    except FileError:
        raise
    except (OSError, ValueError) as error:
        raise FileError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    return source


def find_files(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], suffixes: Iterable[str]) -> list[Path]:
    """List the files under `paths` whose suffix, in any case, is among `suffixes`.

    Parameters
    ----------
    paths : files and folders, or a single one. A file is listed whatever its suffix. A folder is searched with its
        subfolders; hidden files and folders are skipped, symbolic links are followed, no folder is entered twice.
    suffixes : such as `RAW_SUFFIXES`, in lower case with the dot.

    Returns
    -------
    Files without duplicates, in the order of `paths`; within a folder in natural order (``shot2`` before ``shot10``).

    Raises
    ------
    FileError
        If one of `paths` does not exist, or cannot be read. A folder below it that cannot be listed is left out with an
        `InputWarning`.
    """
    roots = [paths] if isinstance(paths, str | os.PathLike) else paths
    wanted, seen = frozenset(suffixes), set[Path]()
    found = (file for root in roots for file in _search(Path(root), wanted, seen))
    return list(dict.fromkeys(found))


def _search(root: Path, suffixes: frozenset[str], seen: set[Path]) -> Iterator[Path]:
    try:
        is_file, is_folder = root.is_file(), root.is_dir()
    except OSError as error:  # it lies in a folder that cannot be entered
        raise FileError(f"{root}: cannot be read: {error.strerror}.") from error
    if is_file:
        yield root
    elif is_folder:
        yield from _walk(root, suffixes, seen, named=True)
    else:
        raise FileError(f"{root}: no such file or folder.")


def _walk(folder: Path, suffixes: frozenset[str], seen: set[Path], named: bool = False) -> Iterator[Path]:
    """Yield the files below a folder; `named` is whether the caller named it, so that it must be readable."""
    if (real := folder.resolve()) in seen:
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir(), key=_natural_key)
        kinds = [_kind(entry) for entry in entries]
    except OSError as error:
        message = f"{folder}: the folder cannot be listed: {error.strerror}"
        if named:
            raise FileError(f"{message}.") from error
        warnings.warn(f"{message}; what is in it is left out.", InputWarning, stacklevel=2)
        return
    for entry, kind in zip(entries, kinds, strict=True):
        if entry.name.startswith("."):
            continue
        if kind == "folder":
            yield from _walk(entry, suffixes, seen)
        elif kind == "file" and entry.suffix.lower() in suffixes:
            yield entry


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folder"
    return "file" if path.is_file() else "neither"


def _natural_key(path: Path) -> list[tuple[int, str]]:
    """Return a sort key of a file name that orders numbers by value and ignores case."""
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part), "") if index % 2 else (0, part.casefold()) for index, part in enumerate(parts)]
