"""Read TIFF files: the main picture by its tags, as srgb or as raw."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

from ispfit.codes import CODE_OF_ONE
from ispfit.errors import FileError, decoding
from ispfit.images import Image, Shot
from ispfit.io.exif import read_exif
from ispfit.io.listing import TIFF_SUFFIXES
from ispfit.io.orientation import FLIP_OF_ORIENTATION, upright
from ispfit.io.profiles import encoding_of
from ispfit.io.tiff_lengths import expect_exact_lengths
from ispfit.io.tiff_limits import check_layout
from ispfit.io.tiff_tail import warn_of_tail
from ispfit.plugins import hookimpl
from ispfit.plugins.specs import RawReader

__all__ = ["TIFF_SIGNATURES", "TiffPicture", "read_linear_tiff", "read_tiff"]

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""The first bytes of a TIFF file: little- and big-endian, and BigTIFF."""

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # it also raises what it logs

_MOST_PAGES = 64  # that are searched for the main picture
_REDUCED, _MASK = 1, 4  # bits of the tag NewSubfileType
_OLD_SUBFILE_TYPE, _OLD_REDUCED = 255, 2
_ORIENTATION, _INK_SET, _ICC_PROFILE = 274, 332, 34675
_CMYK_INKS = 1
_CHANNELS = {"MINISWHITE": 1, "MINISBLACK": 1, "RGB": 3, "PALETTE": 1, "SEPARATED": 4, "YCBCR": 3}
"""Number of colour channels by PhotometricInterpretation; further channels are transparency. YCbCr is for JPEG only."""


@dataclass(frozen=True)
class TiffPicture:
    """The main picture of a TIFF file, as stored.

    Parameters
    ----------
    codes : H x W (grey), H x W x 3 (RGB) or H x W x 4 (CMYK, 0 = no ink); white is the largest code. Integers of 8 or
        16 bits, or floats as the file has them.
    profile : the ICC profile, if there is one.
    orientation : 1 to 8, the turn that makes the picture upright (the tag Orientation); None if the page has none.
    """

    codes: npt.NDArray[Any]
    profile: bytes | None
    orientation: int | None


def read_linear_tiff(source: Path) -> Image:
    """Read a linear TIFF: uint16 codes are divided by 65535, floats are left unchanged.

    Returns
    -------
    Image, float32 H x W x 3, upright; its shot is filled from EXIF.

    Raises
    ------
    FileError
        If the file is damaged, is not an RGB image of uint16 or finite floats, or has a colour profile that is not of
        linear light.
    """
    exif = read_exif(source)
    shot = Shot(source.stem, exif.make, exif.model, exif.iso, exif.exposure_time)
    picture = read_tiff(source)
    if picture.profile and (encoding := encoding_of(picture.profile)):
        raise FileError(
            f"{source}: expected linear light, but its colour profile {encoding} says that its values are encoded: it "
            "is a rendering; read it with read_srgb, or save it with a linear profile."
        )
    codes = upright(picture.codes, FLIP_OF_ORIENTATION[picture.orientation or 1])
    if codes.ndim != 3 or codes.shape[2] != 3:
        kind = "grey" if codes.ndim == 2 else "CMYK"
        raise FileError(f"{source}: expected an image of shape (H, W, 3), got {codes.shape} ({kind}).")
    if codes.dtype == np.uint16:
        return Image(np.divide(codes, CODE_OF_ONE[codes.dtype], dtype=np.float32, casting="unsafe"), shot)
    if codes.dtype.kind != "f":
        raise FileError(
            f"{source}: expected a linear TIFF of 16-bit integers or floats, got {codes.dtype}; "
            "8-bit images are renderings, not raw."
        )
    if not np.isfinite(codes).all():
        raise FileError(f"{source}: contains NaN or infinite values.")
    return Image(codes, shot)


