"""The deterministic camera model: colour matrix, gamut mapping, response (Kim et al., PAMI 2012)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.checks import check_counts
from ispfit.backbones.parts.color_samples import Colors, sample_colors
from ispfit.backbones.parts.curves import MonotoneCurves, fit_monotone
from ispfit.backbones.parts.radial import RadialMap
from ispfit.color import srgb_to_linear
from ispfit.images import Image
from ispfit.plugins import hookimpl

__all__ = ["Parametric", "ParametricNetwork"]

_CODES = 256
_DULL = 2.0  # power by which colours count for less as they are more saturated: gamut mapping moves these
_KNOTS = 16  # of the response while it is fitted; a cubic joins them
_ROUNDS = 10
_LEAST = 1e-3
_CLIPPED = 2.5 / 255  # codes so near to black or white do not tell what the camera was given
_SATURATED = 0.99
_CELLS = 40  # a side of the cube in which colours are averaged before the gamut is fitted
_FLOOR = 0.005  # linear; below it errors are not amplified as the response does


class Parametric(Backbone):
    """Colour matrix, gamut mapping by radial basis functions, response curves: one map of colours for all scenes.

    ``srgb = f(h(T raw))`` with a 3 x 3 matrix T, h of ``phi(r) = r`` plus an affine map, and a monotone response f
    a channel; a raw is white-balanced already. T and f are fitted by alternating least squares, then h with greedily
    selected control points. No gradient steps; the inverse has its own h, fitted the other way, as in the published
    models.

    Parameters
    ----------
    control_points : of the gamut mapping, at most; the published models have about 3,500.

    References
    ----------
    Kim, Lin, Lu, Süsstrunk, Lin & Brown, "A New In-Camera Imaging Model for Color Computer Vision and its
    Application", PAMI 2012.
    """

    name = "parametric"
    invertible = True

    def __init__(self, control_points: int = 300) -> None:
        self.control_points = control_points

    def build(self) -> Network:
        """A new network: a camera without a matrix or a gamut, whose response is sRGB's."""
        check_counts(self, control_points=0)
        return ParametricNetwork(self.control_points)


class ParametricNetwork(Network):
    """The network of `Parametric`, in the forward direction.

    Attributes
    ----------
    matrix : (3, 3), T.
    gamut, inverse_gamut : h and its inverse, both on linear colours.
    response : from a channel's code / 255 to the linear value, 256 nodes.
    """

    matrix: Tensor

    def __init__(self, control_points: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.eye(3))
        self.gamut, self.inverse_gamut = RadialMap(control_points), RadialMap(control_points)
        self.response = MonotoneCurves(_CODES)
        self.response.set(np.repeat(srgb_to_linear(np.linspace(0, 1, _CODES))[:, None], 3, 1))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Matrix, gamut, response."""
        return _colorwise(self.to_srgb, pixels)

    def to_srgb(self, raw: Tensor) -> Tensor:
        """Colours (n, 3) as the camera shows them."""
        srgb: Tensor = self.response.inverted(self.gamut(raw @ self.matrix.T))
        return srgb

    def to_raw(self, srgb: Tensor) -> Tensor:
        """What the camera saw where it shows the colours (n, 3)."""
        inverse = torch.linalg.inv(self.matrix.double()).to(srgb.dtype)
        raw: Tensor = self.inverse_gamut(self.response(srgb)) @ inverse.T
        return raw

    def inverse(self) -> Network:
        """The same camera the other way."""
        return _Inverse(self)

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit to raw and srgb images."""
        self.fit_colors(*sample_colors(pairs))

    def fit_colors(self, raw: Colors, srgb: Colors) -> None:
        """Fit to colours (n, 3) in [0, 1]."""
        matrix, nodes = _matrix_and_response(raw, srgb)
        self.response.set(nodes)
        with torch.no_grad():
            self.matrix.copy_(torch.from_numpy(matrix).float())
        linear = np.stack([np.interp(srgb[:, c], np.linspace(0, 1, _CODES), nodes[:, c]) for c in range(3)], 1)
        mapped = raw @ matrix.T
        for gamut, source, target in ((self.gamut, mapped, linear), (self.inverse_gamut, linear, mapped)):
            middle, wanted, count = _averaged(source, target)
            slope = wanted.clip(_FLOOR).mean(1) ** -1.1  # about the square of the slope of an encoding
            gamut.fit(middle, wanted, count * slope)


