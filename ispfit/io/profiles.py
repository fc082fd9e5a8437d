"""Bringing pictures of other colour spaces to sRGB."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageCms

from ispfit.color import linear_to_srgb
from ispfit.errors import InputWarning

__all__ = ["adobe_to_srgb", "apply_profile"]

# Linear Adobe RGB (1998) to linear sRGB, both of white D65: the product of the matrices in Adobe RGB (1998) Color
# Image Encoding, version 2005-05, section 4.3.5.3, and of IEC 61966-2-1. Red of Adobe is outside sRGB.
_ADOBE_TO_SRGB = np.array([[1.39836, -0.39836, 0.0], [0.0, 1.0, 0.0], [0.0, -0.04293, 1.04293]], np.float32)
_ADOBE_GAMMA = 563 / 256
_SAME = 2  # codes: rounding of profiles that mean sRGB


def apply_profile(picture: PILImage.Image, profile: bytes | None, source: Path) -> PILImage.Image:
    """Convert a picture to sRGB by its embedded ICC profile, with a warning, unless the profile is sRGB itself.

    Parameters
    ----------
    picture : of mode RGB, L or CMYK.
    profile : the ICC profile; None leaves the colours as they are.
    source : the file, for the warning.

    Returns
    -------
    The picture in mode RGB, colours converted by relative colorimetric intent and clipped to sRGB.
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
    if _changes_nothing(to_srgb, picture.mode):
        return picture.convert("RGB")
    name = " ".join(ImageCms.getProfileDescription(embedded).split())
    warnings.warn(f"{source}: converted from its colour profile {name!r} to sRGB.", InputWarning, stacklevel=3)
    converted = ImageCms.applyTransform(picture, to_srgb)
    return picture.convert("RGB") if converted is None else converted


def adobe_to_srgb(encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Convert Adobe RGB (1998) values to sRGB, both encoded, in [0, 1], H x W x 3; what is outside sRGB is clipped."""
    linear = (encoded**_ADOBE_GAMMA) @ _ADOBE_TO_SRGB.T
    return linear_to_srgb(np.clip(linear, 0, 1)).astype(np.float32)


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform to sRGB leaves a grid of colours as it is: the profile is sRGB, by whatever name."""
    if mode == "CMYK":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    colors = levels[None] if mode == "L" else np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    probe = PILImage.fromarray(colors)
    moved = ImageCms.applyTransform(probe, transform)
    difference = np.asarray(moved, np.int16) - np.asarray(probe.convert("RGB"), np.int16)
    return bool(np.abs(difference).max() <= _SAME)
