"""The two images of a shot as registration looks at them: lumas of similar tone, at several resolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.registration.geometry import LensTransform, Points, interpolate, pixel_grid
from ispfit.registration.matching import Matches, correlate, refine
from ispfit.registration.tone import match_tone

__all__ = ["MIN_SIDE", "THUMBNAIL", "View", "pyramid", "reduced"]

_Array: TypeAlias = npt.NDArray[Any]

THUMBNAIL = 96  # px, longer side: no view is smaller
MIN_SIDE = 64  # px, shorter side

_PATCH, _STEP, _COARSE_STEP = 24, 12, 8  # px; the coarser views are small, their patches lie closer
_REACH = 5  # px of a coarse view, what the search on thumbnails may be off
_SCORE = 0.3  # correlation that is hardly reached by chance
_MAX_SHIFT = 3.0  # px, beyond which least squares is not believed


@dataclass(frozen=True)
class View:
    """Both images at one resolution.

    Parameters
    ----------
    raw : (H, W) luma of the raw's square root.
    srgb : (h, w) luma of the srgb, its pixels about as fine.
    factor : how many times coarser than the finest view, in whose pixels all transforms and matches are given.
    """

    raw: _Array
    srgb: _Array
    factor: float = 1.0

    def coarser(self, factor: float) -> View:
        return View(reduced(self.raw, factor), reduced(self.srgb, factor), self.factor * factor)

    def aligned(self, transform: LensTransform) -> tuple[_Array, _Array, npt.NDArray[np.bool_]]:
        """The srgb; the raw with its tone and on its grid; and where that is known."""
        own = transform.scaled(1 / self.factor, 1 / self.factor)
        toned = match_tone(self.raw, self.srgb, own)
        moving, valid = interpolate(toned[..., None], own, (self.srgb.shape[0], self.srgb.shape[1]))
        return self.srgb, moving[..., 0], valid

    def correlated(self, transform: LensTransform) -> Matches:
        """Matches within a few pixels."""
        found = correlate(*self.aligned(transform), _PATCH, _COARSE_STEP, _REACH)
        return found[found.scores > _SCORE].scaled(self.factor)

    def refined(self, transform: LensTransform) -> Matches:
        """Matches within a pixel or so, more exact."""
        found = refine(*self.aligned(transform), _PATCH, _STEP if self.factor == 1 else _COARSE_STEP)
        return found[(found.certainty[:, 1] > 1) & (np.abs(found.shifts).max(1) < _MAX_SHIFT)].scaled(self.factor)

    def grid(self) -> Points:
        """Points (n, 2) all over the srgb."""
        stride = max(1, max(self.srgb.shape) // 48)
        return pixel_grid(self.srgb.shape[0], self.srgb.shape[1])[::stride, ::stride].reshape(-1, 2)

    def shared(self, transform: LensTransform) -> npt.NDArray[np.bool_]:
        """Which points of the grid the raw shows too."""
        seen = transform(self.grid())
        inside = (seen >= 0) & (seen <= np.array(self.raw.shape[::-1]) - 1)
        return inside[:, 0] & inside[:, 1]


def pyramid(finest: View) -> list[View]:
    """Views from fine to coarse, each half as large as the one before."""
    views = [finest]
    while max(views[-1].srgb.shape) >= 2 * THUMBNAIL and min(views[-1].srgb.shape) >= 2 * MIN_SIDE:
        views.append(views[-1].coarser(2))
    return views


def reduced(image: _Array, factor: float) -> _Array:
    """`image` (H, W) at a `factor` >= 1 times coarser pitch; what does not fill a pixel is cut off."""
    if factor == 1:
        return image
    shape = (int(image.shape[0] / factor + 1e-6), int(image.shape[1] / factor + 1e-6))
    return interpolate(image[..., None], lambda points: (points + 0.5) * factor - 0.5, shape)[0][..., 0]