def read_tiff(source: Path) -> TiffPicture:
    """Read the main picture of a TIFF file: the first page that is neither a thumbnail nor a mask.

    Transparency is dropped; white-is-zero is inverted; a palette becomes 8-bit RGB; 1, 2 and 4 bits become 8.

    Raises
    ------
    FileError
        If the file is damaged, would take more memory than the pixels of its picture, or is of a kind that is not read:
        the message names the kind.
    """
    with _open_main_page(source) as page:
        _check_kind(page, source)
        check_layout(page, source)
        expect_exact_lengths(page, source)
        pixels = page.asarray().reshape(page.shaped)
        if pixels.size == 0:
            raise FileError(f"{source}: the file is damaged: it holds no pixels.")
        pixels = pixels[:, 0]  # of planes, depth, height, width, channels
        pixels = pixels[0] if len(pixels) == 1 else np.moveaxis(pixels[..., 0], 0, -1)
        orientation = page.tags.valueof(_ORIENTATION)
        profile = page.tags.valueof(_ICC_PROFILE)
        codes = _colors(page, pixels)
    warn_of_tail(source)
    return TiffPicture(codes, profile, orientation if orientation in FLIP_OF_ORIENTATION else None)


def _colors(page: Any, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the codes of the colour channels of (H, W, channels) pixels; see `TiffPicture`."""
    channels = _CHANNELS[page.photometric.name]
    codes = pixels[..., :channels] if channels > 1 else pixels[..., 0]
    if page.photometric.name == "PALETTE":
        return np.asarray((page.colormap >> 8).astype(np.uint8).T[codes])
    if page.bitspersample < 8:
        codes = codes.astype(np.uint8) * np.uint8(255 // (2**page.bitspersample - 1))
    if page.photometric.name == "MINISWHITE":
        codes = np.invert(codes) if codes.dtype.kind == "u" else 1 - codes
    return codes


def _check_kind(page: Any, source: Path) -> None:
    """Raise a `FileError` that names the kind of a picture that is not read."""
    photometric = getattr(page.photometric, "name", page.photometric)
    n_channels = _CHANNELS.get(photometric, 0)
    if photometric == "YCBCR" and page.compression != tifffile.COMPRESSION.JPEG:
        n_channels = 0
    if photometric == "SEPARATED" and page.tags.valueof(_INK_SET, _CMYK_INKS) != _CMYK_INKS:
        photometric, n_channels = "inks other than CMYK", 0
    if n_channels == 0:
        raise FileError(f"{source}: expected a TIFF in grey, RGB or CMYK, got {photometric}; save it as RGB.")
    if page.samplesperpixel < n_channels:
        raise FileError(
            f"{source}: the file is damaged: {photometric} needs {n_channels} channels, got {page.samplesperpixel}."
        )
    integer = page.dtype is not None and page.dtype.kind in "ub" and page.bitspersample in {1, 2, 4, 8, 16}
    if not integer and (page.dtype is None or page.dtype.kind != "f"):
        found = page.dtype if page.bitspersample in {8, 16, 32, 64} else f"{page.bitspersample} bits"
        raise FileError(f"{source}: expected an image of 8 or 16 bits per channel, got {found}.")


@contextmanager
def _open_main_page(source: Path) -> Iterator[Any]:
    with decoding(source, "not a readable TIFF file"), tifffile.TiffFile(source) as file:
        pages = list(islice(_pages(file), _MOST_PAGES))
        yield next((page for page in pages if not _is_secondary(page)), pages[0])


def _pages(file: Any) -> Iterator[Any]:
    """Yield the pages of a file, each followed by those in its SubIFDs."""
    for page in file.pages:
        yield page
        if page.subifds:
            yield from page.pages


def _is_secondary(page: Any) -> bool:
    """Whether a page is a thumbnail, a reduced version or a mask of another one."""
    return bool(page.subfiletype & (_REDUCED | _MASK)) or page.tags.valueof(_OLD_SUBFILE_TYPE) == _OLD_REDUCED


@hookimpl
def ispfit_raw_readers() -> dict[str, RawReader]:
    """Register linear TIFF files."""
    return dict.fromkeys(sorted(TIFF_SUFFIXES), read_linear_tiff)
