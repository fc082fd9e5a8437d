"""Read srgb images: the camera's own renderings."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import rawpy
from PIL import Image as PILImage
from PIL import UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from ispfit.errors import FileError
from ispfit.images import FloatImage, Image, Shot
from ispfit.io.exif import Exif, read_exif
from ispfit.io.jpeg_damage import check_jpeg
from ispfit.io.listing import RAW_SUFFIXES, TIFF_SUFFIXES, check_file
from ispfit.io.modern_pictures import read_modern_picture
from ispfit.io.orientation import FLIP_OF_ORIENTATION, upright
from ispfit.io.raw import open_raw, raw_shot
from ispfit.io.tiff import check_deflated_strips, read_16_bit_tiff
from ispfit.io.told_colors import modern_colors, picture_colors, preview_colors, to_srgb
from ispfit.resize import Size, check_size, reduce_image

__all__ = ["read_srgb"]

_FORMATS = ("JPEG", "PNG", "TIFF")
_PIL_ERRORS = (OSError, ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, MemoryError, EOFError)


def read_srgb(path: str | os.PathLike[str], *, size: Size | None = None) -> Image:
    """Read a rendered image: JPEG, PNG, TIFF, or the preview that is embedded in a RAW file.

    The picture is turned upright by its EXIF orientation (a preview without one is turned like its RAW file). Grey
    becomes three equal channels, transparency is dropped, CMYK is converted. A picture that has an embedded colour
    profile other than sRGB, or whose EXIF marks it as Adobe RGB, is converted to sRGB with an `InputWarning`.

    Parameters
    ----------
    path : the file; if its suffix is among `RAW_SUFFIXES`, the embedded preview is read.
    size : target size in pixels, (height, width) or one number for both, reached by averaging areas in linear
        light; see `resize_area`. None keeps the size.

    Returns
    -------
    Image, float32 H x W x 3 in [0, 1]: 8-bit codes / 255, 16-bit codes / 65535. Its ``shot`` is filled from EXIF.

    Raises
    ------
    FileError
        If the file cannot be read, is damaged, is not such an image, or is a RAW file without a preview.
    InputError
        If `size` is larger than the image.
    """
    source = check_file(path)
    target = None if size is None else check_size(size)
    image = _read_preview(source) if source.suffix.lower() in RAW_SUFFIXES else _read_picture(source)
    return image if target is None else reduce_image(image, target, linear=False)


def _read_picture(source: Path) -> Image:
    exif = read_exif(source)
    shot = Shot(source.stem, exif.make, exif.model, exif.iso, exif.exposure_time)
    flip = FLIP_OF_ORIENTATION[exif.orientation or 1]
    if (modern := read_modern_picture(source)) is not None:
        told = modern_colors(modern.profile, modern.color_codes, exif, source)
        return Image(to_srgb(modern.codes, told, source), shot)
    if source.suffix.lower() in TIFF_SUFFIXES and (deep := read_16_bit_tiff(source)) is not None:
        told = picture_colors(source, deep[1], exif, source)
        return Image(upright(to_srgb(deep[0], told, source), flip), shot)
    return Image(_decode(source, source, exif, flip), shot)


def _read_preview(source: Path) -> Image:
    with open_raw(source) as raw:
        try:
            preview = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
            raise FileError(f"{source}: has no embedded picture of the camera; use its JPEG instead.") from error
        raw_exif, flip = read_exif(source), raw.sizes.flip
        shot = raw_shot(raw, raw_exif, source)
    if preview.format == rawpy.ThumbFormat.BITMAP:
        told = preview_colors(None, Exif(), (preview.data.shape[1], preview.data.shape[0]), raw_exif, source)
        return Image(upright(to_srgb(preview.data, told, source), flip), shot)
    exif = read_exif(preview.data)
    flip = FLIP_OF_ORIENTATION[exif.orientation] if exif.orientation else flip
    return Image(_decode(preview.data, source, exif, flip, raw_exif), shot)


def _decode(picture: Path | bytes, source: Path, exif: Exif, flip: int, raw_exif: Exif | None = None) -> FloatImage:
    """Decode a file, or the bytes of a preview in a RAW file whose EXIF is `raw_exif`, to upright pixels in sRGB."""
    colors, profile, turned = _open_picture(picture, source)
    if raw_exif is None:
        told = picture_colors(picture, profile, exif, source)
    else:
        told = preview_colors(profile, exif, colors.size, raw_exif, source)
    return upright(to_srgb(np.asarray(colors), told, source), 0 if turned else flip)


def _open_picture(picture: Path | bytes, source: Path) -> tuple[PILImage.Image, bytes | None, bool]:
    """Return the picture in mode RGB, L, CMYK or I;16, its ICC profile, and whether Pillow turned it upright."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large sizes that Pillow accepts, and broken EXIF
            with PILImage.open(
                io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=_FORMATS
            ) as file:
                _check_damage(file, picture, source)
                file.load()  # turns TIFF files upright, but no others
                return _to_supported_mode(file, source), file.info.get("icc_profile"), file.format == "TIFF"
    except FileError:
        raise
    except UnidentifiedImageError as error:
        raise FileError(f"{source}: not an image that can be read (JPEG, PNG or TIFF).") from error
    except (*_PIL_ERRORS, PILImage.DecompressionBombError) as error:
        raise FileError(f"{source}: the image cannot be decoded: {str(error).rstrip('.')}.") from error


def _check_damage(file: PILImage.Image, picture: Path | bytes, source: Path) -> None:
    """Raise a `FileError` if the file has damage that Pillow does not report."""
    if isinstance(file, JpegImageFile):  # also one of several pictures (MPO)
        check_jpeg(picture if isinstance(picture, bytes) else picture.read_bytes(), source)
    elif file.format == "TIFF" and isinstance(picture, Path):
        check_deflated_strips(picture)
    elif file.format == "PNG" and isinstance(picture, Path):
        with PILImage.open(picture, formats=["PNG"]) as unread:
            unread.verify()  # the checksums; needs a file that was not decoded yet


def _to_supported_mode(picture: PILImage.Image, source: Path) -> PILImage.Image:
    if picture.mode in {"RGB", "L", "CMYK"}:
        return picture.copy()
    if picture.mode in {"1", "LA", "La"}:
        return picture.convert("L")
    if picture.mode in {"P", "PA", "RGBA", "RGBX", "RGBa", "YCbCr", "LAB"}:
        return picture.convert("RGB")
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG"):
        return PILImage.fromarray(np.asarray(picture).astype(np.uint16))
    raise FileError(f"{source}: expected an image of 8 or 16 bits per channel, got Pillow's mode {picture.mode!r}.")
