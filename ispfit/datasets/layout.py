"""Which files of a data set are a shot, and in which split it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ispfit.datasets.recipe import Pairing, Recipe, Splits
from ispfit.datasets.transfer import RemoteFile
from ispfit.errors import FileError, InputError
from ispfit.splits import evenly_spaced

__all__ = ["FoundShot", "choose_files", "find_shots", "split_of"]

_OWN_GROUPS = ("shot", "split", "scene", "camera")


@dataclass(frozen=True)
class FoundShot:
    """A shot of a data set, by its files.

    Parameters
    ----------
    name : unique in the set.
    shot : what the set calls it, which several cameras may share.
    raw, srgb : paths relative to the folder of the set; "" is an srgb that is not a file of its own.
    groups : what the path of the raw tells.
    """

    name: str
    shot: str
    raw: str
    srgb: str
    groups: Mapping[str, str]

    @property
    def columns(self) -> dict[str, str]:
        """What the path tells that ispfit has no name for, and the set's own name of the shot."""
        own = {name: value for name, value in self.groups.items() if name not in _OWN_GROUPS}
        return {"dataset_shot": self.shot} | own


def find_shots(recipe: Recipe, paths: Iterable[str]) -> list[FoundShot]:
    """Return the shots among the paths of a data set, in the order of their names, without the excluded ones."""
    pairing = recipe.pairing
    if pairing is None:
        return []
    paths = sorted(paths)
    raws = [(path, groups) for path, groups in _matches(pairing.raw, paths) if not _is_excluded(recipe, groups["shot"])]
    if pairing.has_no_picture:
        return _named([FoundShot("", groups["shot"], path, "", groups) for path, groups in raws])
    shared = re.compile(pairing.raw).groupindex.keys() & re.compile(pairing.srgb).groupindex.keys()
    pictures = {_key(groups, shared): path for path, groups in reversed(_matches(pairing.srgb, paths))}
    found = [(path, pictures.get(_key(groups, shared), ""), groups) for path, groups in raws]
    return _named([FoundShot("", groups["shot"], path, srgb, groups) for path, srgb, groups in found if srgb])


def _is_excluded(recipe: Recipe, shot: str) -> bool:
    return any(fnmatchcase(shot, name) for exclusion in recipe.exclusions for name in exclusion.shots)


def _matches(pattern: str, paths: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    expression = re.compile(pattern)
    found = ((path, expression.search(path)) for path in paths)
    return [(path, {k: v or "" for k, v in match.groupdict().items()}) for path, match in found if match]


def _key(groups: Mapping[str, str], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, groups[name]) for name in names))


def _named(shots: Sequence[FoundShot]) -> list[FoundShot]:
    """The shots with names that differ: those of one name get the rest of what their paths tell."""
    count: dict[str, int] = {}
    for shot in shots:
        count[shot.shot] = count.get(shot.shot, 0) + 1
    named, used = [], set[str]()
    for shot in shots:
        rest = [value for value in shot.groups.values() if value and value != shot.shot]
        name = shot.shot if count[shot.shot] == 1 else "-".join([shot.shot, *rest])
        name = re.sub(r"[^\w.()+-]+", "_", name)
        unique, number = name, 2
        while unique.casefold() in used:
            unique, number = f"{name}-{number}", number + 1
        used.add(unique.casefold())
        named.append(FoundShot(unique, shot.shot, shot.raw, shot.srgb, shot.groups))
    return sorted(named, key=lambda shot: shot.name)


def choose_files(recipe: Recipe, files: Sequence[RemoteFile], only: int | None) -> list[RemoteFile]:
    """Return the files of `only` shots, evenly spaced among all, and those that belong to no shot; None takes all."""
    if only is None or recipe.pairing is None:
        return list(files) if only is None else list(files)[:only]
    shots = find_shots(recipe, [file.path for file in files])
    chosen = [shots[index] for index in evenly_spaced(len(shots), only)] if shots else []
    wanted = {path for shot in chosen for path in (shot.raw, shot.srgb)}
    return [file for file in files if file.path in wanted or not _is_of_a_shot(recipe.pairing, file.path)]


def _is_of_a_shot(pairing: Pairing, path: str) -> bool:
    patterns = [pairing.raw] if pairing.has_no_picture else [pairing.raw, pairing.srgb]
    return any(re.search(pattern, path) for pattern in patterns)


def split_of(recipe: Recipe, shots: Sequence[FoundShot], folder: Path) -> dict[str, str]:
    """Return the split of each shot by its name; "" lets ispfit choose.

    Raises
    ------
    FileError
        If a list of the recipe cannot be read.
    InputError
        If the recipe does not name a split that a path tells.
    """
    splits = recipe.splits
    if splits.rule == "random":
        return {shot.name: "" for shot in shots}
    if splits.rule == "folders":
        return {shot.name: _by_folder(splits, shot) for shot in shots}
    listed = {name: split for split, names in splits.lists.items() for name in names}
    for split, paths in splits.files.items():
        for path in paths:
            listed |= dict.fromkeys(_lines(folder / path), split)
    others = "" if splits.others == "random" else splits.others
    return {shot.name: listed.get(shot.shot, others) for shot in shots}


def _by_folder(splits: Splits, shot: FoundShot) -> str:
    told = shot.groups.get("split", "")
    if told not in splits.names:
        known = ", ".join(splits.names)
        raise InputError(f"splits.names: the recipe knows {known}, but {shot.raw} is in {told!r}.")
    return splits.names[told]


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: the list of a split cannot be read: {error}.") from error
