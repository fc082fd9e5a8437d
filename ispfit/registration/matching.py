"""Local shifts between two images of one size, patch by patch, and how well each is known."""

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

_CONTRAST = 0.01  # of the full scale: weaker detail is not brought up
_NOISE = 0.002  # of the full scale, at least: 8-bit codes are rounded
_CORRELATED = 4.0  # neighbouring pixels that share their noise, after demosaicing, resampling and JPEG
_FLOOR = 0.05  # px: no single patch is trusted beyond this
_UNKNOWN = 10.0  # px: uncertainty of what a patch does not tell
_DERIVATIVE = np.array([1, -8, 0, 8, -1]) / 12


@dataclass(frozen=True)
class Matches:
    """Shifts of n patches.

    Parameters
    ----------
    points : (n, 2) centres of the patches in the fixed image.
    shifts : (n, 2) what is at `points` of the fixed image is at ``points + shifts`` of the moving one; px.
    information : (n, 2, 2) inverse covariance of the shifts, px^-2; nearly singular along a straight edge.
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
    def joined(cls, parts: Sequence[Matches]) -> Matches:
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def scaled(self, factor: float) -> Matches:
        """The same matches between images that are `factor` times as fine."""
        points = (self.points + 0.5) * factor - 0.5
        return Matches(points, self.shifts * factor, self.information / factor**2, self.scores)

    @property
    def certainty(self) -> _Array:
        """(n, 2) inverse variance of the shift in the directions in which it is known least and best, px^-2."""
        return np.asarray(np.linalg.eigvalsh(self.information))


def correlate(fixed: _Array, moving: _Array, valid: _Array, size: int, step: int, reach: int) -> Matches:
    """Shifts of up to `reach` pixels by normalised correlation, to a fraction of a pixel by a parabola.

    The moving patch is cut larger than the fixed one by `reach` on each side, so that no shift is favoured.

    Parameters
    ----------
    fixed, moving : (H, W) images.
    valid : bool (H, W), where `moving` is known; patches that reach beyond are left out.
    size, step : of the patches, and of the grid on which they lie.
    reach : largest shift.
    """
    span = size + 2 * reach
    rows, columns, corners = _layout(valid, span, step, 1.0)
    patch = sliding_window_view(_whitened(fixed), (size, size))[rows + reach, columns + reach]
    patch = patch - patch.mean((1, 2), keepdims=True)
    area = sliding_window_view(_whitened(moving), (span, span))[rows, columns]
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


def refine(fixed: _Array, moving: _Array, valid: _Array, size: int, step: int) -> Matches:
    """Sub-pixel shifts by least squares: B. D. Lucas, T. Kanade, "An Iterative Image Registration Technique", 1981.

    Solves ``fixed = gain moving + shift . gradient(moving) + plane`` over each patch under a window. Gain and plane
    take up the local tone. The slopes of `fixed` serve as instruments of those of `moving`: noise, which the two do
    not share, neither draws the shift to zero nor passes for detail. Reaches a pixel or two; parameters as in
    `correlate`, but half a patch may be unknown.
    """
    rows, columns, corners = _layout(valid, size, step, 0.5)
    profile = np.hanning(size + 2)[1:-1].astype(np.float32)
    window = np.sqrt(profile[:, None] * profile) * sliding_window_view(valid, (size, size))[rows, columns]
    ramp = np.broadcast_to(np.linspace(-1, 1, size, dtype=np.float32), window.shape)
    planes = [*_slopes(moving), *_slopes(fixed), moving, fixed]
    *cut, last = (sliding_window_view(plane, (size, size))[rows, columns] for plane in planes)
    columns_ = np.stack([*cut, np.ones_like(ramp), ramp, ramp.swapaxes(1, 2), last], -1) * window[..., None]
    design = columns_.reshape(len(rows), size * size, 9)
    normal = (design.swapaxes(1, 2) @ design).astype(np.float64)
    return Matches(corners + (size - 1) / 2, *_solved(normal, (window**2).sum((1, 2))))


def _solved(normal: _Array, pixels: _Array) -> tuple[Points, _Array, _Array]:
    """Shifts, information and scores from (n, 9, 9) products of slopes (2 of moving, 2 of fixed), tone (4), fixed."""
    tone = np.linalg.solve(normal[:, 4:8, 4:8] + 1e-6 * np.eye(4), normal[:, 4:8])
    # The Schur complement: gain and plane are eliminated, what remains speaks of the shift alone.
    rest = normal - normal[:, :, 4:8] @ tone
    gain = np.maximum(tone[:, 0, 8], 1e-2)
    values, vectors = np.linalg.eigh((rest[:, 2:4, 0:2] + rest[:, 0:2, 2:4]) / 2)
    energy = rest[:, 2:4, 2:4] + pixels[:, None, None] * _NOISE**2 * np.eye(2)
    # Along a straight edge nothing is known: no shift, and a large uncertainty.
    blind = values < (0.01 * np.trace(energy, axis1=1, axis2=2) / gain)[:, None]
    inverse = (vectors * np.where(blind, 0, 1 / np.where(blind, 1, values))[:, None, :]) @ vectors.swapaxes(1, 2)
    unknown = (vectors * np.where(blind, _UNKNOWN**2, _FLOOR**2)[:, None, :]) @ vectors.swapaxes(1, 2)
    scaled = inverse @ rest[:, 2:4, 8:]
    unexplained = rest[:, 8, 8] + (scaled.swapaxes(1, 2) @ (rest[:, :2, :2] @ scaled - 2 * rest[:, :2, 8:]))[:, 0, 0]
    unexplained = np.maximum(unexplained, 0)
    variance = _CORRELATED * (unexplained / pixels + _NOISE**2) / gain**2
    covariance = inverse @ energy @ inverse * variance[:, None, None] + unknown
    total = normal[:, 8, 8] - normal[:, 5, 8] ** 2 / normal[:, 5, 5] + 1e-9
    scores = np.sqrt(np.clip(1 - unexplained / total, 0, 1))
    return scaled[..., 0] / gain[:, None], _inverted(covariance), scores


def _inverted(covariance: _Array) -> _Array:
    """The inverses (n, 2, 2), however near to singular; no direction is known better or worse than a patch can tell."""
    values, vectors = np.linalg.eigh((covariance + covariance.swapaxes(1, 2)) / 2)
    weights = 1 / np.clip(values, _FLOOR**2, _UNKNOWN**2)
    return np.asarray((vectors * weights[:, None, :]) @ vectors.swapaxes(1, 2))


def _slopes(image: _Array) -> list[_Array]:
    return [ndimage.correlate1d(image, _DERIVATIVE, axis) for axis in (1, 0)]


def _whitened(image: _Array) -> _Array:
    """Fine detail at equal strength everywhere: tone and shading cancel, flat areas stay quiet."""
    detail = image - ndimage.gaussian_filter(image, 3.0)
    return np.asarray(detail / np.sqrt(ndimage.gaussian_filter(detail**2, 6.0) + _CONTRAST**2))


def _layout(valid: _Array, size: int, step: int, share: float) -> tuple[_Array, _Array, Points]:
    """Rows, columns and (x, y) of the first pixels of those patches in a regular grid of which `share` is valid."""
    starts = [np.arange(max(side - size, 0) % step // 2, side - size + 1, step) for side in valid.shape]
    rows, columns = (index.ravel() for index in np.meshgrid(*starts, indexing="ij"))
    sums = np.pad(np.cumsum(np.cumsum(valid, 0), 1), ((1, 0), (1, 0)))
    below, right = rows + size, columns + size
    count = sums[below, right] - sums[rows, right] - sums[below, columns] + sums[rows, columns]
    inside = count >= share * size**2
    return rows[inside], columns[inside], np.stack([columns, rows], -1)[inside].astype(float)


def _box_variance(areas: _Array, size: int) -> _Array:
    """(n, m - size + 1, m - size + 1) variance over each `size` x `size` box of (n, m, m) areas."""

    def box(values: _Array) -> _Array:
        sums = np.pad(values.astype(np.float64).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
        high, low = slice(size, None), slice(None, -size)
        return np.asarray(sums[:, high, high] - sums[:, low, high] - sums[:, high, low] + sums[:, low, low])

    return np.asarray(np.maximum(box(areas**2) / size**2 - (box(areas) / size**2) ** 2, 0))


def _peaks(surface: _Array) -> tuple[Points, _Array]:
    """Position (x, y) of the maximum of each surface relative to its centre, and its height."""
    n, side, _ = surface.shape
    best = surface.reshape(n, -1).argmax(1)
    row, column, every = best // side, best % side, np.arange(n)
    top = surface[every, row, column]

    def vertex(at: _Array, before: _Array, after: _Array) -> _Array:
        bend = np.minimum(before + after - 2 * top, -1e-9)
        return np.where((at > 0) & (at < side - 1), np.clip((before - after) / bend / 2, -0.5, 0.5), 0)

    left, right = np.maximum(column - 1, 0), np.minimum(column + 1, side - 1)
    above, below = np.maximum(row - 1, 0), np.minimum(row + 1, side - 1)
    x = vertex(column, surface[every, row, left], surface[every, row, right])
    y = vertex(row, surface[every, above, column], surface[every, below, column])
    return np.stack([column - side // 2 + x, row - side // 2 + y], -1).astype(float), top.astype(float)
