"""Which files are a pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from ispfit.errors import FileError
from ispfit.io import RAW_SUFFIXES, SRGB_SUFFIXES, find_files, raw_suffixes

__all__ = ["is_camera_file", "match_files"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
_RAW_FOLDERS = frozenset({"raw", "raws"} | {suffix[1:] for suffix in RAW_SUFFIXES})
_PICTURE_FOLDERS = frozenset({"jpg", "jpgs", "jpeg", "jpegs", "srgb"})


def match_files(paths: str | PathLike[str] | Iterable[str | PathLike[str]]) -> list[tuple[Path, Path]]:
    """Find RAW files and the camera's rendering of each: the picture of the same stem, else the embedded preview.

    ``DSC_1.NEF`` is paired with ``DSC_1.JPG`` or ``DSC_1.NEF.jpg`` in its folder. If there is none, case is ignored
    (``dsc_1.jpeg``), provided that only one RAW file matches. A folder named RAW (or NEF, DNG, ...) and one named JPEG
    (or JPG, ...) beside it count as one folder. Of several pictures a JPEG is preferred to a PNG, and that to a TIFF.

    Parameters
    ----------
    paths : RAW files and folders of them.

    Returns
    -------
    (raw, srgb) paths in the order of `ispfit.io.find_files`. Both are the same file if the rendering is the JPEG
    embedded in the RAW file.

    Raises
    ------
    FileError
        If there is no RAW file, or a folder cannot be listed.
    """
    given = [paths] if isinstance(paths, str | PathLike) else list(paths)
    raws = [path for path in find_files(given, raw_suffixes() - SRGB_SUFFIXES) if is_camera_file(path)]
    if not raws:
        raise FileError(
            f"{', '.join(map(str, given))}: no RAW files here; expected files such as .dng, .cr2, .nef or .arw."
        )
    pictures = {folder: _pictures(folder) for folder in {raw.parent for raw in raws}}
    claims = Counter((raw.parent, raw.stem.casefold()) for raw in raws)
    return [(raw, _picture_of(raw, pictures[raw.parent], claims[raw.parent, raw.stem.casefold()] == 1)) for raw in raws]


def is_camera_file(path: Path) -> bool:
    """Whether a file is a RAW file of a camera, by its suffix; a TIFF may hold raw too, but no camera writes it."""
    return path.suffix.lower() in raw_suffixes() - SRGB_SUFFIXES


def _picture_of(raw: Path, pictures: list[Path], alone: bool) -> Path:
    """The rendering of a RAW file. `alone`: True if no other RAW there has this stem in another case."""
    stems = (raw.stem, raw.name)
    exact = [picture for picture in pictures if picture.stem in stems]
    if exact:
        return exact[0]
    folded = {stem.casefold() for stem in stems}
    alike = [picture for picture in pictures if picture.stem.casefold() in folded]
    return alike[0] if alone and len({picture.stem for picture in alike}) == 1 else raw


def _pictures(folder: Path) -> list[Path]:
    """The pictures that may belong to RAW files of a folder, the likelier ones first."""
    places = [folder, *_beside(folder)]
    try:
        found = [path for place in places for path in place.iterdir()]
    except OSError as error:
        raise FileError(f"{folder}: the folder cannot be listed: {error.strerror}.") from error
    pictures = [path for path in found if path.suffix.lower() in SRGB_SUFFIXES and not path.name.startswith(".")]
    return sorted(pictures, key=lambda path: (places.index(path.parent), _SUFFIXES.index(path.suffix.lower()), path))


def _beside(folder: Path) -> list[Path]:
    if folder.name.lower() not in _RAW_FOLDERS:
        return []
    return sorted(path for path in folder.resolve().parent.iterdir() if _is_folder(path, _PICTURE_FOLDERS))


def _is_folder(path: Path, names: frozenset[str]) -> bool:
    return path.name.lower() in names and path.is_dir()
