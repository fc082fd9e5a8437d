"""The geometric map between the pixel grids of a raw and its srgb, and resampling along it.

Convention: a point is (x, y) in pixels, x to the right, y down, the centre of the first pixel at (0, 0); hence
an image W pixels wide reaches from -0.5 to W - 0.5. A transform takes a point of the srgb to the point of the
raw that shows the same thing. That is the direction in which a camera corrects its lens and in which `resample` reads.
A map holds for images of the two sizes for which it was made; `LensTransform.scaled` gives it for other sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.images import FloatImage, Image

__all__ = ["InverseLensTransform", "LensTransform", "PointMap", "Points", "pixel_grid", "resample"]

Points: TypeAlias = npt.NDArray[np.float64]
PointMap: TypeAlias = Callable[[Points], Points]

_ROWS_AT_ONCE = 256  # the coordinates of all rows of a 24-megapixel image would take 400 MB
_NEWTON_STEPS = 8


@dataclass(frozen=True, eq=False)
class LensTransform:
    """A similarity (or affine map) with radial distortion, from srgb pixels to raw pixels.

    With ``u = (p - centre) / radius`` and ``d = u - pole`` the point p goes to
    ``matrix @ (pole + d (1 + k1 |d|^2 + k2 |d|^4)) + offset``: D. C. Brown, "Decentering distortion of lenses",
    Photogrammetric Engineering 32(3), 1966, without the tangential terms.

    Parameters
    ----------
    centre : (2,) centre of the srgb, srgb pixels.
    radius : (2,) half the diagonal of the srgb for x and for y, srgb pixels. The two differ only if an image was
        resized unevenly. The corners of the srgb have ``|u| = 1``.
    matrix : (2, 2) raw pixels per unit of u.
    offset : (2,) raw pixel at the centre of the srgb, exact if the pole is there too.
    k1, k2 : radial distortion: -0.03 moves a corner inwards by 3 % of the half diagonal.
    pole : (2,) point of the srgb on the axis of the lens, in units of u; (0, 0) unless the srgb is an uneven crop.

    Examples
    --------
    >>> half = LensTransform.centred((480, 640), (240, 320))
    >>> half(np.array([[0.0, 0.0], [639.0, 479.0]])).tolist()
    [[-0.25, -0.25], [319.25, 239.25]]
    """

    centre: Points
    radius: Points
    matrix: Points
    offset: Points
    k1: float = 0.0
    k2: float = 0.0
    pole: Points = field(default_factory=lambda: np.zeros(2))

    @classmethod
    def centred(cls, srgb: tuple[int, ...], raw: tuple[int, ...], scale: float | None = None) -> LensTransform:
        """Return the map of centre onto centre, without rotation or distortion.

        Parameters
        ----------
        srgb, raw : shapes, height and width first.
        scale : raw pixels per srgb pixel; None takes the largest at which the whole srgb lies in the raw.
        """
        if scale is None:
            scale = min(raw[0] / srgb[0], raw[1] / srgb[1])
        centre = np.array([srgb[1] - 1.0, srgb[0] - 1.0]) / 2
        offset = np.array([raw[1] - 1.0, raw[0] - 1.0]) / 2
        radius = np.full(2, np.hypot(srgb[0], srgb[1]) / 2)
        return cls(centre, radius, scale * radius[0] * np.eye(2), offset)

    def __call__(self, points: Points) -> Points:
        """Return the raw pixel coordinates (..., 2) of srgb pixel coordinates (..., 2)."""
        ray = (points - self.centre) / self.radius - self.pole
        square = (ray**2).sum(-1, keepdims=True)
        bent = self.pole + ray * (1 + square * (self.k1 + square * self.k2))
        return np.asarray(bent @ self.matrix.T + self.offset)

    def inverse(self) -> InverseLensTransform:
        """Return the map from raw pixels to srgb pixels."""
        return InverseLensTransform(self)

    def scaled(self, srgb: npt.ArrayLike = 1.0, raw: npt.ArrayLike = 1.0) -> LensTransform:
        """Return the same map between grids finer by factors `srgb` and `raw` (scalar or (x, y))."""
        srgb, raw = np.asarray(srgb, float), np.asarray(raw, float)
        return replace(
            self,
            centre=(self.centre + 0.5) * srgb - 0.5,
            radius=self.radius * srgb,
            matrix=self.matrix * raw[..., None],
            offset=(self.offset + 0.5) * raw - 0.5,
        )

    def cropped(self, srgb: npt.ArrayLike = 0.0, raw: npt.ArrayLike = 0.0) -> LensTransform:
        """Return the same map between windows of the images whose first pixels are at `srgb` and `raw` (x, y)."""
        return replace(self, centre=self.centre - np.asarray(srgb), offset=self.offset - np.asarray(raw))

    @property
    def scale(self) -> float:
        """Raw pixels per srgb pixel at the pole."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix / self.radius))))

    @property
    def rotation(self) -> float:
        """Rotation from srgb to raw in degrees, clockwise on the screen."""
        return float(np.degrees(np.arctan2(self.matrix[1, 0] - self.matrix[0, 1], np.trace(self.matrix))))


