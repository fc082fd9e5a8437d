"""The map of colours of Kim et al. (PAMI 2012): colour matrix, gamut mapping, response, fitted in closed form."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from ispfit.backbone import Network
from ispfit.backbones.parts.color_samples import Colors, sample_colors
from ispfit.backbones.parts.colorwise import ColorwiseNetwork
from ispfit.backbones.parts.monotone_curves import MonotoneCurves, fit_monotone
from ispfit.backbones.parts.radial import DEFAULT_RIDGE, RadialMap
from ispfit.color import srgb_to_linear
from ispfit.images import Image

__all__ = ["ParametricNetwork", "fit_matrix_and_response"]

_RESPONSE_NODES = 256
_RESPONSE_KNOTS = 16  # while it is fitted; a cubic joins them
_ALTERNATIONS = 10
_SATURATION_EXPONENT = 2.0  # lowers the weight of saturated colours, which gamut mapping moves
_MIN_WEIGHT = 1e-3
_PRIOR_WEIGHT = 1e-3  # of the identity, for colours so alike that they do not determine a matrix
_MIN_WHITE = 1e-3
_CLIPPING_MARGIN = 2.5 / 255  # srgb closer to black or white may be clipped
_MAX_UNSATURATED_RAW = 0.99
_MIN_USABLE_COLORS = 100
_CUBE_CELLS = 40  # per side of the cube in which colours are averaged before the gamut is fitted
_NO_LIMIT = 1e6  # of the brightness, for cameras that are not fitted here
_BRIGHTEST_QUANTILE = 0.999  # of the seen colours: a few bright ones tell a map of 300 control points nothing
_LINEAR_FLOOR = 0.005  # limits how much the response amplifies errors in the dark tones


class ParametricNetwork(ColorwiseNetwork):
    """The network of `Parametric`, in the forward direction: matrix, gamut mapping and response.

    A colour that is brighter than those of the fit is rendered as if it were darker, and fades to white: radial
    functions extrapolate, and white would turn blue.

    Attributes
    ----------
    matrix : T, (3, 3).
    gamut, inverse_gamut : h and its inverse, both on linear colours.
    response : the inverse of f, from srgb to linear values, with 256 nodes.
    brightest : largest channel of the raws up to which colours were seen, ().
    """

    matrix: Tensor
    brightest: Tensor
    gamma = 2.2  # raw is linear: its dark tones need nodes of their own

    def __init__(self, control_points: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(3))
        self.register_buffer("brightest", torch.tensor(_NO_LIMIT))
        self.gamut, self.inverse_gamut = RadialMap(control_points), RadialMap(control_points)
        self.response = MonotoneCurves(_RESPONSE_NODES)
        self.response.set(_standard_response())

    def map_colors(self, colors: Tensor) -> Tensor:
        """Render colours (n, 3), see `to_srgb`."""
        return self.to_srgb(colors)

    def to_srgb(self, raw: Tensor) -> Tensor:
        """Render colours (n, 3)."""
        seen = (self.brightest / raw.amax(1, keepdim=True).clamp(min=_MIN_WHITE)).clamp(max=1)
        srgb: Tensor = self.response.inverted(self.gamut((raw * seen) @ self.matrix.T))
        return srgb + (1 - srgb) * (1 - seen)

    def to_raw(self, srgb: Tensor) -> Tensor:
        """Derender colours (n, 3)."""
        inverse = torch.linalg.inv(self.matrix.double()).to(srgb.dtype)
        raw: Tensor = self.inverse_gamut(self.response(srgb)) @ inverse.T
        return raw

    def inverse(self) -> Network:
        """Return the network of the same camera from srgb to raw."""
        return _Inverse(self)

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit to colours drawn from raw and srgb images."""
        self.fit_colors(*sample_colors(pairs))

    def fit_colors(self, raw: Colors, srgb: Colors) -> None:
        """Fit to raw and srgb colours (n, 3) in [0, 1]."""
        self.fit_gamuts(raw, srgb, fit_matrix_and_response(raw, srgb), (DEFAULT_RIDGE, DEFAULT_RIDGE))

    def fit_gamuts(
        self, raw: Colors, srgb: Colors, matrix_and_response: tuple[Colors, Colors], ridges: tuple[float, float]
    ) -> None:
        """Fit the gamut mapping and its inverse, with their ridges, to what a matrix and a response leave."""
        matrix, nodes = matrix_and_response
        self.response.set(nodes)
        with torch.no_grad():
            self.matrix.copy_(torch.from_numpy(matrix).float())
            self.brightest.fill_(_brightest(raw))
        linear, mapped = _linearised(srgb, nodes), raw @ matrix.T
        sides = (self.gamut, mapped, linear), (self.inverse_gamut, linear, mapped)
        for (gamut, source, target), ridge in zip(sides, ridges, strict=True):
            mean_source, mean_target, importance = _cell_means(source, target)
            squared_slope = mean_target.clip(_LINEAR_FLOOR).mean(1) ** -1.1  # approximately, of an encoding curve
            gamut.fit(mean_source, mean_target, importance * squared_slope, ridge)


