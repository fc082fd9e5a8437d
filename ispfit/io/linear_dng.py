"""Write raw as a linear DNG, which RAW converters open as they do a camera's RAW file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from ispfit.color import XYZ_TO_SRGB, linear_to_srgb
from ispfit.errors import InputError
from ispfit.files import atomic_path
from ispfit.images import FloatImage, Shot, check_image
from ispfit.io.dng_layout import dng_head
from ispfit.io.exif_writer import UNCALIBRATED, exif_tags, gps_tags, image_tags
from ispfit.io.ifd_writer import Value, ascii_text, bytes_of, longs, rationals, shorts, srationals
from ispfit.io.shot_metadata import metadata_to_write
from ispfit.resize import resize_area

__all__ = ["balanced_matrix", "write_linear_dng"]

_Matrix = npt.NDArray[np.float64]

_D65_XYZ = np.array([0.9505, 1.0, 1.0890])  # IEC 61966-2-1:1999
_D65_ILLUMINANT = 21  # Exif 2.32, tag LightSource
_WHITE_LEVEL = 65535
_BLOCK_SAMPLES = 1 << 22  # converted at a time
_MAX_BYTES = (1 << 32) - (1 << 24)  # offsets have 32 bits; the rest is for metadata and preview
_PREVIEW_PX = 1024  # longer side


def write_linear_dng(
    path: str | os.PathLike[str],
    image: npt.NDArray[np.floating],
    *,
    color_matrix: npt.ArrayLike | None = None,
    baseline_exposure: float = 0.0,
    preview: npt.NDArray[np.floating] | None = None,
    metadata_of: str | os.PathLike[str] | None = None,
    unique_id: str | None = None,
) -> None:
    """Write raw as a linear DNG of 16 bits (Adobe DNG Specification 1.4) for RAW converters; `read_raw` reads it back.

    The file says that the raw is white-balanced (AsShotNeutral 1 1 1, with a matrix that turns the white D65 into equal
    R, G and B), so that a converter shows it as balanced as it is, and its white balance still works. The samples are
    not compressed. Apart from the image, memory does not grow with its size.

    Parameters
    ----------
    path : ``.dng``; replaced if it exists, and never left half-written.
    image : floats H x W x 3 in [0, 1], 1 = saturation; if it has a `shot`, that goes into the EXIF.
    color_matrix : 3 x 3, CIE XYZ (D65) to camera RGB, as the RAW files of the camera have it; its rows are scaled to
        the white balance, see `balanced_matrix`. None for the primaries of sRGB: neutral surfaces are then shown as
        neutral, and colours weaker than they were.
    baseline_exposure : EV by which converters should brighten the picture at their neutral setting.
    preview : srgb, floats in [0, 1] of the same proportions, such as the camera's own rendering; reduced to 1024
        pixels on its longer side. None makes one of `image`.
    metadata_of : the file from which the image was made, whose date, place, lens, exposure, author and copyright are
        copied; see `read_shot_metadata`.
    unique_id : 32 hexadecimal digits for the EXIF tag ImageUniqueID, by which `ispfit.io.recipe_of` knows what the
        picture was made from.

    Raises
    ------
    FileError
        If the file cannot be written, or `metadata_of` cannot be read.
    InputError
        If an image, the matrix, the exposure or the suffix is invalid, or the image has more than 4 GB.
    """
    final = Path(path)
    if final.suffix.lower() != ".dng":
        raise InputError(f"path: expected a name that ends in .dng, got {final.name!r}.")
    pixels, matrix = check_image(image, "image"), balanced_matrix(color_matrix)
    if 2 * pixels.size > _MAX_BYTES:
        raise InputError(f"image: a DNG holds at most 4 GB, got {pixels.shape[1]} x {pixels.shape[0]} pixels; cut it.")
    if not -20 <= baseline_exposure <= 20:
        raise InputError(f"baseline_exposure: expected -20 to 20 EV, got {baseline_exposure!r}.")
    shot = getattr(image, "shot", Shot())
    metadata = metadata_to_write(metadata_of, unique_id)
    jpeg = _jpeg(_preview_of(pixels, matrix) if preview is None else check_image(preview, "preview"))
    tags = image_tags(shot, metadata, orientation=1) | _tags(pixels, shot, matrix, baseline_exposure)
    gps = gps_tags(metadata.gps) if metadata.gps else {}
    head = dng_head(tags, exif_tags(shot, metadata, UNCALIBRATED), jpeg, gps)
    with atomic_path(final) as temporary, temporary.open("wb") as file:
        file.write(head)
        _write_samples(file, pixels)


def balanced_matrix(color_matrix: npt.ArrayLike | None = None) -> _Matrix:
    """Return the matrix from CIE XYZ (D65) to white-balanced camera RGB, which turns D65 into (1, 1, 1).

    Parameters
    ----------
    color_matrix : 3 x 3, XYZ to camera RGB without white balance, such as the ColorMatrix of a DNG; None for sRGB's.

    Raises
    ------
    InputError
        If it is no invertible 3 x 3 matrix that turns D65 into positive values.
    """
    matrix = np.asarray(XYZ_TO_SRGB if color_matrix is None else color_matrix, np.float64)
    white = matrix @ _D65_XYZ if matrix.shape == (3, 3) else np.zeros(1)
    if not np.isfinite(matrix).all() or white.min() <= 0 or np.linalg.cond(matrix) > 1e4:
        raise InputError(
            "color_matrix: expected an invertible 3 x 3 matrix from XYZ to camera RGB that turns the white D65 into "
            f"positive values, got {matrix.tolist()}."
        )
    return np.asarray(matrix / white[:, None])


def _to_srgb(matrix: _Matrix) -> FloatImage:
    """Return the matrix, for pixels in rows, from white-balanced camera RGB to linear sRGB."""
    return np.asarray((balanced_matrix() @ np.linalg.inv(matrix)).T, np.float32)


def _tags(pixels: FloatImage, shot: Shot, matrix: _Matrix, baseline_exposure: float) -> dict[int, Value]:
    height, width = pixels.shape[:2]
    # Not the camera's own name: converters would apply the profile of its RAW files, which are not balanced.
    model = f"{shot.camera or 'Unknown camera'} (ispfit)"
    return {
        254: longs(0),  # NewSubfileType: the picture itself
        256: longs(width),
        257: longs(height),
        258: shorts(16, 16, 16),  # BitsPerSample
        259: shorts(1),  # Compression: none
        262: shorts(34892),  # PhotometricInterpretation: LinearRaw
        277: shorts(3),  # SamplesPerPixel
        278: longs(height),  # RowsPerStrip
        279: longs(2 * pixels.size),  # StripByteCounts
        284: shorts(1),  # PlanarConfiguration: R, G and B of a pixel together
        50706: bytes_of((1, 4, 0, 0)),  # DNGVersion
        50707: bytes_of((1, 1, 0, 0)),  # DNGBackwardVersion
        50708: ascii_text(model),  # UniqueCameraModel
        50714: longs(0, 0, 0),  # BlackLevel
        50717: longs(*[_WHITE_LEVEL] * 3),  # WhiteLevel
        50721: srationals(matrix.ravel().tolist()),  # ColorMatrix1
        50728: rationals([1, 1, 1]),  # AsShotNeutral
        50730: srationals([baseline_exposure]),  # BaselineExposure
        50778: shorts(_D65_ILLUMINANT),  # CalibrationIlluminant1
        51110: longs(1),  # DefaultBlackRender: subtract no black of the picture's own
    }


def _write_samples(file: BinaryIO, pixels: FloatImage) -> None:
    for codes in _blocks_of_codes(pixels, _WHITE_LEVEL, "<u2"):
        file.write(codes.data)


def _blocks_of_codes(pixels: FloatImage, code_of_one: int, dtype: str) -> Iterator[npt.NDArray[Any]]:
    """Yield the codes of some rows at a time, so that memory does not grow with the image."""
    n_rows = max(1, _BLOCK_SAMPLES // (3 * pixels.shape[1]))
    for top in range(0, len(pixels), n_rows):
        block = np.array(pixels[top : top + n_rows], np.float32) * np.float32(code_of_one)
        block += np.float32(0.5)
        yield np.clip(block, 0, code_of_one, out=block).astype(dtype)


def _preview_of(pixels: FloatImage, matrix: _Matrix) -> FloatImage:
    small = resize_area(pixels, _PREVIEW_PX)
    return np.asarray(linear_to_srgb(np.clip(small @ _to_srgb(matrix), 0, 1)))


def _jpeg(srgb: FloatImage) -> bytes:
    data = io.BytesIO()
    picture = PILImage.fromarray(np.concatenate(list(_blocks_of_codes(srgb, 255, "u1"))))
    picture.thumbnail((_PREVIEW_PX, _PREVIEW_PX), PILImage.Resampling.BOX, reducing_gap=None)
    picture.save(data, "JPEG", quality=90)
    return data.getvalue()