@dataclass(frozen=True, eq=False)
class InverseLensTransform:
    """The map from raw pixels back to srgb pixels; the radial polynomial is inverted by Newton's method."""

    forward: LensTransform

    def __call__(self, points: Points) -> Points:
        """Return the srgb pixel coordinates (..., 2) of raw pixel coordinates (..., 2)."""
        lens = self.forward
        ray = (points - lens.offset) @ np.linalg.inv(lens.matrix).T - lens.pole
        target = np.sqrt((ray**2).sum(-1, keepdims=True))
        length = target
        for _ in range(_NEWTON_STEPS):
            square = length**2
            error = length * (1 + square * (lens.k1 + square * lens.k2)) - target
            length = length - error / (1 + square * (3 * lens.k1 + 5 * square * lens.k2))
        ray = ray * np.divide(length, target, out=np.ones_like(target), where=target > 0)
        return np.asarray((ray + lens.pole) * lens.radius + lens.centre)

    def inverse(self) -> LensTransform:
        """Return the map from srgb pixels to raw pixels."""
        return self.forward


def pixel_grid(height: int, width: int, top: int = 0) -> Points:
    """Return the (x, y) of the pixel centres of rows `top` to `top` + `height`, as an array (height, width, 2)."""
    y, x = np.mgrid[top : top + height, 0:width].astype(np.float64)
    return np.stack([x, y], -1)


def resample(
    image: FloatImage, transform: PointMap, shape: tuple[int, int], *, linear: bool
) -> tuple[Image, npt.NDArray[np.bool_]]:
    """Return an image of `shape` whose pixel p is the pixel ``transform(p)`` of `image`, and the mask of known pixels.

    Interpolates by cubic B-splines, in linear light. If the result is coarser than `image`, `image` is first averaged
    over the area of a new pixel.

    Parameters
    ----------
    image : float32 H x W x 3 in [0, 1].
    transform : map from pixels of the result to pixels of `image`: a `LensTransform` if `image` is the raw, the
        inverse of one if `image` is the srgb.
    shape : height and width of the result in pixels.
    linear : True for a raw; False for an srgb, which is decoded before interpolation and encoded after it.

    Returns
    -------
    resampled : float32 image `shape` x 3, clipped to [0, 1].
    valid : bool `shape`; False at points outside `image`, where `resampled` has mirrored pixels.
    """
    light = np.asarray(image, np.float32) if linear else srgb_to_linear(np.asarray(image, np.float32))
    resampled, valid = interpolate(light, transform, shape)
    np.clip(resampled, 0, 1, out=resampled)
    shot = getattr(image, "shot", None)
    return Image(resampled if linear else linear_to_srgb(resampled), shot), valid


def interpolate(
    image: FloatImage, transform: PointMap, shape: tuple[int, int]
) -> tuple[FloatImage, npt.NDArray[np.bool_]]:
    """Return what `resample` does for any array H x W x C, neither decoded nor clipped."""
    box, sigma = _prefilter(_pitch(transform, shape))
    size = np.array(image.shape[1::-1])
    result = np.empty((*shape, image.shape[2]), np.float32)
    splines = [_spline(image[..., channel], box, sigma) for channel in range(image.shape[2])]
    valid = np.empty(shape, bool)
    for top in range(0, shape[0], _ROWS_AT_ONCE):
        rows = slice(top, min(top + _ROWS_AT_ONCE, shape[0]))
        points = transform(pixel_grid(rows.stop - top, shape[1], top))
        valid[rows] = ((points >= 0) & (points <= size - 1)).all(-1)
        coordinates = np.moveaxis((points[..., ::-1] + 0.5) / box - 0.5, -1, 0)
        for channel, spline in enumerate(splines):
            ndimage.map_coordinates(spline, coordinates, result[rows, :, channel], 3, "mirror", prefilter=False)
    return result, valid


def _pitch(transform: PointMap, shape: tuple[int, int]) -> float:
    """Pixels of the input per pixel of the result, at the centre of the result."""
    centre = np.array([shape[1] - 1.0, shape[0] - 1.0]) / 2
    steps = np.diff(transform(centre + np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])), axis=0)[::2]
    return float(np.sqrt(abs(np.linalg.det(steps))))


def _prefilter(pitch: float) -> tuple[int, float]:
    """Side of a box average and sigma of the Gaussian after it; together they have the variance of one new pixel."""
    box = max(1, int(pitch / 2 + 1e-6))
    rest = max(1.0, pitch / box)
    return box, float(np.sqrt((rest**2 - 1) / 12))


def _spline(channel: npt.NDArray[Any], box: int, sigma: float) -> npt.NDArray[np.float32]:
    """Cubic spline coefficients of a channel averaged over `box` x `box` pixels and blurred by `sigma`."""
    if box > 1:
        padded = np.pad(channel, [(0, -side % box) for side in channel.shape], "edge")
        rows, columns = (side // box for side in padded.shape)
        channel = padded.reshape(rows, box, columns, box).mean((1, 3), dtype=np.float32)
    if sigma > 0:
        channel = ndimage.gaussian_filter(channel, sigma, mode="mirror")
    return np.asarray(ndimage.spline_filter(channel, 3, np.float32, "mirror"))
