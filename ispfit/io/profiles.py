"""Convert pictures to sRGB by their ICC profiles."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageCms

from ispfit.codes import CODE_OF_ONE
from ispfit.errors import InputWarning
from ispfit.images import FloatImage
from ispfit.io.linear_profile import linear_profile

__all__ = ["Codes", "apply_profile", "encoding_of", "srgb_profile"]

Codes: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_MAX_ROUNDING_CODES = 2  # by which profiles of sRGB itself differ from it
_RELATIVE_COLORIMETRIC = ImageCms.Intent.RELATIVE_COLORIMETRIC
_BLOCK_PIXELS = 1 << 20
_MODES = {"L": "gray", "RGB": "rgb", "CMYK": "cmyk"}  # Pillow's names and those of imagecodecs


def apply_profile(codes: Codes, profile: bytes | None, source: Path) -> FloatImage:
    """Convert codes to sRGB by an ICC profile, with an `InputWarning` unless the profile is sRGB itself.

    Parameters
    ----------
    codes : uint8 or uint16, H x W (grey), H x W x 3 (RGB), or H x W x 4 (CMYK, 0 = no ink).
    profile : the ICC profile; None takes grey and RGB as sRGB, and inks as ideal ones.
    source : the file, for the warning.

    Returns
    -------
    Encoded sRGB, H x W x 3 in [0, 1], converted by relative colorimetric intent and clipped to sRGB: 8-bit codes to
    8 bits, 16-bit codes with an error below 2e-5.
    """
    mode = "L" if codes.ndim == 2 else {3: "RGB", 4: "CMYK"}[codes.shape[2]]
    transform = _transform_to_srgb(profile, mode, source) if profile else None
    if transform is None or profile is None:
        return _taken_as_srgb(codes)
    if codes.dtype == np.uint8:
        picture = PILImage.frombytes(mode, (codes.shape[1], codes.shape[0]), codes.tobytes())
        return _taken_as_srgb(np.asarray(ImageCms.applyTransform(picture, transform)))
    return _converted_at_16_bits(codes, profile, _MODES[mode])


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB, the same at any time: the date in its header is 0."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data[:24] + bytes(12) + data[36:]


def encoding_of(profile: bytes) -> str | None:
    """Return the name of an ICC profile whose values are encoded; None if they are linear light, or it is broken."""
    try:
        embedded = ImageCms.getOpenProfile(io.BytesIO(profile))
        linear = ImageCms.getOpenProfile(io.BytesIO(linear_profile()))
        transform = ImageCms.buildTransform(embedded, linear, "RGB", "RGB", renderingIntent=_RELATIVE_COLORIMETRIC)
        greys = np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[None, :, None], 3, axis=2)
        moved = ImageCms.applyTransform(PILImage.fromarray(greys), transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    difference = np.abs(np.asarray(moved, np.int16) - greys.astype(np.int16))
    return _name(embedded) if difference.max() > _MAX_ROUNDING_CODES else None


def _converted_at_16_bits(codes: Codes, profile: bytes, space: str) -> FloatImage:
    import imagecodecs

    srgb = srgb_profile()
    converted = np.empty((*codes.shape[:2], 3), np.float32)
    rows = max(1, _BLOCK_PIXELS // codes.shape[1])
    for start in range(0, len(codes), rows):
        converted[start : start + rows] = imagecodecs.cms_transform(
            np.ascontiguousarray(codes[start : start + rows]),
            profile,
            srgb,
            colorspace=space,
            outcolorspace="rgb",
            outdtype="float32",  # for uint16, lcms is off by 2e-3 in the shadows
            intent=int(_RELATIVE_COLORIMETRIC),
        )
    return np.clip(converted, 0, 1, out=converted)


def _taken_as_srgb(codes: Codes) -> FloatImage:
    """Return codes as encoded sRGB, H x W x 3 in [0, 1]."""
    values = codes.astype(np.float32) / np.float32(CODE_OF_ONE[codes.dtype])
    if values.ndim == 2:
        return np.repeat(values[..., None], 3, axis=2)
    return values if values.shape[2] == 3 else (1 - values[..., :3]) * (1 - values[..., 3:])


def _transform_to_srgb(profile: bytes, mode: str, source: Path) -> ImageCms.ImageCmsTransform | None:
    """Return the transform of a profile, and warn of it; None if the profile is sRGB, or broken, which is warned of.

    Parameters
    ----------
    mode : of the picture, as Pillow calls it: RGB, L or CMYK.
    """
    try:
        embedded = ImageCms.getOpenProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(embedded, srgb, mode, "RGB", renderingIntent=_RELATIVE_COLORIMETRIC)
        same = _is_identity(transform, mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        warnings.warn(f"{source}: its ICC profile cannot be read; taken as sRGB.", InputWarning, stacklevel=4)
        return None
    if same:
        return None
    warnings.warn(f"{source}: converted from its colour profile {_name(embedded)} to sRGB.", InputWarning, stacklevel=4)
    return transform


def _name(profile: Any) -> str:
    try:
        return repr(" ".join(ImageCms.getProfileDescription(profile).split()))
    except (ImageCms.PyCMSError, ValueError):  # Pillow fails at some letters beyond ASCII
        return "(whose name cannot be read)"


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Return whether a transform to sRGB leaves a grid of colours unchanged, so that its profile is sRGB."""
    if mode == "CMYK":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colors = levels[None] if mode == "L" else np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    probe = PILImage.fromarray(colors)
    moved = ImageCms.applyTransform(probe, transform)
    difference = np.asarray(moved, np.int16) - np.asarray(probe.convert("RGB"), np.int16)
    return bool(np.abs(difference).max() <= _MAX_ROUNDING_CODES)
