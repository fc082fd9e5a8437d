"""Convert pictures from other colour spaces to sRGB."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageCms

from ispfit.color import ADOBE_RGB_TO_SRGB, linear_to_srgb
from ispfit.errors import InputWarning

__all__ = ["adobe_to_srgb", "apply_profile"]

_ADOBE_GAMMA = 563 / 256
_MAX_ROUNDING_CODES = 2  # by which profiles of sRGB itself differ from it


def apply_profile(picture: PILImage.Image, profile: bytes | None, source: Path) -> PILImage.Image:
    """Convert a picture to sRGB by its embedded ICC profile, with a warning unless the profile is sRGB itself.

    Parameters
    ----------
    picture : of mode RGB, L or CMYK.
    profile : the ICC profile; None leaves the colours as they are.
    source : the file, for the warning.

    Returns
    -------
    The picture in mode RGB, converted by relative colorimetric intent and clipped to sRGB.
    """
    if not profile:
        return picture.convert("RGB")
    try:
        embedded = ImageCms.getOpenProfile(io.BytesIO(profile))
        to_srgb = ImageCms.buildTransform(
            embedded,
            ImageCms.createProfile("sRGB"),
            picture.mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        warnings.warn(f"{source}: its ICC profile cannot be read; taken as sRGB.", InputWarning, stacklevel=3)
        return picture.convert("RGB")
    if _is_identity(to_srgb, picture.mode):
        return picture.convert("RGB")
    name = " ".join(ImageCms.getProfileDescription(embedded).split())
    warnings.warn(f"{source}: converted from its colour profile {name!r} to sRGB.", InputWarning, stacklevel=3)
    converted = ImageCms.applyTransform(picture, to_srgb)
    return picture.convert("RGB") if converted is None else converted


def adobe_to_srgb(encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Convert encoded Adobe RGB (1998) to encoded sRGB, H x W x 3 in [0, 1]; colours outside of sRGB are clipped."""
    linear = (encoded**_ADOBE_GAMMA) @ ADOBE_RGB_TO_SRGB.T.astype(np.float32)
    return np.asarray(linear_to_srgb(np.clip(linear, 0, 1)), np.float32)


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
