"""Read srgb images: the camera's own renderings."""

from __future__ import annotations

import os
from pathlib import Path

import rawpy

from ispfit.errors import FileError, decoding
from ispfit.images import Image, Shot
from ispfit.io.exif import Exif, read_exif
from ispfit.io.jpeg_png import decode_jpeg_or_png
from ispfit.io.listing import RAW_SUFFIXES, check_file
from ispfit.io.modern_pictures import read_modern_picture
from ispfit.io.orientation import FLIP_OF_ORIENTATION, upright
from ispfit.io.raw import open_raw, raw_shot
from ispfit.io.tiff import TIFF_SIGNATURES, read_tiff
from ispfit.io.told_colors import modern_colors, picture_colors, preview_colors, to_srgb
from ispfit.resize import Size, check_size, reduce_image

__all__ = ["read_srgb"]


def read_srgb(path: str | os.PathLike[str], *, size: Size | None = None) -> Image:
    """Read a rendered image: JPEG, PNG, TIFF, or the preview that is embedded in a RAW file.

    With the extra ``ispfit[heif]``, HEIC, AVIF and JPEG XL are read too. The picture is turned upright by its EXIF or
    XMP (a preview without them is turned like its RAW file). Grey becomes three equal channels, transparency is
    dropped, CMYK is converted. A picture whose file tells another colour space than sRGB is converted to sRGB with an
    `InputWarning`; docs/cameras.md lists where a file may tell it.

    Parameters
    ----------
    path : the file; if its suffix is among `RAW_SUFFIXES`, the embedded preview is read.
    size : longer side in pixels, at most, or the exact (height, width), reached by averaging areas in linear light; see
        `resize_area`. None keeps the size.

    Returns
    -------
    Image, float32 H x W x 3 in [0, 1]: 8-bit codes / 255, 16-bit codes / 65535. Its ``shot`` is filled from EXIF.

    Raises
    ------
    FileError
        If the file cannot be read, is damaged, is not such an image, tells a colour space that is not converted
        (such as one of high dynamic range), or is a RAW file without a preview.
    InputError
        If `size` is larger than the image.
    """
    source = check_file(path)
    target = None if size is None else check_size(size)
    with decoding(source):
        image = _read_preview(source) if source.suffix.lower() in RAW_SUFFIXES else _read_picture(source)
    return image if target is None else reduce_image(image, target, linear=False)


def _read_picture(source: Path) -> Image:
    exif = read_exif(source)
    shot = Shot(source.stem, exif.make, exif.model, exif.iso, exif.exposure_time)
    if (modern := read_modern_picture(source)) is not None:
        told = modern_colors(modern.profile, modern.color_codes, exif, source)
        return Image(to_srgb(modern.codes, told, source), shot)
    orientation = exif.orientation
    if _is_tiff(source):
        tiff = read_tiff(source)
        if tiff.codes.dtype.kind == "f":
            raise FileError(
                f"{source}: expected an image of 8 or 16 bits per channel, got {tiff.codes.dtype}; read_raw reads "
                "floats, as linear light."
            )
        codes, profile, orientation = tiff.codes, tiff.profile, tiff.orientation or orientation
    else:
        codes, profile = decode_jpeg_or_png(source, source)
    told = picture_colors(source, profile, exif, source)
    return Image(upright(to_srgb(codes, told, source), FLIP_OF_ORIENTATION[orientation or 1]), shot)


def _is_tiff(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(4) in TIFF_SIGNATURES


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
    codes, profile = decode_jpeg_or_png(bytes(preview.data), source)
    told = preview_colors(profile, exif, (codes.shape[1], codes.shape[0]), raw_exif, source)
    return Image(upright(to_srgb(codes, told, source), flip), shot)
