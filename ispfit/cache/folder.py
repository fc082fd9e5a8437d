"""The folder of the cache: where it is, how large it may grow, what is in it.

An entry is one or more files with one hash in their names. Other files in the folder are left alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ispfit._version import __version__
from ispfit.errors import FileError, InputError
from ispfit.files import make_folder

__all__ = ["CacheUse", "cache_entry", "cache_folder", "cache_use", "clear_cache", "remove_damaged", "reserve"]

_OWN_NAME = re.compile(r"([0-9a-f]{32})(-raw|-srgb)?\.(npy|json|png)")
_TEMPORARY = ".ispfit-"
_DEFAULT_GB = 50.0
_IN_USE_SECONDS = 24 * 3600.0  # an entry used within this time is not removed: a run may be reading it
_SHARE_KEPT = 0.9  # of the limit, to which old entries are removed at a time
_STRIDE_BYTES = 1 << 28  # that a process writes before it looks again at what is in the folder

_reserved: dict[Path, int] = {}  # bytes that this process may still write, by folder


@dataclass(frozen=True)
class CacheUse:
    """What is in the cache.

    Parameters
    ----------
    folder : the folder.
    n_entries, n_bytes : number of entries, each a pair or an image, and the size of their files.
    limit : bytes that the cache may take.
    """

    folder: Path
    n_entries: int
    n_bytes: int
    limit: int


@dataclass
class _Entry:
    """The files of one hash, their size in bytes, and when one of them was last used, in seconds since 1970."""

    files: list[Path]
    n_bytes: int = 0
    used: float = 0.0

    def remove(self) -> None:
        for file in self.files:
            with suppress(OSError):  # another process has removed it
                file.unlink(missing_ok=True)


def cache_entry(key: str, suffix: str) -> Path:
    """Return the file of the cache for `key`, any text that names the input and how it was processed.

    Another version of ispfit has other entries: it may decode otherwise.
    """
    text = f"{__version__} {key}".encode(errors="surrogateescape")  # of a file name that is not UTF-8
    return cache_folder() / f"{hashlib.sha256(text).hexdigest()[:32]}{suffix}"


def cache_folder() -> Path:
    """Return the cache folder, ``$ISPFIT_CACHE`` or ``ispfit`` in the user's cache folder, and make it if needed.

    Raises
    ------
    FileError
        If the folder cannot be made.
    """
    try:
        return make_folder(cache_location())
    except FileError as error:
        raise FileError(f"{str(error).rstrip('.')}; set ISPFIT_CACHE to another folder.") from error.__cause__
    except RuntimeError as error:
        raise FileError(f"the cache has no place ({error}); set ISPFIT_CACHE to a folder.") from error


def cache_location() -> Path:
    """Return the path of the cache folder, which need not exist; raise a `RuntimeError` if the user has no home."""
    if folder := os.environ.get("ISPFIT_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ispfit")


def cache_limit() -> int:
    """Return the bytes that the cache may take: ``$ISPFIT_CACHE_GB`` times 10^9, or 50 GB.

    Raises
    ------
    InputError
        If the variable is no number.
    """
    text = os.environ.get("ISPFIT_CACHE_GB") or _DEFAULT_GB
    with suppress(ValueError):
        if (gigabytes := float(text)) >= 0 and math.isfinite(gigabytes):
            return round(gigabytes * 1e9)
    raise InputError(f"ISPFIT_CACHE_GB: expected a number of gigabytes >= 0, got {text!r}.")


def cache_use() -> CacheUse:
    """Return what is in the cache."""
    entries = _entries(cache_folder())
    return CacheUse(cache_folder(), len(entries), sum(entry.n_bytes for entry in entries), cache_limit())


def clear_cache() -> CacheUse:
    """Remove all entries, and the temporary files of killed processes; return what was in the cache."""
    before = cache_use()
    for entry in _entries(before.folder):
        entry.remove()
    _Entry(list(before.folder.glob(f"{_TEMPORARY}*"))).remove()
    _reserved.clear()
    return before


def remove_damaged() -> list[Path]:
    """Remove the entries that cannot be read, such as empty and cut files; return the damaged files."""
    damaged: list[Path] = []
    for entry in _entries(cache_folder()):
        if bad := [file for file in entry.files if not _is_whole(file)]:
            damaged += bad
            entry.remove()
    return damaged


def reserve(n_bytes: int) -> None:
    """Make room for a file of this size: remove the entries that were not used for longest, but for a day at least.

    Raises
    ------
    FileError
        If the cache is full of entries that were used within a day.
    """
    folder = cache_folder()
    if _reserved.get(folder, 0) < n_bytes:
        _reserved[folder] = _make_room(folder, n_bytes)
    _reserved[folder] -= n_bytes


def _make_room(folder: Path, n_bytes: int) -> int:
    """Return the bytes that this process may write before it looks again."""
    limit, entries = cache_limit(), _entries(folder)
    total = sum(entry.n_bytes for entry in entries)
    if total + n_bytes > limit:
        old = [entry for entry in entries if entry.used < time.time() - _IN_USE_SECONDS]
        for entry in sorted(old, key=lambda entry: entry.used):
            if total + n_bytes <= _SHARE_KEPT * limit:
                break
            entry.remove()
            total -= entry.n_bytes
    if total + n_bytes > limit:
        raise FileError(
            f"{folder}: holds the {limit / 1e9:g} GB that it may; set ISPFIT_CACHE_GB to more, or empty it by "
            "`ispfit cache --clear`."
        )
    return min(limit - total, max(n_bytes, _STRIDE_BYTES))


def _entries(folder: Path) -> list[_Entry]:
    found: dict[str, _Entry] = {}
    with os.scandir(folder) as files:
        for file in files:
            if name := _OWN_NAME.fullmatch(file.name):
                with suppress(OSError):  # it was removed meanwhile
                    status = file.stat(follow_symlinks=False)
                    entry = found.setdefault(name[1], _Entry([]))
                    entry.files.append(Path(file.path))
                    entry.n_bytes += status.st_size
                    entry.used = max(entry.used, status.st_atime, status.st_mtime)
    return list(found.values())


def _is_whole(file: Path) -> bool:
    try:
        if file.suffix == ".npy":
            np.load(file, mmap_mode="r", allow_pickle=False)
        elif file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        else:
            return file.stat().st_size > 0
    except (OSError, ValueError, EOFError):
        return False
    return True
