"""Pair sets: training pairs and test pairs, in files that every process can read."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from sklearn.model_selection import GroupKFold

from ispfit.datasets import load_dataset, load_pairs
from ispfit.datasets.load import list_rows
from ispfit.errors import InputError
from ispfit.files import file_fingerprint, make_folder
from ispfit.images import shots_of
from ispfit.io import write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv
from ispfit.plugins.loading import did_you_mean
from ispfit.plugins.manager import get_dataset, list_datasets
from ispfit.splits import split_groups

__all__ = ["PairSet", "Pairs", "prepare_pair_set", "prepare_pair_sets", "write_pair_set"]

Pairs: TypeAlias = tuple[list[Any], list[Any]]
"""Raw images X and srgb images Y, as `ispfit.ISPModel.fit` takes them."""

_TEST_EVERY = 5  # one group in five is for testing if a table has no split
_SUPPLIED = frozenset({"n_samples", "image_size", "random_state"})  # loader arguments that `_make` gives


@dataclass(frozen=True)
class PairSet:
    """The pairs of one camera, divided into training pairs and test pairs.

    Parameters
    ----------
    name : str
        Name of the camera in tables.
    path : Path
        A folder or a ``pairs.csv`` that `ispfit.datasets.load_pairs` reads.
    register : bool
        `register` of `ispfit.datasets.load_pairs`.
    n_fit : int, optional
        Train on at most this number of the training pairs, drawn scene by scene; None takes all.
    fold : tuple of int, optional
        Number of a fold, from 0, and how many folds there are: see `folds`. None divides the pairs as the table does.
    """

    name: str
    path: Path
    register: bool = True
    n_fit: int | None = None
    fold: tuple[int, int] | None = None

    def folds(self, count: int) -> list[PairSet]:
        """Return a pair set for each of `count` folds, whose test pairs are those of the fold.

        Look-alike shots (of one ``scene`` of the table) are in one fold; the split of the table is ignored. With a
        `count` of 1, the pair set itself is returned: it keeps its split.
        """
        if count == 1:
            return [self]
        return [replace(self, name=f"{self.name} fold {k + 1} of {count}", fold=(k, count)) for k in range(count)]

    def load(self, draw: int = 0) -> tuple[Pairs, Pairs]:
        """Return the training pairs and the test pairs.

        The test pairs are those of the split "test"; pairs of all other splits, "validation" among them, are training
        pairs. If the table has no split "test", a fifth of the pairs are test pairs, the same pairs each time;
        look-alike shots (of one ``scene`` of the table) stay together.

        Parameters
        ----------
        draw : int
            Number of the draw of `n_fit` training pairs. The pairs of a smaller `n_fit` are among those of a larger one
            of the same draw.

        Raises
        ------
        InputError
            If there are no training pairs or no test pairs, or fewer groups of look-alikes than folds.
        """
        X, Y = load_pairs(self.path, lazy=True, register=self.register)
        splits = self._splits(X)
        test = [index for index, split in enumerate(splits) if split == "test"]
        fit = _drawn([index for index, split in enumerate(splits) if split != "test"], _groups(X), self.n_fit, draw)
        if not test or not fit:
            raise InputError(
                f"{self.path}: expected training pairs and test pairs, from at least two groups of look-alikes; got "
                f"{len(fit)} training pairs and {len(test)} test pairs."
            )
        return ([X[i] for i in fit], [Y[i] for i in fit]), ([X[i] for i in test], [Y[i] for i in test])

    @property
    def fingerprint(self) -> str:
        """A digest that changes if a file of a pair, the table, the split, the registration, `n_fit` or `fold` does."""
        digest = _fingerprint(self.path, self.register)
        digest += "" if self.n_fit is None else f" {self.n_fit}"
        return digest + ("" if self.fold is None else f" fold {self.fold}")

    @staticmethod
    def names(images: list[Any]) -> list[str]:
        """Return the name of each shot, or its number if it has no name."""
        return [shot.name or str(index) for index, shot in enumerate(shots_of(images))]

    def _splits(self, X: list[Any]) -> list[str]:
        if self.fold is not None:
            return self._splits_of_fold(_groups(X), *self.fold)
        names = self.names(X)
        split_of_name = {row.name: row.split for row in list_rows(self.path)}
        if "test" in split_of_name.values():
            return [split_of_name.get(name, "") for name in names]
        groups = _groups(X)
        n_test = max(round(len(X) / _TEST_EVERY), min(Counter(groups).values()))
        split_of_group = split_groups(groups, {"test": n_test}, np.random.default_rng(0))
        return [split_of_group[group] for group in groups]

    def _splits_of_fold(self, groups: list[str], index: int, count: int) -> list[str]:
        n_groups = len(set(groups))
        if n_groups < count:
            raise InputError(
                f"{self.path}: expected at least {count} groups of look-alikes for {count} folds, got {n_groups}."
            )
        test = set(list(GroupKFold(count).split(groups, groups=groups))[index][1])
        return ["test" if number in test else "train" for number in range(len(groups))]


@lru_cache(maxsize=64)
def _fingerprint(path: Path, register: bool) -> str:
    digest = hashlib.sha256()
    for row in list_rows(path):
        about = [row.name, row.split, str(row.shot.scene)]
        about += [file_fingerprint(file) if file.exists() else f"{file} is missing" for file in (row.raw, row.srgb)]
        about += [] if row.aligned or register else ["not registered"]
        digest.update("\n".join(about).encode())
    return digest.hexdigest()


def _groups(X: list[Any]) -> list[str]:
    """Return the group of look-alikes of each shot."""
    return [shot.scene or name for shot, name in zip(shots_of(X), PairSet.names(X), strict=True)]


def _drawn(indices: list[int], groups: list[str], n_most: int | None, draw: int) -> list[int]:
    """Return at most `n_most` of the indices: groups in random order, of which only the last may be incomplete."""
    if n_most is None:
        return indices
    members: dict[str, list[int]] = {}
    for index in indices:
        members.setdefault(groups[index], []).append(index)
    order = np.random.default_rng(draw).permutation(len(members))
    every = list(members.values())
    return sorted([index for number in order for index in every[number]][:n_most])


def prepare_pair_sets(
    sources: Iterable[str], folder: Path, n_samples: int = 60, image_size: int = 192, *, register: bool = True
) -> list[PairSet]:
    """Return the pair sets of several sources, see `prepare_pair_set`.

    If a name occurs twice, the parent folder is part of it: ``nikon/pairs``, ``canon/pairs``.
    """
    pair_sets = [prepare_pair_set(source, folder, n_samples, image_size, register=register) for source in sources]
    n_sets = Counter(pair_set.name for pair_set in pair_sets)
    return [
        replace(pair_set, name=f"{pair_set.path.resolve().parent.name}/{pair_set.name}")
        if n_sets[pair_set.name] > 1
        else pair_set
        for pair_set in pair_sets
    ]


def prepare_pair_set(
    source: str, folder: Path, n_samples: int = 60, image_size: int = 192, *, register: bool = True
) -> PairSet:
    """Return the pair set of a folder or of a dataset; the pairs of a dataset are written to `folder` once.

    Parameters
    ----------
    source : str
        A folder or ``pairs.csv`` that `ispfit.datasets.load_pairs` reads, or the name of a dataset.
    folder : Path
        Where the pairs of a dataset are kept.
    n_samples : int
        Number of pairs of a synthetic dataset.
    image_size : int
        Side of its square images in pixels.
    register : bool
        False does not register RAW files and pictures, see `ispfit.datasets.load_pairs`.

    Raises
    ------
    InputError
        If `source` is neither a path nor the name of a dataset that can be made without further arguments.
    """
    path = Path(source)
    if path.exists():
        return PairSet((path.parent if path.suffix == ".csv" else path).resolve().name, path, register)
    known = [name for name in list_datasets() if not _required_arguments(name)]
    if source not in known:
        hint = did_you_mean(source, known)
        raise InputError(f"{source}: no such folder, and no dataset of this name; there are {', '.join(known)}.{hint}")
    place = folder / f"{source}-{n_samples}-{image_size}"
    if not (place / "pairs.csv").exists():
        X, Y = _make(source, n_samples, image_size)
        groups = _groups(X)
        test = set(list(dict.fromkeys(groups))[::_TEST_EVERY])
        names = [f"{index:04d}" for index in range(len(X))]
        write_pair_set(place, names, X, Y, ["test" if group in test else "train" for group in groups])
    return PairSet(source, place)


def _required_arguments(dataset: str) -> set[str]:
    """Return the loader arguments without a default that `_make` cannot supply."""
    parameters = inspect.signature(get_dataset(dataset)).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {each.name for each in parameters if each.default is each.empty and each.kind not in variadic} - _SUPPLIED


def _make(dataset: str, n_samples: int, image_size: int) -> Pairs:
    """Load a dataset; its number and size of images are set if its loader has such arguments."""
    supplied = {"n_samples": n_samples, "image_size": image_size, "random_state": 0}
    parameters = inspect.signature(get_dataset(dataset)).parameters
    return load_dataset(dataset, **{name: value for name, value in supplied.items() if name in parameters})


def write_pair_set(
    folder: Path, names: Sequence[str], X: Sequence[Any], Y: Sequence[Any], splits: Sequence[str]
) -> None:
    """Write pairs of these names to ``folder/raw`` and ``folder/srgb``, and their table with the split of each."""
    for part in ("raw", "srgb"):
        make_folder(folder / part)
    rows = []
    for name, raw, srgb, shot, split in zip(names, X, Y, shots_of(X), splits, strict=True):
        row = {"name": name, "raw": f"raw/{name}.tif", "srgb": f"srgb/{name}.png"}
        write_linear(folder / row["raw"], raw)
        write_srgb(folder / row["srgb"], srgb)
        about = {"scene": shot.scene or "", "make": shot.make or "", "model": shot.model or ""}
        rows.append(row | about | {"split": split})
    write_pairs_csv(folder / "pairs.csv", rows)
