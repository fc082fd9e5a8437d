"""The one way from the two files of a shot to a registered pair. Its results are kept in the cache."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit._version import __version__
from ispfit.cache import CachedImage, cache_entry, no_cache_because, open_image, store_image
from ispfit.codes import CODE_OF_ONE
from ispfit.errors import FileError, InputError, InputWarning
from ispfit.files import atomic_path, file_fingerprint
from ispfit.images import Image, Shot
from ispfit.io import read_raw, read_srgb
from ispfit.pairs.contact_sheet import read_tiles, tiles_of, write_tiles
from ispfit.pairs.record import PairRecord, describe_pair
from ispfit.registration import AlignedPair, Tolerances, align_pair
from ispfit.resize import Size, check_size, reduce_image

__all__ = [
    "WHOLE",
    "PairSettings",
    "PreparedPair",
    "cached_pair",
    "in_memory",
    "pair_key",
    "prepare_pair",
    "read_pair",
]

_FORMAT = 3  # of what the cache holds of a pair, and of how a pair is made
_CODE_OF_ONE = np.float32(CODE_OF_ONE[np.dtype(np.uint16)])
_FULL_SIZE = 0.9  # share of a side of the RAW file that its embedded picture has if it is of full size
_REGISTERED_PX = 192  # side of a raw that can be registered reliably
_TILE_SOURCE_PX = 512  # side of the images of a rejected pair on the contact sheet

WHOLE = (0.0, 0.0, 1.0, 1.0)
"""The part of a picture that is all of it."""

_Side: TypeAlias = Image | CachedImage


@dataclass(frozen=True)
class PairSettings:
    """How the two files of a shot become a pair.

    Parameters
    ----------
    size : largest longer side of the pair in pixels, or the height and width of its centred crop; None keeps full
        resolution.
    register : False assumes that both files show the same field of view.
    tolerances : what a registration must satisfy, or the pair is rejected.
    white_balance : gains (r, g, b) instead of those in the RAW file.
    keep : part of the pair that is used, as shares of its sides: top, left, bottom, right.
    """

    size: Size | None = 512
    register: bool = True
    tolerances: Tolerances = field(default_factory=Tolerances)
    white_balance: tuple[float, ...] | None = None
    keep: tuple[float, float, float, float] = WHOLE


@dataclass(frozen=True)
class PreparedPair:
    """A pair on one grid, or the reason for its rejection.

    Parameters
    ----------
    raw, srgb : images of one shape, in 16-bit steps, each with the shot; None if the pair was rejected.
    record : what is known of the pair; its `reason` is empty unless the pair was rejected.
    tiles : pictures of the pair before and after registration, for the contact sheet.
    notes : warnings about the files, and about the cache if it cannot be used.
    """

    raw: _Side | None
    srgb: _Side | None
    record: PairRecord
    tiles: list[npt.NDArray[np.uint8]]
    notes: tuple[str, ...]


def read_pair(
    raw: str | PathLike[str], srgb: str | PathLike[str], size: Size | None = None, *, register: bool = True
) -> tuple[Image, Image]:
    """Read a RAW file and the camera's rendering of it as a pair: registered, on the coarser of their pixel grids.

    The result is kept in the cache (see `ispfit.datasets.load_pairs`) and read from there the next time, unless one of
    the two files has changed.

    Parameters
    ----------
    raw : what `ispfit.read_raw` reads.
    srgb : what `ispfit.read_srgb` reads; the RAW file itself for its embedded JPEG.
    size : reduce the pair by area averaging until its longer side has at most this number of pixels; or to at most
        (height, width), with a centred crop. A side that is shorter keeps its length: nothing is enlarged. None keeps
        full resolution.
    register : False does not register: both files are assumed to show the same field of view.

    Returns
    -------
    raw, srgb : float32 images of one shape H x W x 3 in [0, 1], in steps of 1/65535.

    Raises
    ------
    FileError
        If one of the files cannot be read.
    InputError
        If the pair is rejected: the two do not show the same, or cannot be registered reliably.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from ispfit.datasets import make_camera_roll
    >>> with TemporaryDirectory() as folder:
    ...     [(dng, jpeg)] = make_camera_roll(folder, 1, image_size=(192, 288), random_state=0)
    ...     raw, srgb = read_pair(dng, jpeg, size=128)
    >>> raw.shape, srgb.shape, raw.shot.camera
    ((85, 128, 3), (85, 128, 3), 'ispfit Virtual A')
    """
    files = Path(raw), Path(srgb)
    pair = prepare_pair(files, PairSettings(None if size is None else check_size(size), register))
    for note in pair.notes:
        warnings.warn(note, InputWarning, stacklevel=2)
    if pair.raw is None or pair.srgb is None:
        raise InputError(f"{files[0]} and {files[1].name}: {pair.record.reason}.")
    return in_memory(pair.raw), in_memory(pair.srgb)


def in_memory(side: _Side) -> Image:
    """Return one image of a `PreparedPair` with its pixels."""
    return side if isinstance(side, Image) else Image(np.array(side), side.shot)


def prepare_pair(files: tuple[Path, Path], settings: PairSettings) -> PreparedPair:
    """Decode and align the RAW file and the srgb file of a shot, or find the result in the cache.

    Raises
    ------
    FileError
        If one of the files cannot be read. A cache that cannot be used is a note of the pair.
    """
    key = pair_key(files, settings)  # before the files are read: files that change meanwhile are another pair
    return _from_cache(key, files[0].stem) or _to_cache(key, files[0].stem, _prepare(files, settings))


def cached_pair(files: tuple[Path, Path], settings: PairSettings) -> PreparedPair | None:
    """Return the pair if it is in the cache.

    Raises
    ------
    FileError
        If one of the files cannot be read.
    """
    return _from_cache(pair_key(files, settings), files[0].stem)


def pair_key(files: tuple[Path, Path], settings: PairSettings) -> str:
    """Return a text that changes with the files, the settings, and what this version of ispfit makes of them.

    Raises
    ------
    FileError
        If one of the files cannot be read.
    """
    return f"{__version__} {_FORMAT} {file_fingerprint(files[0])} {file_fingerprint(files[1])} {settings}"


def _prepare(files: tuple[Path, Path], settings: PairSettings) -> PreparedPair:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", InputWarning)
        raw, srgb = _decode(files, settings)
        _warn_of_small_preview(files, raw, srgb, settings.size)
        pair = align_pair(raw, srgb, settings.size, settings.tolerances, register=settings.register)
        notes = [str(warning.message) for warning in caught if issubclass(warning.category, InputWarning)]
        record = describe_pair(files, raw, srgb, pair, notes)
    for warning in caught:
        if not issubclass(warning.category, InputWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    shot = _shot(files[0].stem, record)
    images: list[Image | None] = [None, None]
    if pair.raw is not None and pair.srgb is not None:
        images = [Image(_quantised(_part(side, settings.keep)), shot) for side in (pair.raw, pair.srgb)]
    return PreparedPair(images[0], images[1], record, _tiles(raw, srgb, pair), record.notes)


def _decode(files: tuple[Path, Path], settings: PairSettings) -> tuple[Image, Image]:
    """Decode both files, the RAW file to half its size if that is enough for registration and for the pair."""
    gains, size = settings.white_balance, settings.size
    raw = read_raw(files[0], white_balance=gains, half_size=size is not None)
    if size is not None and not _is_enough(raw.shape, size):
        raw = read_raw(files[0], white_balance=gains)
    return raw, read_srgb(files[1])


def _is_enough(shape: tuple[int, ...], size: Size) -> bool:
    """Whether a raw of this shape can be registered reliably, and is resampled without loss for a pair of this size."""
    height, width = shape[:2]
    wanted = size if isinstance(size, tuple) else (0, size) if width >= height else (size, 0)
    return height >= max(2 * wanted[0], _REGISTERED_PX) and width >= max(2 * wanted[1], _REGISTERED_PX)


def _warn_of_small_preview(files: tuple[Path, Path], raw: Image, srgb: Image, size: Size | None) -> None:
    """Warn if the picture in a RAW file has less than the size of the pair, or than most of the RAW file's own size."""
    height, width = srgb.shape[:2]
    if size is None:
        is_small = height < _FULL_SIZE * raw.shape[0] or width < _FULL_SIZE * raw.shape[1]
        wanted = f"the RAW file has {raw.shape[1]} x {raw.shape[0]}"
    elif isinstance(size, tuple):
        is_small, wanted = height < size[0] or width < size[1], f"{size[1]} x {size[0]} were asked for"
    else:
        is_small, wanted = max(height, width) < size, f"{size} on the longer side were asked for"
    if files[0] == files[1] and is_small:
        message = f"{files[0]}: its embedded picture has {width} x {height} pixels, {wanted}."
        warnings.warn(message, InputWarning, stacklevel=2)


