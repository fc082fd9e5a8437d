"""From a recipe to a folder of registered pairs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from ispfit.datasets.archives import fetch_members, remote_members, stream_tar, unpack
from ispfit.datasets.convert import converted
from ispfit.datasets.layout import FoundShot, choose_files, find_shots, split_of
from ispfit.datasets.listings import list_files
from ispfit.datasets.load import list_rows, load_pairs
from ispfit.datasets.recipe import Archive, Recipe
from ispfit.datasets.recipes import dataset_folder, get_recipe
from ispfit.datasets.transfer import RemoteFile, check_space, fetch_files, read_text
from ispfit.errors import FileError, InputError
from ispfit.pairs import ListedShot, PairsReport, make_listed_pairs
from ispfit.resize import Size
from ispfit.splits import evenly_spaced

__all__ = ["FetchPlan", "FetchReport", "fetch_dataset", "plan_fetch", "run_fetch"]

FILES = "files"
"""The folder of the files as they came, in that of the data set."""


@dataclass(frozen=True)
class FetchPlan:
    """What is to be fetched.

    Parameters
    ----------
    recipe : the recipe.
    folder : the folder of the data set.
    only : number of shots; None for all.
    files : files on servers, and members of remote archives.
    archives : archives that are fetched as a whole, or as far as they are needed.
    source : the folder with the user's files, if the set cannot be fetched.
    """

    recipe: Recipe
    folder: Path
    only: int | None
    files: Sequence[RemoteFile] = ()
    archives: Sequence[Archive] = ()
    source: Path | None = None

    @property
    def n_bytes(self) -> int:
        """Bytes to fetch; where a server does not tell, what the recipe says."""
        if self.source is not None:
            return 0
        known = [file.size for file in self.files] + [archive.size for archive in self._whole]
        told = sum(size for size in known if size is not None)
        streamed = len(self.archives) > len(self._whole)
        return told if None not in known and not streamed else max(told, self.recipe.needs(self.only)[0])

    @property
    def _whole(self) -> list[Archive]:
        return [archive for archive in self.archives if not self.is_streamed(archive)]

    def is_streamed(self, archive: Archive) -> bool:
        """Whether only the beginning of an archive is read: of a TAR archive, if a few shots are wanted."""
        return archive.kind == "tar" and self.only is not None

    @property
    def files_folder(self) -> Path:
        """Where the files are, or will be."""
        return self.source or self.folder / FILES


@dataclass(frozen=True)
class FetchReport:
    """What `run_fetch` did.

    Parameters
    ----------
    recipe, folder : the data set and its folder.
    files : folder of the files as they came.
    shots : number of shots that were found in it.
    pairs : what became of them; None if no pairs were asked for.
    failures : shots whose files could not be converted, and why.
    """

    recipe: Recipe
    folder: Path
    files: Path
    shots: int
    pairs: PairsReport | None = None
    failures: list[str] = field(default_factory=list)


def fetch_dataset(
    name: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    only: int | None = None,
    source: str | os.PathLike[str] | None = None,
    size: Size | None = 512,
    camera: str | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Fetch a data set, make registered pairs of it, and load them, as scikit-learn's ``fetch_*`` functions do.

    What is there already is neither fetched nor made again. Nothing is asked: look at ``ispfit dataset show NAME`` for
    the size and the licence.

    Parameters
    ----------
    name : of a recipe that ispfit or a plugin ships (see `list_recipes`), or the TOML file of one.
    folder : where the set is kept; None for a folder of its name in ``$ISPFIT_DATA``, else in the user's data folder.
        The files go to its folder ``files``, the pairs to ``raw`` and ``srgb``, with ``pairs.csv``.
    only : number of shots, evenly spaced among all. None takes all.
    source : folder with the files of a set that cannot be fetched without a form or an account.
    size, camera, random_state, n_jobs : as for `ispfit.pairs.make_pairs`.
    download_if_missing : False raises a `FileError` if the pairs are not there yet.
    return_X_y : return ``(X, Y)`` instead of a Bunch.

    Returns
    -------
    sklearn.utils.Bunch with ``data`` and ``target`` (lists of raw and of srgb images, mapped from the disk), ``names``
    and ``splits`` of the pairs, ``recipe``, ``folder``, and ``DESCR``, what there is to know of the set.

    Raises
    ------
    InputError
        If there is no such recipe, or the set has no pairs of raw and srgb.
    FileError
        If files cannot be fetched or written, or no pair can be made.
    """
    recipe = get_recipe(name)
    place = dataset_folder(recipe.name) if folder is None else Path(folder)
    if recipe.pairing is None:
        raise InputError(f"{recipe.name}: has no pairs of raw and srgb; `ispfit dataset fetch` gets its files.")
    if download_if_missing:
        plan = plan_fetch(recipe, place, only=only, source=source)
        run_fetch(plan, size=size, camera=camera, random_state=random_state, n_jobs=n_jobs)
    elif not (place / "pairs.csv").exists():
        raise FileError(f"{place}: the data set {recipe.name} has not been fetched yet; set download_if_missing.")
    X, Y = load_pairs(place, lazy=True)
    if return_X_y:
        return X, Y
    rows = list_rows(place)
    return Bunch(
        data=X,
        target=Y,
        names=[row.name for row in rows],
        splits=[row.split for row in rows],
        recipe=recipe,
        folder=place,
        DESCR=f"{recipe.title}\n\n{recipe.citation}\n\nraw: {recipe.raw}\nsrgb: {recipe.srgb}\n"
        f"licence: {recipe.licence.name}",
    )


