"""Which files are a pair, and reading them onto one pixel grid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from ispfit.errors import FileError, InputError
from ispfit.images import Image, Shot
from ispfit.io import RAW_SUFFIXES, SRGB_SUFFIXES, find_files, raw_suffixes, read_raw, read_srgb
from ispfit.registration.align import align_pair
from ispfit.resize import reduce_image

__all__ = ["crop_fraction", "match_files", "read_pair"]

_ASPECT_TOLERANCE = 0.01
_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
_RAW_FOLDERS = frozenset({"raw", "raws"} | {suffix[1:] for suffix in RAW_SUFFIXES})
_PICTURE_FOLDERS = frozenset({"jpg", "jpgs", "jpeg", "jpegs", "srgb"})


def match_files(paths: str | PathLike[str] | Iterable[str | PathLike[str]]) -> list[tuple[Path, Path]]:
    """Find RAW files, and for each the camera's rendering: the picture of the same stem, else the RAW's own preview.

    ``DSC_1.NEF`` goes with ``DSC_1.JPG`` or ``DSC_1.NEF.jpg`` in its folder; if there is none, with the one picture
    whose stem differs in case alone (``dsc_1.jpeg``), provided that no other RAW claims it. Where a folder named RAW
    lies beside one named JPEG, they count as one folder; so do names such as NEF and JPG. Of several pictures a
    JPEG comes before a PNG, and that before a TIFF.

    Parameters
    ----------
    paths : RAW files and folders of them.

    Returns
    -------
    (raw, srgb) paths in the order of `ispfit.io.find_files`; both are the same file where the rendering is the JPEG
    embedded in the RAW.

    Raises
    ------
    FileError
        If there is no RAW file, or a folder cannot be listed.
    """
    suffixes = raw_suffixes() - SRGB_SUFFIXES
    raws = [path for path in find_files(paths, suffixes) if path.suffix.lower() in suffixes]
    if not raws:
        raise FileError(f"{paths}: no RAW files here; expected files such as .dng, .cr2, .nef or .arw.")
    pictures = {folder: _pictures(folder) for folder in {raw.parent for raw in raws}}
    claims = Counter((raw.parent, raw.stem.casefold()) for raw in raws)
    return [(raw, _picture_of(raw, pictures[raw.parent], claims[raw.parent, raw.stem.casefold()] == 1)) for raw in raws]


def _picture_of(raw: Path, pictures: list[Path], alone: bool) -> Path:
    """The rendering of a RAW file; `alone` says that no other RAW there has this stem in another case."""
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


def read_pair(raw: Path, srgb: Path, size: int | tuple[int, int] | None = None) -> tuple[Image, Image]:
    """Read a raw and the camera's rendering of it onto the coarser of their pixel grids.

    Images of the same proportions are taken to show the camera's crop box without distortion: the larger one is
    reduced by area averaging in linear light, nothing is shifted or warped. Others are registered (`align_pair`).

    Parameters
    ----------
    raw : what `ispfit.read_raw` reads.
    srgb : what `ispfit.read_srgb` reads; the RAW file itself for its embedded JPEG.
    size : reduce both to this at most, in pixels, and crop them around the middle; None keeps the smaller grid. What
        is smaller on a side stays as it is there: nothing is enlarged.

    Raises
    ------
    InputError
        If the two have different proportions and cannot be registered.
    """
    linear, rendered = read_raw(raw), read_srgb(srgb)
    known = {name: value for name, value in vars(linear.shot).items() if value is not None}
    shot = Shot(**(vars(rendered.shot) | known))
    ratios = [image.shape[1] / image.shape[0] for image in (linear, rendered)]
    if abs(ratios[0] / ratios[1] - 1) > _ASPECT_TOLERANCE:
        pair = align_pair(linear, rendered, size)
        if pair.raw is None or pair.srgb is None:
            raise InputError(f"{raw} and {srgb}: {pair.reason}.")
        return Image(pair.raw, shot), Image(pair.srgb, shot)
    height, width = (min(sides) for sides in zip(linear.shape[:2], rendered.shape[:2], strict=True))
    most = (height, width) if size is None else (size, size) if isinstance(size, int) else size
    grid = (min(height, most[0]), min(width, most[1]))
    return Image(reduce_image(linear, grid, linear=True), shot), Image(reduce_image(rendered, grid, linear=False), shot)


def crop_fraction(image: Image, box: Sequence[float]) -> Image:
    """The part of an image between fractions (left, top, right, bottom) of its sides."""
    left, top, right, bottom = box
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise InputError(
            f"crop: expected fractions 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got {tuple(box)}."
        )
    height, width = image.shape[:2]
    return Image(image[round(top * height) : round(bottom * height), round(left * width) : round(right * width)])
