"""Detect RAW files that are damaged or hold no camera RGB: LibRaw opens some of them without an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rawpy

from ispfit.errors import FileError
from ispfit.io.dng_facts import DngFacts
from ispfit.io.dng_lossy import LOSSY_JPEG

__all__ = ["check_raw_samples"]

_ZERO_RUN_SAMPLES = 64  # noise breaks up a run of this length even with the lens cap on
_MAX_ZERO_SHARE = 0.25  # for sensors whose black level is 0: a deep shadow may be all zeros


def check_raw_samples(raw: Any, source: Path, facts: DngFacts | None) -> None:
    """Raise a `FileError` if an open RAW file has no camera RGB or if some of its samples are missing.

    Parts that are missing from the file (an interrupted download, a failing card) are read as areas of zeros.

    Parameters
    ----------
    raw : an open `rawpy.RawPy`.
    source : path of the file, for the message.
    facts : of a DNG; None for other files. The layers of a DNG are linear RGB; those of other files can be developed
        only by their maker's software. The tiles of a lossy DNG tell themselves if they are damaged.
    """
    layers = raw.raw_type != rawpy.RawType.Flat
    if layers and facts is None:
        raise FileError(
            f"{source}: expected a sensor mosaic or a linear DNG; RAW files of stacked layers (Foveon) or of reduced "
            "size (sRAW, sNEF) are not supported."
        )
    if raw.num_colors != 3 or len(raw.color_desc) < 3 or (raw.raw_pattern is None and not layers):
        found = "a monochrome sensor" if raw.num_colors == 1 else f"a sensor of {raw.num_colors} colours"
        raise FileError(f"{source}: expected a sensor of three colours, got {found}, which records no RGB.")
    if facts is not None and facts.compression == LOSSY_JPEG:
        return
    samples = raw.raw_image_visible[..., :3] if layers else raw.raw_image_visible
    if samples.dtype != np.uint16:
        raise FileError(f"{source}: expected samples of 16 bits or fewer, got {samples.dtype}.")
    black, white = raw.black_level_per_channel[:3] if layers else raw.black_level_per_channel, raw.white_level
    if white <= max(black):
        raise FileError(
            f"{source}: the file is damaged: its white level {white} is not above its black level {max(black)}."
        )
    if samples.size == 0 or samples.min() == samples.max():
        raise FileError(f"{source}: the file is damaged: all of its samples are equal.")
    planes = np.moveaxis(samples, -1, 0) if layers else samples[None]
    if max(_share_in_zero_runs(plane) for plane in planes) > (0 if min(black) > 0 else _MAX_ZERO_SHARE):
        found = f"{np.sum(samples == 0):,} of its {samples.size:,} samples are zero"
        raise FileError(f"{source}: the file is damaged: {found}, in whole areas.")


def _share_in_zero_runs(samples: npt.NDArray[np.uint16]) -> float:
    """Return the share of samples that begin a run of `_ZERO_RUN_SAMPLES` zeros; a run may continue in the next row."""
    zeros = np.concatenate([[0], np.cumsum(samples.ravel() == 0, dtype=np.int64)])
    run = _ZERO_RUN_SAMPLES
    return float(np.mean(zeros[run:] - zeros[:-run] == run)) if len(zeros) > run else 0.0
