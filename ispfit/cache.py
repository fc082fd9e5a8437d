"""Images that were decoded once, on disk, and read from there by memory mapping."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ispfit._version import __version__
from ispfit.codes import CODE_OF_ONE, to_integer_codes
from ispfit.errors import FileError
from ispfit.files import atomic_path, file_fingerprint, make_folder
from ispfit.images import Image, Shot, merge_shots

__all__ = ["CachedImage", "cache_entry", "cache_folder", "cached", "open_image", "store_image"]


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


def cached(path: Path, read: Callable[[Path], Image], shot: Shot) -> CachedImage:
    """Decode a file into the cache, unless it is there and the file has not changed since.

    Parameters
    ----------
    path : the file.
    read : decodes it.
    shot : what is known of the shot; what it lacks is taken from the file.
    """
    file = cache_entry(f"{file_fingerprint(path)} {read.__name__}", ".npy")
    about = file.with_suffix(".json")
    if not (file.exists() and about.exists()):
        image = read(path)
        with atomic_path(about) as temporary:
            temporary.write_text(json.dumps(asdict(image.shot)), encoding="utf-8")
        store_image(file, image)
    return open_image(file, merge_shots(shot, _read_shot(about)))


def store_image(file: Path, image: Image) -> None:
    """Write an image to a cache file, in as few bits as hold its values exactly."""
    with atomic_path(file) as temporary:
        np.save(temporary, to_integer_codes(np.asarray(image)))


def open_image(file: Path, shot: Shot) -> CachedImage:
    """Open what `store_image` wrote.

    Raises
    ------
    FileError
        If the file is damaged or gone.
    """
    return CachedImage(file, _map(file).shape, shot)


def cache_entry(key: str, suffix: str) -> Path:
    """Return the file of the cache for `key`, any text that names the input and how it was processed.

    Another version of ispfit has other entries: it may decode otherwise.
    """
    return cache_folder() / f"{hashlib.sha256(f'{__version__} {key}'.encode()).hexdigest()[:32]}{suffix}"


def cache_folder() -> Path:
    """Return the cache folder, ``$ISPFIT_CACHE`` or ``ispfit`` in the user's cache folder, and make it if needed.

    Raises
    ------
    FileError
        If the folder cannot be made.
    """
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return make_folder(Path(os.environ.get("ISPFIT_CACHE") or Path(base, "ispfit")))
    except FileError as error:
        raise FileError(f"{str(error).rstrip('.')}; set ISPFIT_CACHE to another folder.") from error.__cause__
    except RuntimeError as error:
        raise FileError(f"the cache has no place ({error}); set ISPFIT_CACHE to a folder.") from error


def _read_shot(about: Path) -> Shot:
    try:
        known = json.loads(about.read_text(encoding="utf-8"))
        gains = known.pop("white_balance")
        return Shot(**known, white_balance=tuple(gains) if gains else None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(f"{about}: damaged cache file ({error}); delete it and load the pairs again.") from error


def _map(file: Path) -> npt.NDArray[Any]:
    try:
        mapped: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FileError(
            f"{file}: damaged or deleted cache file ({error}); delete it and load the pairs again."
        ) from error
    return mapped
