"""Local shifts between an srgb and a raw on one grid, patch by patch, and how well each is known.

All lengths are pixels of that common grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, ndimage

from ispfit.registration.geometry import Points

__all__ = ["Matches", "correlate", "refine"]

_Array: TypeAlias = npt.NDArray[Any]

_MIN_CONTRAST = 0.01  # of the full scale; weaker detail is not amplified
_MIN_NOISE = 0.002  # of the full scale: 8-bit codes are rounded
_CORRELATED_PIXELS = 4.0  # neighbours that share their noise after demosaicing, resampling and JPEG
_MIN_ERROR_PX = 0.05  # standard deviation of the shift of the sharpest patch
_MAX_ERROR_PX = 10.0  # the same of a patch without detail, and along a straight edge
_DERIVATIVE = np.array([1, -8, 0, 8, -1]) / 12


@dataclass(frozen=True)
class Matches:
    """Shifts of n patches.

    Parameters
    ----------
    points : (n, 2) centres (x, y) of the patches in the srgb, px.
    shifts : (n, 2) shifts (x, y) from srgb to raw, px: the raw shows at ``points + shifts`` what the srgb shows at
        `points`.
    information : (n, 2, 2) inverse covariance of the shifts, px^-2; nearly singular on a straight edge.
    scores : (n,) normalised correlation in [-1, 1].
    """

    points: Points
    shifts: Points
    information: _Array
    scores: _Array

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, which: Any) -> Matches:
        return Matches(*(getattr(self, field.name)[which] for field in fields(self)))

    @classmethod
    def none(cls) -> Matches:
        """Return no matches."""
        return cls(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros(0))

    @classmethod
    def concatenated(cls, parts: Sequence[Matches]) -> Matches:
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def scaled(self, factor: float) -> Matches:
        """Return the same matches in pixels of a grid that is `factor` times as fine."""
        points = (self.points + 0.5) * factor - 0.5
        return Matches(points, self.shifts * factor, self.information / factor**2, self.scores)

    @property
    def certainty(self) -> _Array:
        """Inverse variance (n, 2) of the shift in the direction known least and in the direction known best, px^-2."""
        return np.asarray(np.linalg.eigvalsh(self.information))


def correlate(srgb: _Array, raw: _Array, valid: _Array, size: int, step: int, reach: int) -> Matches:
    """Return shifts of up to `reach` pixels by normalised correlation, to a fraction of a pixel by a parabola.

    The patch of the raw is `reach` pixels larger on each side than that of the srgb, so that no shift is favoured.

    Parameters
    ----------
    srgb, raw : lumas (H, W) of one tone.
    valid : bool (H, W), the known pixels of `raw`; patches that reach beyond them are left out.
    size : side of a patch, px.
    step : distance of neighbouring patches, px.
    reach : largest shift, px.
    """
    span = size + 2 * reach
    rows, columns, corners = _layout(valid, span, step, 1.0)
    if not len(rows):
        return Matches.none()
    patch = sliding_window_view(_whitened(srgb), (size, size))[rows + reach, columns + reach]
    patch = patch - patch.mean((1, 2), keepdims=True)
    area = sliding_window_view(_whitened(raw), (span, span))[rows, columns]
    n = fft.next_fast_len(span, real=True)
    product = fft.irfft2(fft.rfft2(area, (n, n)) * fft.rfft2(patch, (n, n)).conj(), (n, n))
    energy = (patch**2).sum((1, 2))
    norm = np.sqrt(energy[:, None, None] * size**2 * _box_variance(area, size)) + 1e-6
    shifts, scores = _peaks(product[:, : 2 * reach + 1, : 2 * reach + 1] / norm)
    slope = np.stack(np.gradient(patch, axis=(2, 1)), -1)
    tensor = np.einsum("nyxi,nyxj->nij", slope, slope) / (energy + 1e-6)[:, None, None]
    signal = np.clip(scores, 0.01, 0.995) ** 2
    information = (tensor + 1e-4 * np.eye(2)) * (size * signal / (1 - signal))[:, None, None]
    return Matches(corners + (span - 1) / 2, shifts, information, scores)


def refine(srgb: _Array, raw: _Array, valid: _Array, size: int, step: int) -> Matches:
    """Return sub-pixel shifts of up to a pixel or two by least squares.

    B. D. Lucas, T. Kanade, "An Iterative Image Registration Technique", 1981: solves
    ``srgb = gain * (raw + shift . gradient(raw)) + plane`` over each patch under a window. Gain and plane absorb the
    local tone. The slopes of the srgb are instrumental variables for those of the raw: their noise is independent, so
    it neither draws the shift to zero nor passes for detail.

    Parameters
    ----------
    srgb, raw, size, step : as for `correlate`.
    valid : bool (H, W), the known pixels of `raw`; patches with fewer than half of their pixels known are left out.
    """
    rows, columns, corners = _layout(valid, size, step, 0.5)
    if not len(rows):
        return Matches.none()
    profile = np.hanning(size + 2)[1:-1].astype(np.float32)
    window = np.sqrt(profile[:, None] * profile) * sliding_window_view(valid, (size, size))[rows, columns]
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    planes = [*_slopes(raw), *_slopes(srgb), raw, srgb]
    *regressors, target = (sliding_window_view(plane, (size, size))[rows, columns] for plane in planes)
    values: list[_Array] = [*regressors, np.ones_like(ramp), ramp, ramp[:, None], target]
    weighted = np.empty((len(rows), len(values), size, size), np.result_type(raw, srgb))
    for column, value in enumerate(values):
        np.multiply(value, window, out=weighted[:, column])  # twice as fast as a stack of the columns
    design = weighted.reshape(len(rows), len(values), size * size)
    normal = (design @ design.swapaxes(1, 2)).astype(np.float64)
    return Matches(corners + (size - 1) / 2, *_solved(normal, (window**2).sum((1, 2))))


# The design matrix D of a patch has a row for each pixel and nine columns. The blocks of D'D that are used below:
#
#                      raw_x raw_y   srgb_x srgb_y   raw  1  ramp_x  ramp_y   srgb
#     raw_x, raw_y          R                                                  q
#     srgb_x, srgb_y        S              E                                   r
#     raw, 1, ramps                                             T              t
#     srgb                                                                     e
#
# T^-1 t is the tone: a gain of the raw, and a plane. In what the tone does not explain, S (gain shift) = r.
_RAW_SLOPES, _SRGB_SLOPES, _TONE, _SRGB = np.s_[0:2], np.s_[2:4], np.s_[4:8], np.s_[8:9]
_CONSTANT = 5  # column of ones


def _solved(normal: _Array, pixels: _Array) -> tuple[Points, _Array, _Array]:
    """Shifts, their information, and scores of n patches.

    Parameters
    ----------
    normal : (n, 9, 9) normal matrices D'D as above.
    pixels : (n,) number of pixels in each patch, counted by their weight.
    """
    tone = np.linalg.solve(normal[:, _TONE, _TONE] + 1e-6 * np.eye(4), normal[:, _TONE])
    rest = normal - normal[:, :, _TONE] @ tone  # the Schur complement: what gain and plane do not explain
    gain = np.maximum(tone[:, 0, 8], 1e-2)
    values, vectors = np.linalg.eigh((rest[:, _SRGB_SLOPES, _RAW_SLOPES] + rest[:, _RAW_SLOPES, _SRGB_SLOPES]) / 2)
    energy = rest[:, _SRGB_SLOPES, _SRGB_SLOPES] + pixels[:, None, None] * _MIN_NOISE**2 * np.eye(2)
    # Along a straight edge the shift is unknown: it is set to zero with a large uncertainty.
    blind = values < (0.01 * np.trace(energy, axis1=1, axis2=2) / gain)[:, None]
    inverse = (vectors * np.where(blind, 0, 1 / np.where(blind, 1, values))[:, None, :]) @ vectors.swapaxes(1, 2)
    floor = (vectors * np.where(blind, _MAX_ERROR_PX**2, _MIN_ERROR_PX**2)[:, None, :]) @ vectors.swapaxes(1, 2)
    gain_times_shift = inverse @ rest[:, _SRGB_SLOPES, _SRGB]
    explained = 2 * rest[:, _RAW_SLOPES, _SRGB] - rest[:, _RAW_SLOPES, _RAW_SLOPES] @ gain_times_shift
    unexplained = rest[:, 8, 8] - (gain_times_shift.swapaxes(1, 2) @ explained)[:, 0, 0]
    unexplained = np.maximum(unexplained, 0)
    variance = _CORRELATED_PIXELS * (unexplained / pixels + _MIN_NOISE**2) / gain**2
    covariance = inverse @ energy @ inverse * variance[:, None, None] + floor
    total = normal[:, 8, 8] - normal[:, _CONSTANT, 8] ** 2 / normal[:, _CONSTANT, _CONSTANT] + 1e-9
    scores = np.sqrt(np.clip(1 - unexplained / total, 0, 1))
    return gain_times_shift[..., 0] / gain[:, None], _inverted(covariance), scores


def _inverted(covariance: _Array) -> _Array:
    """The inverses (n, 2, 2), with standard deviations limited to `_MIN_ERROR_PX` and `_MAX_ERROR_PX`."""
    values, vectors = np.linalg.eigh((covariance + covariance.swapaxes(1, 2)) / 2)
    weights = 1 / np.clip(values, _MIN_ERROR_PX**2, _MAX_ERROR_PX**2)
    return np.asarray((vectors * weights[:, None, :]) @ vectors.swapaxes(1, 2))


def _slopes(image: _Array) -> list[_Array]:
    return [ndimage.correlate1d(image, _DERIVATIVE, axis) for axis in (1, 0)]


def _whitened(image: _Array) -> _Array:
    """Fine detail at equal strength everywhere, without tone and shading; flat areas stay flat."""
    detail = image - ndimage.gaussian_filter(image, 3.0)
    return np.asarray(detail / np.sqrt(ndimage.gaussian_filter(detail**2, 6.0) + _MIN_CONTRAST**2))


def _layout(valid: _Array, size: int, step: int, share: float) -> tuple[_Array, _Array, Points]:
    """Rows, columns and (x, y) of the first pixels of the patches in a regular grid that are valid to `share`."""
    starts = [np.arange(max(side - size, 0) % step // 2, side - size + 1, step) for side in valid.shape]
    rows, columns = (index.ravel() for index in np.meshgrid(*starts, indexing="ij"))
    sums = np.pad(np.cumsum(np.cumsum(valid, 0), 1), ((1, 0), (1, 0)))
    below, right = rows + size, columns + size
    count = sums[below, right] - sums[rows, right] - sums[below, columns] + sums[rows, columns]
    inside = count >= share * size**2
    return rows[inside], columns[inside], np.stack([columns, rows], -1)[inside].astype(float)


def _box_variance(areas: _Array, size: int) -> _Array:
    """Variance (n, m - size + 1, m - size + 1) over each `size` x `size` box of (n, m, m) areas."""

    def box(values: _Array) -> _Array:
        sums = np.pad(values.astype(np.float64).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
        high, low = slice(size, None), slice(None, -size)
        return np.asarray(sums[:, high, high] - sums[:, low, high] - sums[:, high, low] + sums[:, low, low])

    return np.asarray(np.maximum(box(areas**2) / size**2 - (box(areas) / size**2) ** 2, 0))


def _peaks(surface: _Array) -> tuple[Points, _Array]:
    """Position (x, y) of the maximum of each surface relative to its centre, and its height."""
    n, side, _ = surface.shape
    best = surface.reshape(n, side * side).argmax(1)
    row, column, every = best // side, best % side, np.arange(n)
    top = surface[every, row, column]

    def vertex(index: _Array, before: _Array, after: _Array) -> _Array:
        """Where the parabola through three values has its top, relative to the middle one."""
        bend = np.minimum(before + after - 2 * top, -1e-9)
        return np.where((index > 0) & (index < side - 1), np.clip((before - after) / bend / 2, -0.5, 0.5), 0)

    left, right = np.maximum(column - 1, 0), np.minimum(column + 1, side - 1)
    above, below = np.maximum(row - 1, 0), np.minimum(row + 1, side - 1)
    x = vertex(column, surface[every, row, left], surface[every, row, right])
    y = vertex(row, surface[every, above, column], surface[every, below, column])
    return np.stack([column - side // 2 + x, row - side // 2 + y], -1).astype(float), top.astype(float)