class _Inverse(ColorwiseNetwork):
    """The network from srgb to raw of a `ParametricNetwork`: response, inverse gamut mapping and inverse matrix."""

    def __init__(self, camera: ParametricNetwork) -> None:
        super().__init__()
        self.camera = camera

    def map_colors(self, colors: Tensor) -> Tensor:
        """Derender colours (n, 3)."""
        return self.camera.to_raw(colors)


def fit_matrix_and_response(raw: Colors, srgb: Colors) -> tuple[Colors, Colors]:
    """Fit T (3, 3) and the nodes (256, 3) of the response by turns.

    Each row of T is determined only up to a factor, which is chosen so that white is 1. Colours that gamut mapping
    moves far are outliers here; their saturation and Cauchy's weight function lower their weights.
    """
    usable = ((srgb > _CLIPPING_MARGIN) & (srgb < 1 - _CLIPPING_MARGIN)).all(1) & (raw < _MAX_UNSATURATED_RAW).all(1)
    if usable.sum() < _MIN_USABLE_COLORS:
        usable = np.ones(len(raw), bool)
    raw, srgb = raw[usable], srgb[usable]
    nodes = _standard_response()
    unsaturated = ((raw.min(1) / raw.max(1).clip(1e-6)) ** _SATURATION_EXPONENT).clip(_MIN_WEIGHT)
    weights, matrix = unsaturated, np.eye(3)
    for _ in range(_ALTERNATIONS):
        linear = _linearised(srgb, nodes)
        brightness = linear.mean(1) + _LINEAR_FLOOR
        matrix = _fit_matrix(raw, linear, weights / brightness)
        mapped = raw @ matrix.T
        error = np.linalg.norm(mapped - linear, axis=1) / brightness
        weights = unsaturated / (1 + (error / (1.5 * np.median(error) + 1e-9)) ** 2)
        for c in range(3):
            curve = _fit_response(srgb[:, c], mapped[:, c], weights**2)
            factor = 1 / curve[-1] if curve[-1] > _MIN_WHITE else 1.0
            nodes[:, c] = np.maximum(curve * factor, 0)
            matrix[c] *= factor
    return matrix, nodes


def _brightest(raw: Colors) -> float:
    """Return the largest channel up to which there are colours; no limit if there is nothing but black."""
    brightest = float(np.quantile(raw.max(1), _BRIGHTEST_QUANTILE))
    return brightest if brightest > _MIN_WHITE else _NO_LIMIT


def _standard_response() -> Colors:
    """Return the nodes (256, 3) of the sRGB curve."""
    return np.repeat(np.asarray(srgb_to_linear(np.linspace(0, 1, _RESPONSE_NODES)))[:, None], 3, 1)


def _linearised(srgb: Colors, nodes: Colors) -> Colors:
    """Apply the response with these nodes (256, 3) to colours (n, 3)."""
    codes = np.linspace(0, 1, _RESPONSE_NODES)
    return np.stack([np.interp(srgb[:, c], codes, nodes[:, c]) for c in range(3)], 1)


def _fit_matrix(raw: Colors, linear: Colors, weights: Colors) -> Colors:
    """Fit a matrix (3, 3) from raw to linear colours by weighted least squares, with the identity as a prior."""
    prior = _PRIOR_WEIGHT * np.eye(3)
    inputs = np.concatenate([raw * weights[:, None], prior])
    targets = np.concatenate([linear * weights[:, None], prior])
    return np.asarray(np.linalg.lstsq(inputs, targets, rcond=None)[0].T)


def _fit_response(srgb: Colors, linear: Colors, weights: Colors) -> Colors:
    """Fit the response (256,) of one channel: a monotone curve with few knots, joined by a cubic."""
    knots = fit_monotone(srgb, linear, _RESPONSE_KNOTS, weights)
    curve = PchipInterpolator(np.linspace(0, 1, _RESPONSE_KNOTS), knots)
    return np.asarray(curve(np.linspace(0, 1, _RESPONSE_NODES)))


def _cell_means(source: Colors, target: Colors) -> tuple[Colors, Colors, Colors]:
    """Average sources and targets in the cells of a cube, which are finer in the dark tones; also return weights."""
    position = np.floor(np.sign(source) * np.abs(source) ** (1 / 2.2) * _CUBE_CELLS).astype(np.intp)
    _, cell = np.unique(position, axis=0, return_inverse=True)
    count = np.bincount(cell).astype(np.float64)
    means = [np.stack([np.bincount(cell, side[:, c]) / count for c in range(3)], 1) for side in (source, target)]
    return means[0], means[1], np.sqrt(count)  # the square root gives rare colours more weight than their pixels
