"""Images decoded once into a cache on disk, and read from it by memory mapping."""

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
from ispfit.files import atomic_path, file_fingerprint
from ispfit.images import Image, Shot, merge_shots

__all__ = ["CachedImage", "cache_folder", "cached"]


@dataclass(frozen=True)
class CachedImage:
    """An image in the cache: ``np.asarray`` reads its pixels, float32 H x W x 3 in [0, 1]; it holds none itself.

    `codes` are these pixels as they are kept, see `ispfit.codes`, mapped from the file: only what is used is read.
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
    shot : what to attach to the image.
    """
    key = f"{__version__} {file_fingerprint(path)} {read.stamp if hasattr(read, 'stamp') else read.__name__}"
    file = cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
    about = file.with_suffix(".json")
    if not (file.exists() and about.exists()):
        image = read(path)
        with atomic_path(about) as temporary:
            temporary.write_text(json.dumps(asdict(image.shot)), encoding="utf-8")
        with atomic_path(file) as temporary:
            np.save(temporary, to_integer_codes(np.asarray(image)))
    return CachedImage(file, _map(file).shape, merge_shots(shot, _shot(about)))


def _shot(about: Path) -> Shot:
    try:
        known = json.loads(about.read_text(encoding="utf-8"))
        gains = known.pop("white_balance")
        return Shot(**known, white_balance=tuple(gains) if gains else None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileError(f"{about}: damaged cache file ({error}); delete it and load the pairs again.") from error


def cache_folder() -> Path:
    """Where decoded images are kept: ``$ISPFIT_CACHE``, or ``ispfit`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("ISPFIT_CACHE") or Path(base, "ispfit"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"{folder}: cannot be made ({error.strerror}); set ISPFIT_CACHE to a folder with room."
        ) from error
    return folder


def _map(file: Path) -> npt.NDArray[Any]:
    try:
        mapped: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FileError(
            f"{file}: damaged or deleted cache file ({error}); delete it and load the pairs again."
        ) from error
    return mapped
