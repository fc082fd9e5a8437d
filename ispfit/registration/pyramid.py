"""The two images of a shot as registration compares them: lumas of similar tone, at several resolutions.

Every level takes and returns transforms and matches in pixels of the finest level, whatever its own resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.registration.geometry import LensTransform, Points, interpolate, pixel_grid
from ispfit.registration.matching import Matches, correlate, refine
from ispfit.registration.tone import match_tone

__all__ = ["MIN_SIDE_PX", "THUMBNAIL_PX", "PyramidLevel", "make_pyramid", "reduce_luma"]

_Array: TypeAlias = npt.NDArray[Any]

THUMBNAIL_PX = 96
"""Longer side, in pixels, of the images of the first search. The longer side of each level is at least that."""

MIN_SIDE_PX = 64
"""Shorter side, in pixels, below which an image is too small for registration."""

# In pixels of the level:
_PATCH_PX = 24
_STEP_PX, _COARSE_STEP_PX = 12, 8  # from patch to patch, on the finest level and on others, which have fewer
_REACH_PX = 5  # possible error of the search on thumbnails
_MAX_SHIFT_PX = 3.0  # beyond which least squares is unreliable

_MIN_SCORE = 0.3  # correlation, hardly reached by chance
_MIN_CERTAINTY = 1.0  # px^-2, in the direction known best
_GRID_POINTS = 48  # on the longer side of the srgb


@dataclass(frozen=True)
class PyramidLevel:
    """Both images at one resolution.

    Parameters
    ----------
    raw : (H, W) luma of the square root of the raw.
    srgb : (h, w) luma of the srgb, with pixels of about the same size.
    factor : pixels of the finest level per pixel of this one.
    """

    raw: _Array
    srgb: _Array
    factor: float = 1.0

    @property
    def n_places(self) -> int:
        """Number of patches on the srgb that `correlated` compares, if all of it is known."""
        return math.prod((side - _PATCH_PX - 2 * _REACH_PX) // _COARSE_STEP_PX + 1 for side in self.srgb.shape)

    def coarser(self, factor: float) -> PyramidLevel:
        """Return a level whose pixels are `factor` times as large."""
        return PyramidLevel(reduce_luma(self.raw, factor), reduce_luma(self.srgb, factor), self.factor * factor)

    def aligned(self, transform: LensTransform) -> tuple[_Array, _Array, npt.NDArray[np.bool_]]:
        """Return the srgb, the raw with its tone on its grid, and the mask of the known pixels of that raw."""
        own = transform.scaled(1 / self.factor, 1 / self.factor)
        toned = match_tone(self.raw, self.srgb, own)
        raw, valid = interpolate(toned[..., None], own, (self.srgb.shape[0], self.srgb.shape[1]))
        return self.srgb, raw[..., 0], valid

    def correlated(self, transform: LensTransform) -> Matches:
        """Return matches for a map that is right to a few pixels of the level."""
        found = correlate(*self.aligned(transform), _PATCH_PX, _COARSE_STEP_PX, _REACH_PX)
        return found[found.scores > _MIN_SCORE].scaled(self.factor)

    def refined(self, transform: LensTransform) -> Matches:
        """Return more exact matches for a map that is right to a pixel or two of the level."""
        found = refine(*self.aligned(transform), _PATCH_PX, _STEP_PX if self.factor == 1 else _COARSE_STEP_PX)
        known = found.certainty[:, 1] > _MIN_CERTAINTY
        return found[known & (np.abs(found.shifts).max(1) < _MAX_SHIFT_PX)].scaled(self.factor)

    def grid(self) -> Points:
        """Return points (n, 2) all over the srgb of the finest level."""
        stride = max(1, max(self.srgb.shape) // _GRID_POINTS)
        return pixel_grid(self.srgb.shape[0], self.srgb.shape[1])[::stride, ::stride].reshape(-1, 2)

    def shared(self, transform: LensTransform) -> npt.NDArray[np.bool_]:
        """Return which points of `grid` the raw of the finest level shows too."""
        seen = transform(self.grid())
        inside = (seen >= 0) & (seen <= np.array(self.raw.shape[::-1]) - 1)
        return inside[:, 0] & inside[:, 1]


def make_pyramid(finest: PyramidLevel) -> list[PyramidLevel]:
    """Return levels from fine to coarse, each half as large as the one before."""
    levels = [finest]
    while max(levels[-1].srgb.shape) >= 2 * THUMBNAIL_PX and min(levels[-1].srgb.shape) >= 2 * MIN_SIDE_PX:
        levels.append(levels[-1].coarser(2))
    return levels


def reduce_luma(image: _Array, factor: float) -> _Array:
    """Return `image` (H, W) with pixels `factor` >= 1 times as large; a rest smaller than a pixel is cut off."""
    if factor == 1:
        return image
    shape = (int(image.shape[0] / factor + 1e-6), int(image.shape[1] / factor + 1e-6))
    return interpolate(image[..., None], lambda points: (points + 0.5) * factor - 0.5, shape)[0][..., 0]