def plan_fetch(
    recipe: Recipe,
    folder: str | os.PathLike[str],
    *,
    only: int | None = None,
    source: str | os.PathLike[str] | None = None,
) -> FetchPlan:
    """Find out what a recipe needs; servers are asked for their lists of files, and no file is fetched.

    Raises
    ------
    InputError
        If `only` is not a number above 0.
    FileError
        If a list cannot be read, or the files of the set must be got by hand and `source` is not given.
    """
    if only is not None and only < 1:
        raise InputError(f"only: expected a number of shots above 0, got {only}.")
    place = Path(folder)
    given = None if source is None else Path(source)
    if given is not None and not given.is_dir():
        raise FileError(f"{given}: there is no such folder.")
    if given is not None and not recipe.listings:
        return FetchPlan(recipe, place, only, source=given)
    if given is None and recipe.manual:
        how = " ".join(recipe.manual.split())
        raise FileError(
            f"{recipe.name}: its files cannot be fetched without a form or an account. {how} Then "
            f"give the folder that you have put them in (--from FOLDER; source= in Python)."
        )
    ranged = [archive for archive in recipe.archives if archive.ranged]
    listed = [file for listing in recipe.listings for file in list_files(listing, given)]
    listed += [file for archive in ranged for file in remote_members(archive)]
    files = [
        RemoteFile(url, path, download.size, download.hash)
        for download in recipe.downloads
        for url, path in download.files()
    ]
    whole = [_with_hash(archive) for archive in recipe.archives if not archive.ranged]
    return FetchPlan(recipe, place, only, [*files, *choose_files(recipe, listed, only)], whole)


def _with_hash(archive: Archive) -> Archive:
    """The archive with the SHA-1 that its server publishes beside it."""
    if archive.sha1_at is None:
        return archive
    sha1 = (read_text(archive.sha1_at).split() or [""])[-1].lower()
    if not re.fullmatch(r"[0-9a-f]{40}", sha1):
        raise FileError(f"{archive.sha1_at}: expected a SHA-1 as the last word, got {sha1[:60]!r}.")
    return archive.model_copy(update={"sha1": sha1})


def run_fetch(
    plan: FetchPlan,
    *,
    raw_only: bool = False,
    size: Size | None = 512,
    register: bool | None = None,
    camera: str | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> FetchReport:
    """Fetch what a plan says, and make pairs of it.

    Parameters
    ----------
    raw_only : leave the files as they came, and make no pairs.
    register : whether pairs are registered; None does what the recipe says.
    tell : is called with a sentence at each step.
    """
    recipe, folder = plan.recipe, plan.folder
    if plan.source is None:
        _fetch(plan, tell or _quiet)
    shots = find_shots(recipe, _paths(plan.files_folder))
    if plan.only is not None:
        shots = [shots[index] for index in evenly_spaced(len(shots), plan.only)]
    if raw_only or recipe.pairing is None:
        return FetchReport(recipe, folder, plan.files_folder, len(shots))
    if not shots:
        raise FileError(
            f"{plan.files_folder}: holds no raw that matches {recipe.pairing.raw!r}"
            f"{'' if recipe.pairing.has_no_picture else f' with a picture that matches {recipe.pairing.srgb!r}'}; "
            f"it is another version of {recipe.name}, or not all of it."
        )
    files, failures = converted(recipe, shots, plan.files_folder, folder / "converted", n_jobs)
    if not files:
        raise FileError("\n".join([f"{folder}: none of its {len(shots)} shots can be used:", *failures[:10]]))
    pairing, splits = recipe.pairing, split_of(recipe, shots, plan.files_folder)
    listed = [_listed(shot, files[shot.name], splits[shot.name]) for shot in shots if shot.name in files]
    report = make_listed_pairs(
        listed,
        folder,
        size=size,
        register=pairing.align if register is None else register,
        max_residual=pairing.max_residual,
        min_overlap=pairing.min_overlap,
        white_balance=pairing.white_balance,
        keep=pairing.keep,
        camera=camera,
        n_test=recipe.splits.n_test,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    return FetchReport(recipe, folder, plan.files_folder, len(shots), report, failures)


def _listed(shot: FoundShot, files: tuple[Path, Path], split: str) -> ListedShot:
    return ListedShot(shot.name, *files, split=split, scene=shot.groups.get("scene", ""), columns=shot.columns)


def _quiet(sentence: str) -> None:
    pass


def _fetch(plan: FetchPlan, tell: Callable[[str], None]) -> None:
    target = plan.folder / FILES
    check_space(target, plan.n_bytes)
    members = [file for file in plan.files if file.member is not None]
    fetch_files([file for file in plan.files if file.member is None], target, "fetching")
    fetch_members(members, target)
    for archive in plan.archives:
        if plan.is_streamed(archive):
            tell(f"reading {archive.url} up to the shots that are wanted; its hash cannot be checked so")
            stream_tar(archive, target, _is_enough(plan))
            continue
        name = archive.url.partition("?")[0].rpartition("/")[2]
        packed = RemoteFile(archive.url, name, archive.size, archive.hash)
        [path] = fetch_files([packed], plan.folder / "archives", "fetching")
        unpack(archive, path, target)


def _is_enough(plan: FetchPlan) -> Callable[[list[str]], bool]:
    def is_enough(paths: list[str]) -> bool:
        return plan.only is not None and len(find_shots(plan.recipe, paths)) >= plan.only

    return is_enough


def _paths(folder: Path) -> list[str]:
    """The files of a data set, relative to its folder, with forward slashes; hidden ones are left out."""
    if not folder.is_dir():
        return []
    found = (Path(root, name).relative_to(folder) for root, _, names in os.walk(folder) for name in names)
    return sorted(path.as_posix() for path in found if not path.name.startswith("."))
