"""Compute white-balanced camera RGB from the samples of an open RAW file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import rawpy

from ispfit.io.exif import Exif

__all__ = ["apply_crop_box", "demosaic_by_libraw", "has_rgb_pixels", "scale_linear_dng"]

_MIN_XTRANS_SIDE_PX = 512  # LibRaw's own method for X-Trans fails on images smaller than its tile


def has_rgb_pixels(raw: Any) -> bool:
    """Return whether each pixel already has all of its colours, as in a linear DNG."""
    return bool(raw.raw_type != rawpy.RawType.Flat)


def demosaic_by_libraw(raw: Any, half_size: bool, gains: Sequence[float]) -> npt.NDArray[np.float32]:
    """Return white-balanced camera RGB of the visible area, H x W x 3; each channel saturates at its gain."""
    range_of_channel = raw.white_level - np.array(raw.black_level_per_channel, float)
    # LibRaw scales all channels by the range of the one with the lowest black.
    multipliers = np.array([*gains, gains[1]]) * (range_of_channel.max() / range_of_channel)
    small_xtrans = raw.raw_pattern.shape == (6, 6) and min(raw.sizes.height, raw.sizes.width) < _MIN_XTRANS_SIDE_PX
    codes = raw.postprocess(
        gamma=(1, 1),
        no_auto_bright=True,
        output_color=rawpy.ColorSpace.raw,
        output_bps=16,
        adjust_maximum_thr=0,
        use_camera_wb=False,
        user_wb=multipliers.tolist(),
        user_flip=0,
        half_size=half_size,
        demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR if small_xtrans and not half_size else None,
        highlight_mode=rawpy.HighlightMode.Ignore,  # divides by the largest multiplier: nothing is clipped
    )
    return np.asarray(codes, np.float32) * np.float32(multipliers.max() / 65535)


def scale_linear_dng(raw: Any, half_size: bool, gains: Sequence[float], exif: Exif) -> npt.NDArray[np.float32]:
    """Return the same as `demosaic_by_libraw` for a linear DNG, which only needs its levels and gains applied."""
    codes = np.asarray(raw.raw_image_visible[..., :3], np.float32)
    if half_size:
        height, width = (side // 2 for side in codes.shape[:2])
        codes = codes[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean((1, 3))
    black = np.array(raw.black_level_per_channel[:3], np.float32)
    white = np.array(_white_levels(exif, raw.white_level, black), np.float32)
    light = np.clip((codes - black) / (white - black), 0, 1)
    return np.asarray(light * np.array(gains, np.float32), np.float32)


def _white_levels(exif: Exif, libraw_level: int, black: npt.NDArray[np.float32]) -> Sequence[float]:
    """Return the white level of each channel by EXIF, or LibRaw's single level if EXIF has no valid ones."""
    levels = exif.white_levels or ()
    return levels if len(levels) == 3 and all(np.array(levels) > black) else [libraw_level] * 3


def apply_crop_box(image: npt.NDArray[np.float32], sizes: Any) -> npt.NDArray[np.float32]:
    """Cut the camera's crop box out of the visible area; LibRaw counts the box from the corner of the full frame."""
    top, left = sizes.crop_top_margin - sizes.top_margin, sizes.crop_left_margin - sizes.left_margin
    height, width = sizes.crop_height, sizes.crop_width
    inside = top >= 0 and left >= 0 and top + height <= sizes.height and left + width <= sizes.width
    if not (inside and height and width):
        return image
    shrink = round(sizes.height / image.shape[0])  # 2 for half_size
    top, left, height, width = (length // shrink for length in (top, left, height, width))
    return image[top : top + height, left : left + width]
