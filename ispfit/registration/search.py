"""A first rough map between two small images by exhaustive search over scale, rotation and shift."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ispfit.registration.geometry import LensTransform, interpolate

__all__ = ["search_similarity"]

_Array: TypeAlias = npt.NDArray[Any]

_MAX_LOG_SCALE = 0.16
_LOG_SCALE_STEP = 0.03  # half a step moves the edge of a thumbnail of 96 pixels by less than a pixel
_ANGLES_DEGREES = (-1.5, 0.0, 1.5)
_MIN_SLOPE = 0.003  # luma per pixel; a weaker gradient counts as noise


def search_similarity(raw: _Array, srgb: _Array, scales: Iterable[float]) -> LensTransform:
    """Return the similarity under which the edges of `raw` align best with those of `srgb`.

    Orientation correlation: only the direction of the gradient counts, neither its strength nor the tone.
    A. J. Fitch et al., "Orientation Correlation", BMVC 2002.

    Parameters
    ----------
    raw, srgb : lumas (H, W) and (h, w), about 100 pixels wide.
    scales : expected pixels of `raw` per pixel of `srgb`. Scales up to 16 % off each of them are tried.
    """
    size = (fft.next_fast_len(2 * srgb.shape[0]), fft.next_fast_len(2 * srgb.shape[1]))
    spectrum = fft.fft2(_orientation(srgb), size).conj()
    best, best_score = None, -np.inf
    for candidate in _candidates(LensTransform.centred(srgb.shape, raw.shape), scales):
        seen, valid = interpolate(raw[..., None], candidate, srgb.shape)
        orientation = _orientation(seen[..., 0]) * valid
        surface = fft.ifft2(fft.fft2(orientation, size) * spectrum).real
        surface /= np.linalg.norm(orientation) + 1e-9
        if surface.max() > best_score:
            best_score = surface.max()
            peak = np.array(np.unravel_index(surface.argmax(), size))
            shift = (peak + np.array(size) // 2) % size - np.array(size) // 2
            best = replace(candidate, offset=candidate(candidate.centre + shift[::-1]))
    assert best is not None
    return best


def _candidates(nominal: LensTransform, scales: Iterable[float]) -> Iterator[LensTransform]:
    factors = np.exp(np.arange(-_MAX_LOG_SCALE, _MAX_LOG_SCALE + 1e-9, _LOG_SCALE_STEP))
    tried: list[float] = []
    for scale in np.outer(sorted(scales), factors).ravel():
        if all(abs(scale / other - 1) > _LOG_SCALE_STEP / 2 for other in tried):
            tried.append(float(scale))
            for angle in np.radians(_ANGLES_DEGREES):
                turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
                yield replace(nominal, matrix=scale * nominal.radius[0] * turn)


def _orientation(image: _Array) -> _Array:
    """Unit vectors (as complex numbers) along the gradient, near zero in flat areas, faded out towards the border."""
    smooth = ndimage.gaussian_filter(image, 0.7)
    slope = np.gradient(smooth, axis=1) + 1j * np.gradient(smooth, axis=0)
    strength = np.abs(slope)
    fade = np.hanning(image.shape[0] + 2)[1:-1, None] * np.hanning(image.shape[1] + 2)[1:-1]
    return np.asarray(slope / (strength + ndimage.gaussian_filter(strength, 8) / 2 + _MIN_SLOPE) * fade**0.25)
