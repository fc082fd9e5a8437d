"""Which files are a pair."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from pathlib import Path

from ispfit.errors import FileError, InputWarning
from ispfit.io import RAW_SUFFIXES, SRGB_SUFFIXES, find_files, raw_suffixes
from ispfit.io.listing import JPEG_SUFFIXES, MODERN_SUFFIXES
from ispfit.io.modern_pictures import INSTALL_HINT, is_readable

__all__ = ["folded_name", "is_camera_file", "match_files"]

_SUFFIXES = (*JPEG_SUFFIXES, *MODERN_SUFFIXES, ".png", ".tif", ".tiff")  # the likelier ones first
_RAW_FOLDERS = frozenset({"raw", "raws"} | {suffix[1:] for suffix in RAW_SUFFIXES})
_PICTURE_FOLDERS = frozenset({"jpg", "jpgs", "jpeg", "jpegs", "srgb", "heic", "heif", "hif"})
# Pixel phones name the two files of a shot PXL_x.RAW-01.COVER.jpg and PXL_x.RAW-02.ORIGINAL.dng; MP: with a film.
_PIXEL_PART = re.compile(r"(\.raw-[0-9]+)?(\.mp)?(\.cover|\.original)?$")
_NAMES_SHOWN = 10


def match_files(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]], *, or_else: str = ""
) -> list[tuple[Path, Path]]:
    """Find RAW files and the camera's rendering of each: the picture of the same stem, else the embedded preview.

    ``DSC_1.NEF`` is paired with ``DSC_1.JPG`` or ``DSC_1.NEF.jpg`` in its folder. If there is none, names are compared
    without regard to how Unicode composes their letters, then without regard to case (``dsc_1.jpeg``), then without
    what Pixel phones add to them (``PXL_1.RAW-01.COVER.jpg`` and ``PXL_1.RAW-02.ORIGINAL.dng``), provided that only one
    RAW file and one name match. A folder named RAW (or NEF, DNG, ...) and one named JPEG (or JPG, ...) beside it count
    as one folder. Of several pictures the preferred one is the first of JPEG, HEIC, AVIF, JPEG XL, PNG and TIFF.

    An `InputWarning` names the pictures that were passed over, because they cannot be read without the extra
    ``ispfit[heif]`` or could belong to several RAW files.

    Parameters
    ----------
    paths : RAW files and folders of them.
    or_else : what else the caller takes, for the message if there is no RAW file.

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
            f"{', '.join(map(str, given))}: no RAW files here; "
            f"expected files such as .dng, .cr2, .nef or .arw{or_else}."
        )
    by_folder: dict[Path, list[Path]] = {}
    for raw in raws:
        by_folder.setdefault(raw.parent, []).append(raw)
    names = {folder: _Names(_pictures(folder), rivals) for folder, rivals in by_folder.items()}
    matched, unclear, unreadable = list[tuple[Path, Path]](), list[Path](), list[Path]()
    for raw in raws:
        pictures, is_clear = names[raw.parent].pictures_of(raw)
        readable = [is_clear and is_readable(picture) for picture in pictures]
        first = readable.index(True) if any(readable) else len(pictures)
        (unreadable if is_clear else unclear).extend(pictures[:first])
        matched.append((raw, [*pictures, raw][first]))
    _warn_of(unreadable, f"cannot be read, so that another picture of the shot is used; {INSTALL_HINT}")
    _warn_of(unclear, "passed over: by their names, they belong to several RAW files, or several to the same one")
    return matched


def is_camera_file(path: Path) -> bool:
    """Whether a file is a RAW file of a camera, by its suffix; a TIFF may hold raw too, but no camera writes it."""
    return path.suffix.lower() in raw_suffixes() - SRGB_SUFFIXES


def folded_name(name: str) -> str:
    """Return a name in the form in which file systems that ignore case and composition compare it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _composed_name(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _shot_name(name: str) -> str:
    """Return the part of a name that the two files of a Pixel phone's shot share."""
    return _PIXEL_PART.sub("", folded_name(name))


_FORMS: tuple[Callable[[str], str], ...] = (str, _composed_name, folded_name, _shot_name)


class _Names:
    """The pictures and the RAW files of a folder, by the forms of their names.

    Parameters
    ----------
    pictures : the likelier ones first.
    """

    def __init__(self, pictures: Sequence[Path], raws: Sequence[Path]) -> None:
        self._rank = {picture: rank for rank, picture in enumerate(pictures)}
        self._n_raws = [Counter(form(raw.stem) for raw in raws) for form in _FORMS]
        self._pictures: list[dict[str, list[Path]]] = [{} for _ in _FORMS]
        for form, known in zip(_FORMS, self._pictures, strict=True):
            for picture in pictures:
                known.setdefault(form(picture.stem), []).append(picture)

    def pictures_of(self, raw: Path) -> tuple[list[Path], bool]:
        """Return the renderings of a RAW file by the first form of names in which there are any; are they its own?"""
        for form, known, n_raws in zip(_FORMS, self._pictures, self._n_raws, strict=True):
            names = dict.fromkeys((form(raw.stem), form(raw.name)))
            if found := sorted((each for name in names for each in known.get(name, [])), key=self._rank.__getitem__):
                one_stem = len({picture.stem for picture in found}) == 1
                return found, form is str or (one_stem and n_raws[form(raw.stem)] == 1)
        return [], True


def _warn_of(pictures: Sequence[Path], what: str) -> None:
    names = list(dict.fromkeys(map(str, pictures)))
    if names:
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        warnings.warn(f"{', '.join(names[:_NAMES_SHOWN])}{more}: {what}.", InputWarning, stacklevel=3)


def _pictures(folder: Path) -> list[Path]:
    """The pictures that may belong to RAW files of a folder, the likelier ones first."""
    places = [folder, *_beside(folder)]
    found: list[Path] = []
    for place in places:
        try:
            found += place.iterdir()
        except OSError as error:
            message = f"{place}: the folder cannot be listed: {error.strerror}; pictures in it are left out."
            warnings.warn(message, InputWarning, stacklevel=4)
    pictures = [path for path in found if path.suffix.lower() in SRGB_SUFFIXES and not path.name.startswith(".")]
    return sorted(pictures, key=lambda path: (places.index(path.parent), _SUFFIXES.index(path.suffix.lower()), path))


def _beside(folder: Path) -> list[Path]:
    if folder.name.lower() not in _RAW_FOLDERS:
        return []
    return sorted(path for path in folder.resolve().parent.iterdir() if _is_folder(path, _PICTURE_FOLDERS))


def _is_folder(path: Path, names: frozenset[str]) -> bool:
    return path.name.lower() in names and path.is_dir()
