"""Telling a RAW file that holds no picture: LibRaw opens some of them without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rawpy

from ispfit.errors import FileError

__all__ = ["check_samples"]

_RUN = 64  # samples; noise keeps a run of this length from being all one code even where the lens cap is on
_MANY = 0.25  # for sensors whose black is 0: there a deep shadow may be


def check_samples(raw: Any, source: Path, dng: bool) -> None:
    """Raise a `FileError` if an open RAW file has no camera RGB, or if parts of its samples were never read.

    Missing parts of a file (a broken download, a card that failed) read as areas of zeros.

    Parameters
    ----------
    raw : a `rawpy.RawPy`.
    source : its path, for the message.
    dng : whether the file is a DNG: then layers are linear RGB, else something that only its maker can develop.
    """
    layers = raw.raw_type != rawpy.RawType.Flat
    if layers and not dng:
        raise FileError(
            f"{source}: expected a sensor mosaic or a linear DNG; RAW files of stacked layers (Foveon) or of reduced "
            "size (sRAW, sNEF) are not supported."
        )
    if raw.num_colors != 3 or len(raw.color_desc) < 3 or (raw.raw_pattern is None and not layers):
        kind = "a monochrome one" if raw.num_colors == 1 else f"one of {raw.num_colors}"
        raise FileError(f"{source}: expected a sensor of three colours, got {kind}; it has no RGB.")
    samples = raw.raw_image_visible[..., :3] if layers else raw.raw_image_visible
    if samples.dtype != np.uint16:
        raise FileError(f"{source}: expected samples of 16 bits or fewer, got {samples.dtype}.")
    black, white = raw.black_level_per_channel[:3] if layers else raw.black_level_per_channel, raw.white_level
    if white <= max(black):
        raise FileError(f"{source}: the file is damaged: its white level {white} is not above its black {max(black)}.")
    if samples.size == 0 or samples.min() == samples.max():
        raise FileError(f"{source}: the file is damaged: all of its samples are equal.")
    planes = np.moveaxis(samples, -1, 0) if layers else samples[None]
    if max(_zero_area(plane) for plane in planes) > (0 if min(black) > 0 else _MANY):
        share = f"{np.mean(samples == 0):.0%}"
        raise FileError(f"{source}: the file is damaged: {share} of its samples are zero, in whole areas.")


def _zero_area(samples: npt.NDArray[np.uint16]) -> float:
    """Share of the samples that begin a run of nothing but zeros, which may go on in the next row."""
    zeros = np.concatenate([[0], np.cumsum(samples.ravel() == 0, dtype=np.int64)])
    return float(np.mean(zeros[_RUN:] - zeros[:-_RUN] == _RUN)) if len(zeros) > _RUN else 0.0
