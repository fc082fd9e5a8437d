"""Reading srgb: what a camera made of its raw."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rawpy
from PIL import Image as PILImage
from PIL import UnidentifiedImageError

from ispfit.errors import FileError, InputWarning
from ispfit.images import FloatImage, Image, Shot
from ispfit.io.exif import Exif, read_exif
from ispfit.io.jpeg import check_jpeg, check_seams
from ispfit.io.listing import RAW_SUFFIXES, TIFF_SUFFIXES, check_file
from ispfit.io.orientation import FLIP_OF_ORIENTATION, upright
from ispfit.io.profiles import adobe_to_srgb, apply_profile
from ispfit.io.raw import open_raw, raw_shot
from ispfit.io.tiff import check_strips, read_deep_tiff
from ispfit.resize import Size, check_size, reduce_image

__all__ = ["read_srgb"]

_FORMATS = ("JPEG", "PNG", "TIFF")
_PIL_ERRORS = (OSError, ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, MemoryError, EOFError)


def read_srgb(path: str | os.PathLike[str], *, size: Size | None = None) -> Image:
    """Read a rendered image: JPEG, PNG, TIFF, or the preview that is embedded in a RAW file.

    The picture is turned upright as its EXIF says (a preview that does not say is turned as its RAW file is). Grey
    becomes three equal channels, transparency is dropped, CMYK is converted. A picture with an embedded colour
    profile that is not sRGB, or marked as Adobe RGB by its EXIF, is converted to sRGB with an `InputWarning`.

    Parameters
    ----------
    path : the file; a suffix among `RAW_SUFFIXES` asks for the embedded preview.
    size : target size in pixels, (height, width) or one number for both, reached by averaging areas in linear
        light; see `resize_area`. None keeps the size.

    Returns
    -------
    Image, float32 H x W x 3 in [0, 1]: 8-bit codes / 255 (16-bit TIFF: / 65535); its ``shot`` says what EXIF says.

    Raises
    ------
    FileError
        If the file cannot be read, is damaged or not such an image, or the RAW file has no preview.
    InputError
        If `size` is larger than the image.
    """
    source = check_file(path)
    target = None if size is None else check_size(size)
    image = _from_preview(source) if source.suffix.lower() in RAW_SUFFIXES else _from_picture(source)
    return image if target is None else reduce_image(image, target, linear=False)


def _from_picture(source: Path) -> Image:
    exif = read_exif(source)
    shot = Shot(source.stem, exif.make, exif.model, exif.iso, exif.exposure_time)
    flip = FLIP_OF_ORIENTATION[exif.orientation or 1]
    deep = read_deep_tiff(source) if source.suffix.lower() in TIFF_SUFFIXES else None
    return Image(_from_deep(*deep, source, flip) if deep else _decode(source, source, exif, flip), shot)


def _from_preview(source: Path) -> Image:
    with open_raw(source) as raw:
        try:
            preview = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
            raise FileError(f"{source}: has no embedded picture of the camera; give its JPEG instead.") from error
        shot, flip = raw_shot(raw, read_exif(source), source), raw.sizes.flip
    if preview.format == rawpy.ThumbFormat.BITMAP:
        return Image(upright(_three_channels(preview.data), flip), shot)
    exif = read_exif(preview.data)
    flip = FLIP_OF_ORIENTATION[exif.orientation] if exif.orientation else flip
    return Image(_decode(preview.data, source, exif, flip), shot)


def _from_deep(codes: npt.NDArray[np.uint16], profile: bytes | None, source: Path, flip: int) -> FloatImage:
    """16-bit codes as srgb; a profile that is not sRGB is applied at 8 bits, more than which no converter takes."""
    shallow = PILImage.fromarray((codes / 257).round().astype(np.uint8))
    converted = np.asarray(apply_profile(shallow, profile, source))
    same = np.array_equal(converted, np.asarray(shallow))
    return upright(_three_channels(codes if same else converted), flip)


def _decode(picture: Path | bytes, source: Path, exif: Exif, flip: int) -> FloatImage:
    """The pixels of a picture, in sRGB and upright."""
    colors, profile, turned = _open_picture(picture, source)
    pixels = _three_channels(np.asarray(colors if colors.mode == "I;16" else apply_profile(colors, profile, source)))
    if exif.interoperability == "R03" and not profile:
        warnings.warn(f"{source}: converted from Adobe RGB to sRGB.", InputWarning, stacklevel=4)
        pixels = adobe_to_srgb(pixels)
    return upright(pixels, 0 if turned else flip)


def _open_picture(picture: Path | bytes, source: Path) -> tuple[PILImage.Image, bytes | None, bool]:
    """Decode by Pillow: the picture in mode RGB, L, CMYK or I;16, its ICC profile, and whether it is upright."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes that it does not refuse, and EXIF, which it need not read
            with PILImage.open(
                io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=_FORMATS
            ) as file:
                _check(file, picture, source)
                file.load()  # which turns TIFF files upright, and no others
                return _plain(file, source), file.info.get("icc_profile"), file.format == "TIFF"
    except FileError:
        raise
    except UnidentifiedImageError as error:
        raise FileError(f"{source}: not an image that can be read (JPEG, PNG or TIFF).") from error
    except (*_PIL_ERRORS, PILImage.DecompressionBombError) as error:
        raise FileError(f"{source}: the image cannot be decoded: {str(error).rstrip('.')}.") from error


def _check(file: PILImage.Image, picture: Path | bytes, source: Path) -> None:
    """Look for damage of which Pillow says nothing."""
    if file.format == "JPEG":
        _check_jpeg(file, picture if isinstance(picture, bytes) else picture.read_bytes(), source)
    elif file.format == "TIFF" and isinstance(picture, Path):
        check_strips(picture)
    elif file.format == "PNG" and isinstance(picture, Path):
        with PILImage.open(picture, formats=["PNG"]) as again:
            again.verify()  # the checksums


def _check_jpeg(file: PILImage.Image, data: bytes, source: Path) -> None:
    check_jpeg(data, source)
    layers = getattr(file, "layer", [])
    if file.mode != "RGB" or not layers or getattr(file, "info", {}).get("progressive"):
        return  # a progressive file is coded in several passes: a shift has no seam
    with PILImage.open(io.BytesIO(data), formats=["JPEG"]) as again:
        again.draft("YCbCr", again.size)
        check_seams(np.asarray(again), (8 * layers[0][2], 8 * layers[0][1]), source)


def _plain(picture: PILImage.Image, source: Path) -> PILImage.Image:
    if picture.mode in {"RGB", "L", "CMYK"}:
        return picture.copy()
    if picture.mode in {"1", "LA", "La"}:
        return picture.convert("L")
    if picture.mode in {"P", "PA", "RGBA", "RGBX", "RGBa", "YCbCr", "LAB"}:
        return picture.convert("RGB")
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PNG"):
        return PILImage.fromarray(np.asarray(picture).astype(np.uint16))
    raise FileError(f"{source}: expected an image of 8 or 16 bits a channel, got Pillow's mode {picture.mode!r}.")


def _three_channels(codes: npt.NDArray[np.uint8 | np.uint16]) -> FloatImage:
    pixels = codes.astype(np.float32) / np.float32(np.iinfo(codes.dtype).max)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
