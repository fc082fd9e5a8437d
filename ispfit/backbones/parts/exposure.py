"""A camera's maps of colours, and the gains of shots that were exposed differently."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from ispfit.backbones.parts.color_model import ParametricNetwork, fit_matrix_and_response
from ispfit.backbones.parts.radial import DEFAULT_RIDGE
from ispfit.color import srgb_to_linear

__all__ = ["GAIN_POWERS", "MAX_EXPOSED", "factors_between", "fit_color_maps", "fit_gains"]

_Array = npt.NDArray[np.float64]

MAX_EXPOSED = (8 / 3) ** 2.2
"""Largest value of a raw after its gain, 8.7: far beyond saturation, where every camera's rendering is white.

In a table over ``x ** (1 / 2.2)`` of 8 n + 1 nodes, saturation lies on node 3 n: many renderings have a kink there.
"""

_POWERS = (0.0, 1.0)
_SHARP, _SMOOTH = (DEFAULT_RIDGE, 10**-6.5), (10**-4.5, 10**-3.5)  # ridges from raw to srgb and from srgb to raw

GAIN_POWERS = 2 * _POWERS
"""Each of the maps of colours is fitted to raw times the gain to one of these powers.

With a power of 1, a map renders shots at equal exposures. This is right if it does nothing but multiply. With 0, it
renders the shots as they are: the best that can be done if nothing is known of the scene.
"""

_COARSE_POINTS, _COLORS_PER_SHOT = 80, 700  # while gains still change
_MAX_COLORS = 120_000  # of a map; with half of them, up to 0.3 dB are lost
_SEARCHES = ((1.2, 1e-5), (0.4, 1e-5), (0.4, DEFAULT_RIDGE))
"""Half width of the grid of log gains, and ridge of the map, of each round: between sharp and smooth, sharp at last."""
_STEPS = 25  # of a grid
_DARK = 1e-3
_MAX_UNSATURATED_RAW, _MIN_TONE, _MAX_TONE = 0.98, 0.02, 0.98
_MIN_USABLE_COLORS = 20


def fit_gains(raws: _Array, srgbs: _Array, control_points: int) -> _Array:
    """Fit the gain of each shot, by turns with one map of colours for all shots at equal exposures.

    Parameters
    ----------
    raws, srgbs : colours (N, n, 3) of N shots.
    control_points : of the map, see `Parametric`.

    Returns
    -------
    log_gains : (N,), natural logarithms of mean 0.

    Notes
    -----
    Only the last map follows the colours closely. If all did, they would amplify rounding from round to round, and log
    gains would change by up to 0.01 with the number of threads; so they change by about 0.001.
    """
    raws, srgbs = raws[:, :_COLORS_PER_SHOT], srgbs[:, :_COLORS_PER_SHOT]
    log_gains = _ratios_of_medians(raws, srgbs)
    for half_width, ridge in _SEARCHES:
        colors = _colors_of_map(raws, srgbs, log_gains)
        color_map = ParametricNetwork(min(control_points, _COARSE_POINTS))
        color_map.fit_gamuts(*colors, fit_matrix_and_response(*colors), (ridge, ridge))
        log_gains = _best_gains(color_map, raws, srgbs, log_gains, half_width)
        log_gains -= log_gains.mean()
    return log_gains


def fit_color_maps(raws: _Array, srgbs: _Array, log_gains: _Array, control_points: int) -> list[ParametricNetwork]:
    """Fit a map of colours to shots (N, n, 3) for each of `GAIN_POWERS`: first two sharp ones, then two smooth ones.

    A sharp map follows the colours of the fit; a smooth one errs less in scenes that differ from those, above all from
    srgb to raw, where a bright colour can come from many raws.
    """
    colors = [_colors_of_map(raws, srgbs, power * log_gains) for power in _POWERS]
    starts = [fit_matrix_and_response(*each) for each in colors]
    color_maps = []
    for ridges in (_SHARP, _SMOOTH):
        for (raw, srgb), start in zip(colors, starts, strict=True):
            color_maps.append(ParametricNetwork(control_points))
            color_maps[-1].fit_gamuts(raw, srgb, start, ridges)
    return color_maps


def _colors_of_map(raws: _Array, srgbs: _Array, log_gains: _Array) -> tuple[_Array, _Array]:
    """Return raw colours, multiplied by the gains of their shots, and srgb colours (n, 3), as many as a map needs."""
    n_colors = max(1, _MAX_COLORS // len(raws))
    return _exposed(raws[:, :n_colors], log_gains).reshape(-1, 3), srgbs[:, :n_colors].reshape(-1, 3)


def factors_between(colors: _Array, targets: _Array) -> _Array:
    """Return the logarithm (...) of the factor by which colours (..., n, 3) fit their targets best (least squares)."""
    factors = (colors * targets).sum((-2, -1)) / np.maximum((colors**2).sum((-2, -1)), _DARK)
    return np.asarray(np.log(np.maximum(factors, _DARK)))


def _ratios_of_medians(raws: _Array, srgbs: _Array) -> _Array:
    """Return first log gains: the median ratio of linear srgb to raw over the colours that are not clipped."""
    linear = np.asarray(srgb_to_linear(srgbs)).mean(2)
    ratios = np.log(linear + _DARK) - np.log(raws.mean(2) + _DARK)
    usable = (raws.max(2) < _MAX_UNSATURATED_RAW) & (srgbs.min(2) > _MIN_TONE) & (srgbs.max(2) < _MAX_TONE)
    medians = [
        np.median(ratio[mask] if mask.sum() >= _MIN_USABLE_COLORS else ratio)
        for ratio, mask in zip(ratios, usable, strict=True)
    ]
    return np.asarray(np.array(medians) - np.mean(medians))


def _best_gains(
    color_map: ParametricNetwork, raws: _Array, srgbs: _Array, log_gains: _Array, half_width: float
) -> _Array:
    """Return the log gains of least squared error on a grid around `log_gains`, refined by a parabola."""
    grid = np.linspace(-half_width, half_width, _STEPS)
    errors = np.stack(
        [
            ((_map_colors(color_map.to_srgb, _exposed(raws, log_gains + step)).clip(0, 1) - srgbs) ** 2).mean((1, 2))
            for step in grid
        ],
        1,
    )
    best = errors.argmin(1).clip(1, _STEPS - 2)
    before, at, after = (errors[np.arange(len(raws)), best + shift] for shift in (-1, 0, 1))
    offset = 0.5 * (before - after) / (before - 2 * at + after + 1e-12)
    return np.asarray(log_gains + grid[best] + offset.clip(-1, 1) * (grid[1] - grid[0]))


def _exposed(raws: _Array, log_gains: _Array) -> _Array:
    return np.minimum(raws * np.exp(log_gains)[:, None, None], MAX_EXPOSED)


def _map_colors(function: Callable[[torch.Tensor], torch.Tensor], colors: _Array) -> _Array:
    with torch.no_grad():
        mapped = function(torch.from_numpy(colors.reshape(-1, 3)).float())
    return np.asarray(mapped.numpy(), np.float64).reshape(colors.shape)
