"""The cameras of a comparison: pairs to fit and pairs to test with, as files that every process can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ispfit.datasets import load_dataset, load_pairs
from ispfit.datasets.folders import read_pairs_csv, write_pairs_csv
from ispfit.errors import InputError
from ispfit.images import shots_of
from ispfit.io import write_linear, write_srgb
from ispfit.plugins.manager import list_datasets

__all__ = ["Camera", "prepare_camera"]

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
        is_csv = self.pairs.suffix.lower() == ".csv" or (self.pairs / "pairs.csv").exists()
        split = {row.name: row.split for row in read_pairs_csv(self.pairs)} if is_csv else {}
        names = [shot.name or str(index) for index, shot in enumerate(shots_of(X))]
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


def prepare_camera(source: str, folder: Path, shots: int = 60, size: int = 192) -> Camera:
    """The camera of a source; one that is made or comes from a plugin is written to `folder` first, once.

    Parameters
    ----------
    source : a folder or ``pairs.csv`` that `load_pairs` reads, or the name of a dataset.
    shots, size : how many pairs of how many pixels a dataset that is made here has.
    """
    if source not in list_datasets() or Path(source).exists():
        path = Path(source)
        return Camera((path.parent if path.suffix == ".csv" else path).resolve().name, path)
    place = folder / f"{source}-{shots}-{size}"
    if not (place / "pairs.csv").exists():
        X, Y = load_dataset(source, n_samples=shots, image_size=size, random_state=0)
        place.mkdir(parents=True, exist_ok=True)
        rows = []
        for index, (raw, srgb) in enumerate(zip(X, Y, strict=True)):
            write_linear(place / f"{index:04d}.tif", raw)
            write_srgb(place / f"{index:04d}.png", srgb)
            rows.append({"name": f"{index:04d}", "raw": f"{index:04d}.tif", "srgb": f"{index:04d}.png"})
        write_pairs_csv(place / "pairs.csv", rows)
    return Camera(source, place)
