"""The cameras of a comparison: pairs to fit and pairs to test with, as files that every process can read."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ispfit.datasets import load_dataset, load_pairs
from ispfit.datasets.load import list_rows
from ispfit.errors import InputError
from ispfit.files import file_fingerprint
from ispfit.images import shots_of
from ispfit.io import write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv
from ispfit.plugins.loading import closest
from ispfit.plugins.manager import get_dataset, list_datasets

__all__ = ["Camera", "distinct_names", "prepare_camera"]

_TEST = 5  # one in so many scenes is to test with, where nobody has said which


@dataclass(frozen=True)
class Camera:
    """Pairs of one camera.

    Parameters
    ----------
    name : what it is called in tables.
    pairs : what `load_pairs` reads.
    """

    name: str
    pairs: Path

    def load(self) -> tuple[tuple[list[Any], list[Any]], tuple[list[Any], list[Any]]]:
        """X and Y to fit with, and X and Y to test with: of a ``pairs.csv`` with a split "test" all else and these.

        Of others one scene in five is to test with, the same ones each time.
        """
        X, Y = load_pairs(self.pairs, lazy=True)
        split = {row.name: row.split for row in list_rows(self.pairs)}
        names = self.names(X)
        if "test" in split.values():
            test = [split.get(name) == "test" for name in names]
        else:
            scenes = [shot.scene or name for name, shot in zip(names, shots_of(X), strict=True)]
            chosen = set(sorted(set(scenes))[::_TEST])
            test = [scene in chosen for scene in scenes]
        if all(test) or not any(test):
            raise InputError(
                f"{self.pairs}: expected pairs to fit with and pairs to test with, of two scenes at least."
            )
        fit, held_out = np.flatnonzero(~np.array(test)).tolist(), np.flatnonzero(test).tolist()
        return ([X[i] for i in fit], [Y[i] for i in fit]), ([X[i] for i in held_out], [Y[i] for i in held_out])

    @property
    def stamp(self) -> str:
        """Which pairs they are, and in what state: it changes when a file, the table or the split does."""
        return _stamp(self.pairs)

    @staticmethod
    def names(images: list[Any]) -> list[str]:
        """What the shots are called."""
        return [shot.name or str(index) for index, shot in enumerate(shots_of(images))]


@lru_cache(maxsize=64)
def _stamp(pairs: Path) -> str:
    digest = hashlib.sha256()
    for row in list_rows(pairs):
        about = [row.name, row.split, str(row.shot.scene)]
        about += [file_fingerprint(path) if path.exists() else f"{path} is missing" for path in (row.raw, row.srgb)]
        digest.update("\n".join(about).encode())
    return digest.hexdigest()


def distinct_names(cameras: Sequence[Camera]) -> list[Camera]:
    """The cameras, those of one name told apart by the folders that they lie in: ``nikon/pairs``, ``canon/pairs``."""
    names = [camera.name for camera in cameras]
    return [
        replace(camera, name=f"{camera.pairs.resolve().parent.name}/{camera.name}")
        if names.count(camera.name) > 1
        else camera
        for camera in cameras
    ]


def prepare_camera(source: str, folder: Path, shots: int = 60, size: int = 192) -> Camera:
    """The camera of a source; one that is made or comes from a plugin is written to `folder` first, once.

    Parameters
    ----------
    source : a folder or ``pairs.csv`` that `load_pairs` reads, or the name of a dataset.
    shots, size : how many pairs of how many pixels a dataset that is made here has.
    """
    path = Path(source)
    if path.exists():
        return Camera((path.parent if path.suffix == ".csv" else path).resolve().name, path)
    known = [name for name in list_datasets() if not _missing(name)]
    if source not in known:
        hint = closest(source, known)
        raise InputError(f"{source}: no such folder, and no dataset of this name; there are {', '.join(known)}.{hint}")
    place = folder / f"{source}-{shots}-{size}"
    if not (place / "pairs.csv").exists():
        _write(*_made(source, shots, size), place)
    return Camera(source, place)


_MADE = {"n_samples", "image_size", "random_state"}


def _missing(source: str) -> set[str]:
    """What a dataset must be told that nobody said: it cannot be made here."""
    parameters = inspect.signature(get_dataset(source)).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {each.name for each in parameters if each.default is each.empty and each.kind not in variadic} - _MADE


def _made(source: str, shots: int, size: int) -> tuple[list[Any], list[Any]]:
    """A dataset, of as many shots and pixels as it lets one choose."""
    wanted = {"n_samples": shots, "image_size": size, "random_state": 0}
    parameters = inspect.signature(get_dataset(source)).parameters
    return load_dataset(source, **{name: value for name, value in wanted.items() if name in parameters})


def _write(X: list[Any], Y: list[Any], place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    rows = []
    for index, (raw, srgb, shot) in enumerate(zip(X, Y, shots_of(X), strict=True)):
        write_linear(place / f"{index:04d}.tif", raw)
        write_srgb(place / f"{index:04d}.png", srgb)
        about = {"scene": shot.scene or "", "make": shot.make or "", "model": shot.model or ""}
        files = {"raw": f"{index:04d}.tif", "srgb": f"{index:04d}.png"}
        rows.append({"name": f"{index:04d}"} | files | about)
    write_pairs_csv(place / "pairs.csv", rows)
