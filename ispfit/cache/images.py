"""Images in the cache. A cache that cannot be used, or is damaged, costs time and no image."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ispfit.cache.folder import cache_entry, cache_location, reserve
from ispfit.codes import CODE_OF_ONE, to_integer_codes
from ispfit.errors import FileError, InputWarning
from ispfit.files import atomic_path, file_fingerprint
from ispfit.images import Image, Shot, merge_shots

__all__ = ["CachedImage", "cached", "no_cache_because", "open_image", "store_image"]


_HEADER_BYTES = 128  # of an .npy file


@dataclass(frozen=True)
class CachedImage:
    """An image in the cache: ``np.asarray`` reads its pixels, float32 H x W x 3 in [0, 1]. It holds no pixels itself.

    `codes` are the stored integers, see `ispfit.codes`, mapped from the file: only what is used is read.
    """

    file: Path
    shape: tuple[int, ...]
    shot: Shot

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        codes = self.codes
        scale = np.float32(CODE_OF_ONE[codes.dtype])
        pixels = np.asarray(codes) if scale == 1 else np.asarray(codes, np.float32) / scale
        return pixels.astype(dtype, copy=False) if dtype is not None else pixels

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def codes(self) -> npt.NDArray[Any]:
        return _map(self.file)


def cached(path: Path, read: Callable[[Path], Image], shot: Shot) -> CachedImage | Image:
    """Decode a file into the cache, unless it is there and the file has not changed since.

    Without a cache the image is returned with its pixels, and an `InputWarning` says why.

    Parameters
    ----------
    path : the file.
    read : decodes it.
    shot : what is known of the shot; what it lacks is taken from the file.
    """
    key = f"{file_fingerprint(path)} {read.__name__}"
    if (found := _find(key, shot)) is not None:
        return found
    image = read(path)
    try:
        file = cache_entry(key, ".npy")
        store_image(file, image)
        with atomic_path(file.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(asdict(image.shot)), encoding="utf-8")
        if (found := _find(key, shot)) is not None:
            return found
    except FileError as error:
        message = f"the cache cannot be used ({no_cache_because(error)}): the images are kept in memory."
        warnings.warn(message, InputWarning, stacklevel=2)
    return Image(image, merge_shots(shot, image.shot))


def _find(key: str, shot: Shot) -> CachedImage | None:
    """Return an image if it is in the cache and not damaged."""
    with suppress(FileError):
        file = cache_entry(key, ".npy")
        return open_image(file, merge_shots(shot, _read_shot(file.with_suffix(".json"))))
    return None


def no_cache_because(error: FileError) -> str:
    """Return why the cache cannot be used, without a full stop."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.strerror:  # the same for all files, so that it is told once
        return f"{cache_location()}: {cause.strerror}"
    return str(error).rstrip(".")


def store_image(file: Path, image: Image) -> None:
    """Write an image to a cache file, in as few bits as hold its values exactly.

    Raises
    ------
    FileError
        If it cannot be written, or the cache is full.
    """
    codes = to_integer_codes(np.asarray(image))
    reserve(codes.nbytes + _HEADER_BYTES)
    with atomic_path(file) as temporary:
        np.save(temporary, codes)


def open_image(file: Path, shot: Shot) -> CachedImage:
    """Open what `store_image` wrote.

    Raises
    ------
    FileError
        If the file is damaged or gone.
    """
    image = CachedImage(file, _map(file).shape, shot)
    with suppress(OSError):  # which says when it was last used; the time of the change stays
        os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns))
    return image


def _read_shot(about: Path) -> Shot:
    try:
        known = json.loads(about.read_text(encoding="utf-8"))
        gains = known.pop("white_balance")
        return Shot(**known, white_balance=tuple(gains) if gains else None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(about, error) from error


def _map(file: Path) -> npt.NDArray[Any]:
    try:
        mapped: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(file, error) from error
    if mapped.ndim != 3 or mapped.dtype not in CODE_OF_ONE:
        raise _damaged(file, ValueError(f"{mapped.shape} {mapped.dtype}"))
    return mapped


def _damaged(file: Path, error: Exception) -> FileError:
    return FileError(f"{file}: damaged or deleted cache file ({error}); load the pairs again.")