def _part(image: Image, keep: tuple[float, float, float, float]) -> npt.NDArray[np.float32]:
    """The part of an image that is used."""
    top, bottom = (round(share * image.shape[0]) for share in keep[::2])
    left, right = (round(share * image.shape[1]) for share in keep[1::2])
    return np.asarray(image)[top : max(bottom, top + 1), left : max(right, left + 1)]


def _quantised(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The pixels in 16-bit steps, so that a pair is the same whether it comes from the cache or not."""
    codes = np.rint(np.clip(image, 0, 1) * _CODE_OF_ONE)
    return np.asarray(codes / _CODE_OF_ONE, np.float32)


def _shot(name: str, record: PairRecord) -> Shot:
    return Shot(
        name,
        record.make,
        record.model,
        record.iso,
        record.exposure_time,
        record.white_balance,
        style=record.style,
    )


def _tiles(raw: Image, srgb: Image, pair: AlignedPair) -> list[npt.NDArray[np.uint8]]:
    after = [(pair.raw, pair.srgb)] if pair.raw is not None and pair.srgb is not None else []
    largest = (_TILE_SOURCE_PX, _TILE_SOURCE_PX) if pair.raw is None else pair.raw.shape[:2]
    shape = tuple(min(sides) for sides in zip(largest, raw.shape[:2], srgb.shape[:2], strict=True))
    grid = (shape[0], shape[1])
    before = reduce_image(raw, grid, linear=True), reduce_image(srgb, grid, linear=False)
    return tiles_of([before, *after])


def _from_cache(key: str, name: str) -> PreparedPair | None:
    """The pair that `_to_cache` kept; None if there is none, or if it is damaged."""
    try:
        about = cache_entry(key, ".json")
        record = PairRecord.from_json(json.loads(about.read_text(encoding="utf-8")))
        shot = _shot(name, record)
        images = [None if record.reason else open_image(file, shot) for file in _image_files(about)]
        tiles = read_tiles(about.with_suffix(".png"))
        return PreparedPair(images[0], images[1], record, tiles, record.notes) if tiles else None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def _to_cache(key: str, name: str, pair: PreparedPair) -> PreparedPair:
    """Keep a pair, the record last: its presence marks complete files. If there is no cache, add a note to the pair."""
    try:
        about = cache_entry(key, ".json")
        for file, image in zip(_image_files(about), (pair.raw, pair.srgb), strict=True):
            if image is not None:
                store_image(file, in_memory(image))
        write_tiles(about.with_suffix(".png"), pair.tiles)
        with atomic_path(about) as temporary:
            temporary.write_text(json.dumps(asdict(pair.record)), encoding="utf-8")
        return _from_cache(key, name) or pair  # whose images are mapped, not in memory
    except FileError as error:
        reason = no_cache_because(error)
        note = f"the cache cannot be used ({reason}): the pairs will be decoded and registered again the next time."
        return replace(pair, notes=(*pair.notes, note))


def _image_files(about: Path) -> tuple[Path, Path]:
    """The files of raw and srgb in the cache, beside that of the record."""
    return about.with_name(f"{about.stem}-raw.npy"), about.with_name(f"{about.stem}-srgb.npy")
