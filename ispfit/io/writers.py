"""Write images: raw as linear TIFF, srgb as JPEG or PNG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import tifffile
from PIL.PngImagePlugin import PngInfo

from ispfit.codes import CODE_OF_ONE
from ispfit.errors import InputError
from ispfit.files import atomic_path
from ispfit.images import Shot, check_image
from ispfit.io.exif_writer import SRGB, UNCALIBRATED, add_exif, make_exif
from ispfit.io.linear_profile import linear_profile
from ispfit.io.listing import TIFF_SUFFIXES
from ispfit.io.profiles import srgb_profile
from ispfit.io.shot_metadata import ShotMetadata, metadata_to_write

__all__ = ["write_linear", "write_srgb"]

_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})


def write_linear(
    path: str | os.PathLike[str],
    image: npt.NDArray[np.floating],
    *,
    dtype: Literal["uint16", "float32"] = "uint16",
    metadata_of: str | os.PathLike[str] | None = None,
    unique_id: str | None = None,
) -> None:
    """Write raw as a TIFF file that `read_raw` reads back, with an ICC profile of linear light for other programs.

    The primaries of the profile are those of sRGB, as a camera's are unknown; `read_raw` leaves the profile aside.

    Parameters
    ----------
    path : ``.tif`` or ``.tiff``; replaced if it exists, and never left half-written.
    image : floats H x W x 3 in [0, 1]; if it has a `shot`, that goes into the EXIF.
    dtype : ``"uint16"``: values * 65535, rounded, an error of at most 8e-6. ``"float32"``: exact, and
        any finite values are allowed, such as those above 1 that ``read_raw(highlights="keep")`` returns.
    metadata_of : the file from which the image was made, whose date, place, lens, exposure, author and copyright are
        copied; see `read_shot_metadata`.
    unique_id : 32 hexadecimal digits for the EXIF tag ImageUniqueID, by which `ispfit.io.recipe_of` knows what the
        picture was made from.

    Raises
    ------
    FileError
        If the file cannot be written, or `metadata_of` cannot be read.
    InputError
        If the image, the suffix or `dtype` is invalid.
    """
    final = _check_suffix(path, TIFF_SUFFIXES)
    if dtype == "uint16":
        pixels = _codes(image, np.uint16)
    elif dtype == "float32":
        pixels = np.asarray(image, np.float32)
        check_image(np.clip(pixels, 0, 1), "image")
    else:
        raise InputError(f"dtype: expected 'uint16' or 'float32', got {dtype!r}.")
    shot, metadata = getattr(image, "shot", Shot()), metadata_to_write(metadata_of, unique_id)
    _write_tiff(final, pixels, linear_profile(), shot, metadata, UNCALIBRATED)


def write_srgb(
    path: str | os.PathLike[str],
    image: npt.NDArray[np.floating],
    *,
    quality: int = 95,
    metadata_of: str | os.PathLike[str] | None = None,
    unique_id: str | None = None,
) -> None:
    """Write srgb as JPEG (4:4:4) or PNG with 8 bits per channel, or as TIFF with 16.

    The file is marked as sRGB and has camera and exposure in its EXIF.

    Parameters
    ----------
    path : ``.jpg``, ``.jpeg``, ``.png``, ``.tif`` or ``.tiff``; replaced if it exists, and never left half-written.
    image : floats H x W x 3 in [0, 1], sRGB-encoded; if it has a `shot`, that goes into the EXIF.
    quality : of a JPEG, 1 to 100.
    metadata_of : the file from which the image was made, whose date, place, lens, exposure, author and copyright are
        copied; see `read_shot_metadata`.
    unique_id : 32 hexadecimal digits for the EXIF tag ImageUniqueID, by which `ispfit.io.recipe_of` knows what the
        picture was made from.

    Raises
    ------
    FileError
        If the file cannot be written, or `metadata_of` cannot be read.
    InputError
        If the image, the suffix or `quality` is invalid.
    """
    final = _check_suffix(path, _JPEG_SUFFIXES | {".png"} | TIFF_SUFFIXES)
    if quality not in range(1, 101):
        raise InputError(f"quality: expected an integer from 1 to 100, got {quality!r}.")
    shot, metadata = getattr(image, "shot", Shot()), metadata_to_write(metadata_of, unique_id)
    if final.suffix.lower() in TIFF_SUFFIXES:
        _write_tiff(final, _codes(image, np.uint16), srgb_profile(), shot, metadata, SRGB)
        return
    codes = _codes(image, np.uint8)
    exif = make_exif(shot, size=(codes.shape[0], codes.shape[1]), metadata=metadata)
    options: dict[str, Any] = {"quality": quality, "subsampling": "4:4:4"}
    if final.suffix.lower() == ".png":
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add(b"sRGB", b"\0")
    # Encoded in memory: imageio would complain about a full disk a second time, when Python exits.
    data = iio.imwrite("<bytes>", codes, extension=final.suffix.lower(), plugin="pillow", exif=exif, **options)
    with atomic_path(final) as temporary:
        temporary.write_bytes(data)


def _write_tiff(
    path: Path, pixels: npt.NDArray[Any], profile: bytes, shot: Shot, metadata: ShotMetadata, color_space: int
) -> None:
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            pixels,
            byteorder="<",
            photometric="rgb",
            compression="zlib",
            predictor=pixels.dtype == np.uint16,  # for floats it needs another package
            iccprofile=profile,
            metadata=None,
        )
        add_exif(temporary, shot, metadata, color_space)


def _codes(image: npt.NDArray[np.floating], dtype: type[np.unsignedinteger[Any]]) -> npt.NDArray[Any]:
    scaled = np.clip(check_image(image, "image"), 0, 1) * CODE_OF_ONE[np.dtype(dtype)]
    return np.asarray(np.round(scaled).astype(dtype))


def _check_suffix(path: str | os.PathLike[str], suffixes: frozenset[str]) -> Path:
    final = Path(path)
    if final.suffix.lower() not in suffixes:
        raise InputError(f"path: expected a name that ends in {' or '.join(sorted(suffixes))}, got {final.name!r}.")
    return final
