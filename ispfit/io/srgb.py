"""Read srgb images: the camera's own renderings."""

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
from ispfit.io.jpeg_damage import check_jpeg_data, check_seams
from ispfit.io.listing import RAW_SUFFIXES, TIFF_SUFFIXES, check_file
from ispfit.io.orientation import FLIP_OF_ORIENTATION, upright
from ispfit.io.profiles import adobe_to_srgb, apply_profile
from ispfit.io.raw import open_raw, raw_shot
from ispfit.io.tiff import check_deflated_strips, read_16_bit_tiff
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
    deep = read_16_bit_tiff(source) if source.suffix.lower() in TIFF_SUFFIXES else None
    return Image(_convert_16_bit(*deep, source, flip) if deep else _decode(source, source, exif, flip), shot)


def _read_preview(source: Path) -> Image:
    with open_raw(source) as raw:
        try:
            preview = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
            raise FileError(f"{source}: has no embedded picture of the camera; use its JPEG instead.") from error
        shot, flip = raw_shot(raw, read_exif(source), source), raw.sizes.flip
    if preview.format == rawpy.ThumbFormat.BITMAP:
        return Image(upright(_three_channels(preview.data), flip), shot)
    exif = read_exif(preview.data)
    flip = FLIP_OF_ORIENTATION[exif.orientation] if exif.orientation else flip
    return Image(_decode(preview.data, source, exif, flip), shot)


def _convert_16_bit(codes: npt.NDArray[np.uint16], profile: bytes | None, source: Path, flip: int) -> FloatImage:
    """Return 16-bit codes as upright srgb; a profile other than sRGB is applied at 8 bits, the most that Pillow can."""
    shallow = PILImage.fromarray((codes / 257).round().astype(np.uint8))
    converted = np.asarray(apply_profile(shallow, profile, source))
    same = np.array_equal(converted, np.asarray(shallow))
    return upright(_three_channels(codes if same else converted), flip)


def _decode(picture: Path | bytes, source: Path, exif: Exif, flip: int) -> FloatImage:
    """Decode a file, or the bytes of one, to upright pixels in sRGB."""
    colors, profile, turned = _open_picture(picture, source)
    pixels = _three_channels(np.asarray(colors if colors.mode == "I;16" else apply_profile(colors, profile, source)))
    if exif.interoperability == "R03" and not profile:
        warnings.warn(f"{source}: converted from Adobe RGB to sRGB.", InputWarning, stacklevel=4)
        pixels = adobe_to_srgb(pixels)
    return upright(pixels, 0 if turned else flip)


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
    if file.format == "JPEG":
        _check_jpeg_damage(file, picture if isinstance(picture, bytes) else picture.read_bytes(), source)
    elif file.format == "TIFF" and isinstance(picture, Path):
        check_deflated_strips(picture)
    elif file.format == "PNG" and isinstance(picture, Path):
        with PILImage.open(picture, formats=["PNG"]) as unread:
            unread.verify()  # the checksums; needs a file that was not decoded yet


def _check_jpeg_damage(file: PILImage.Image, data: bytes, source: Path) -> None:
    check_jpeg_data(data, source)
    layers = getattr(file, "layer", [])
    if file.mode != "RGB" or not layers or getattr(file, "info", {}).get("progressive"):
        return  # a progressive file is coded in several passes: a shift leaves no seam
    with PILImage.open(io.BytesIO(data), formats=["JPEG"]) as planes:
        planes.draft("YCbCr", planes.size)
        check_seams(np.asarray(planes), (8 * layers[0][2], 8 * layers[0][1]), source)


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


def _three_channels(codes: npt.NDArray[np.uint8 | np.uint16]) -> FloatImage:
    """Scale the codes of a colour or grey picture to [0, 1], H x W x 3."""
    pixels = codes.astype(np.float32) / np.float32(np.iinfo(codes.dtype).max)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