class _Inverse(Network):
    """Srgb to raw by a `ParametricNetwork`."""

    def __init__(self, camera: ParametricNetwork) -> None:
        super().__init__()
        self.camera = camera

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Response, inverse gamut, inverse matrix."""
        return _colorwise(self.camera.to_raw, pixels)


def _colorwise(function: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """Apply a map of colours (n, 3) to images (N, 3, H, W)."""
    colors = pixels.float().movedim(1, -1)
    with torch.autocast(pixels.device.type, enabled=False):
        mapped = function(colors.reshape(-1, 3))
    return mapped.reshape(colors.shape).movedim(-1, 1).contiguous()


def _matrix_and_response(raw: Colors, srgb: Colors) -> tuple[Colors, Colors]:
    """T (3, 3) and the nodes (256, 3) of the response, by turns; only T row by row is determined up to a factor.

    Colours that gamut mapping moves far are outliers of this: they are weighed down (by their saturation, and by
    Cauchy's weights). The factor is such that white is 1.
    """
    good = ((srgb > _CLIPPED) & (srgb < 1 - _CLIPPED)).all(1) & (raw < _SATURATED).all(1)
    if good.sum() < 100:
        good = np.ones(len(raw), bool)
    raw, srgb = raw[good], srgb[good]
    codes = np.linspace(0, 1, _CODES)
    standard = np.asarray(srgb_to_linear(codes))
    nodes = np.repeat(standard[:, None], 3, 1)
    dull = ((raw.min(1) / raw.max(1).clip(1e-6)) ** _DULL).clip(_LEAST)
    weights = dull
    matrix = np.eye(3)
    prior = _LEAST * np.eye(3)  # colours that all look alike do not tell a matrix: the identity then
    for _ in range(_ROUNDS):
        linear = np.stack([np.interp(srgb[:, c], codes, nodes[:, c]) for c in range(3)], 1)
        encoded = weights / (linear.mean(1) + _FLOOR)
        rows, wanted = (np.concatenate([side * encoded[:, None], prior]) for side in (raw, linear))
        matrix = np.linalg.lstsq(rows, wanted, rcond=None)[0].T
        mapped = raw @ matrix.T
        error = np.linalg.norm(mapped - linear, axis=1) / (linear.mean(1) + _FLOOR)
        weights = dull / (1 + (error / (1.5 * np.median(error) + 1e-9)) ** 2)
        for c in range(3):
            knots = fit_monotone(srgb[:, c], mapped[:, c], _KNOTS, weights**2)
            curve = PchipInterpolator(np.linspace(0, 1, _KNOTS), knots)(codes)
            factor = 1 / curve[-1] if curve[-1] > _LEAST else 1.0
            nodes[:, c] = np.maximum(curve * factor, 0)
            matrix[c] *= factor
    return matrix, nodes


def _averaged(source: Colors, target: Colors) -> tuple[Colors, Colors, Colors]:
    """Means of sources and targets in the cells of a cube, finer in the dark, and how much each counts."""
    place = np.floor(np.sign(source) * np.abs(source) ** (1 / 2.2) * _CELLS).astype(np.intp)
    _, cell = np.unique(place, axis=0, return_inverse=True)
    count = np.bincount(cell).astype(np.float64)
    means = [np.stack([np.bincount(cell, side[:, c]) / count for c in range(3)], 1) for side in (source, target)]
    return means[0], means[1], np.sqrt(count)  # rare colours count for more than their pixels


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `Parametric`."""
    return [Parametric]
