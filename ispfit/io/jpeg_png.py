"""Decode JPEG and PNG pictures by Pillow, once damage that Pillow does not report is ruled out."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image as PILImage
from PIL.JpegImagePlugin import JpegImageFile

from ispfit.errors import FileError, decoding
from ispfit.io.jpeg_damage import check_jpeg
from ispfit.io.jpeg_scans import JPEG_SIGNATURE
from ispfit.io.png_chunks import PNG_SIGNATURE
from ispfit.io.profiles import Codes

__all__ = ["decode_jpeg_or_png"]

_END_OF_IMAGE = b"\xff\xd9"
_PNG_DEPTH = 24  # position of the bits per channel: in the first chunk, IHDR


def decode_jpeg_or_png(picture: Path | bytes, source: Path) -> tuple[Codes, bytes | None]:
    """Decode a JPEG or PNG; of several pictures in a JPEG file (MPF) the first.

    Parameters
    ----------
    picture : the file, or its bytes.
    source : the file, for messages.

    Returns
    -------
    codes : uint8 or uint16, H x W (grey), H x W x 3 (RGB) or H x W x 4 (CMYK, 0 = no ink), as stored. Transparency is
        dropped.
    profile : the ICC profile, or None.

    Raises
    ------
    FileError
        If the picture is damaged, or neither a JPEG nor a PNG.
    """
    data = picture if isinstance(picture, bytes) else picture.read_bytes()
    with decoding(source, "the image cannot be decoded"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # large sizes that Pillow accepts, and broken EXIF
        if data.startswith(JPEG_SIGNATURE):
            check_jpeg(data, source)
            # Not by PILImage.open, which refuses a file whose index of further pictures is broken.
            opened: PILImage.Image = JpegImageFile(io.BytesIO(data + _END_OF_IMAGE))
        elif data.startswith(PNG_SIGNATURE):
            with PILImage.open(io.BytesIO(data), formats=["PNG"]) as unread:
                unread.verify()  # the checksums; needs a file that was not decoded yet
            opened = PILImage.open(io.BytesIO(data), formats=["PNG"])
            if data[_PNG_DEPTH] == 16:
                with opened as file:
                    return _deep_png_codes(data), file.info.get("icc_profile")
        else:
            raise FileError(f"{source}: not an image that can be read (JPEG, PNG or TIFF).")
        with opened as file:
            file.load()
            return _codes(file, source), file.info.get("icc_profile")


def _deep_png_codes(data: bytes) -> Codes:
    """Return the 16-bit codes of a PNG, of which Pillow keeps 8 bits if it is coloured."""
    import imagecodecs

    codes: Codes = imagecodecs.png_decode(data)
    channels = 1 if codes.ndim == 2 else codes.shape[2]
    return codes[..., :3] if channels >= 3 else codes.reshape(*codes.shape[:2], channels)[..., 0]


def _codes(picture: PILImage.Image, source: Path) -> Codes:
    if picture.mode in {"RGB", "L", "CMYK"}:
        return np.asarray(picture)
    if picture.mode in {"1", "LA", "La"}:
        return np.asarray(picture.convert("L"))
    if picture.mode in {"P", "PA", "RGBA", "RGBX", "RGBa"}:
        return np.asarray(picture.convert("RGB"))
    if picture.mode.startswith("I"):
        return np.asarray(picture).astype(np.uint16)
    raise FileError(f"{source}: expected an image of 8 or 16 bits per channel, got Pillow's mode {picture.mode!r}.")
