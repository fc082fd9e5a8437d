"""Occluding surfaces of scale-invariant size, painted as an index map; and smooth random fields.

Sources
-------
The dead leaves model, pdf of the radius ~ 1/r^3: A. B. Lee, D. Mumford, J. Huang, "Occlusion Models for Natural
Images", IJCV 41, 2001. Log-normal, opponent spread of reflectances: D. L. Ruderman, T. W. Cronin, C.-C. Chiao,
"Statistics of Cone Responses to Natural Images", JOSA A 15(8), 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageDraw

__all__ = ["Field", "Frame", "Surfaces", "noise"]

Field: TypeAlias = npt.NDArray[np.float32]
_Array: TypeAlias = npt.NDArray[Any]

_N_SURFACES = 1000
_MIN_RADIUS, _MAX_RADIUS = 0.009, 0.45  # in units of the longer side
_N_SUBJECT = 5  # the nearest surfaces, large and in the middle in most scenes
_N_REGIONS = 6  # parts of the frame that share two colours each
_N_CORNERS = 28  # of a shape with a round outline


@dataclass(frozen=True)
class Frame:
    """The pixels of a picture in scene coordinates: the longer side is 1, the centre is the origin."""

    height: int
    width: int

    @property
    def scale(self) -> int:
        return max(self.height, self.width)

    @property
    def x(self) -> Field:
        return np.asarray((np.arange(self.width) + 0.5 - self.width / 2) / self.scale, np.float32)[None, :]

    @property
    def y(self) -> Field:
        return np.asarray((np.arange(self.height) + 0.5 - self.height / 2) / self.scale, np.float32)[:, None]


def noise(frame: Frame, rng: np.random.Generator, octaves: range, roughness: float = 1.0) -> Field:
    """Return a random field (height, width) of zero mean and about unit variance with a power-law spectrum.

    Octave k varies over 2^-k of the longer side and is `roughness` times as strong as the one before. A roughness of 1
    gives the 1/f^2 power spectrum of natural images. Octaves finer than the pixels of the frame are left out.
    """
    seeds = rng.integers(2**63, size=len(octaves))
    field = np.zeros((frame.height, frame.width), np.float32)
    for octave, seed in zip(octaves, seeds, strict=True):
        if 2**octave <= frame.scale:
            field += np.float32(roughness ** (octave - octaves[0])) * _lattice(frame, 2**octave, int(seed))
    return field / np.float32(np.sqrt(sum(roughness ** (2 * k) for k in range(len(octaves)))))


def _lattice(frame: Frame, cells: int, seed: int) -> Field:
    values = np.random.default_rng(seed).standard_normal((cells + 1, cells + 1), dtype=np.float32)
    left, top = ((1 - side / frame.scale) * cells / 2 + 0.5 for side in (frame.width, frame.height))
    box = (left, top, cells + 1 - left, cells + 1 - top)
    grid = PILImage.fromarray(values * np.float32(1.5))  # interpolation removes a third of the spread
    return np.asarray(grid.resize((frame.width, frame.height), PILImage.Resampling.BICUBIC, box=box))


@dataclass(frozen=True)
class Surfaces:
    """Surfaces from the furthest to the nearest; number 0 is the ground that shows between the others.

    Parameters
    ----------
    centre : (n, 2) x and y, in units of the longer side.
    radius : (n,) in units of the longer side.
    outline : n arrays (corners, 2), in units of the radius.
    colour : (n, 3) reflectances in [0, 1].
    slope : (n, 2) change of the directed light per radius along x and y.
    weave : (n, 4) amplitudes of rough texture, grain and stripes, and radians of the stripes per radius.
    gloss : (n,) strength of the highlight.
    subject : number of the nearest surfaces that are the subject of the picture.
    """

    centre: _Array
    radius: Field
    outline: list[_Array]
    colour: Field
    slope: Field
    weave: Field
    gloss: Field
    subject: int = _N_SUBJECT

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Surfaces:
        """Draw the surfaces of one scene."""
        centre, radius = _places(rng)
        angle = rng.uniform(0, 2 * np.pi, _N_SURFACES)
        slope = rng.gamma(1.0, 0.35, _N_SURFACES)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        gloss = np.where(rng.random(_N_SURFACES) < 0.08, rng.gamma(1.0, 2.0, _N_SURFACES), 0)
        return cls(
            centre,
            radius.astype(np.float32),
            _outlines(rng),
            _colours(rng, centre).astype(np.float32),
            slope.astype(np.float32),
            _weaves(rng, radius).astype(np.float32),
            gloss.astype(np.float32),
        )

    def __len__(self) -> int:
        return len(self.radius)

    def paint(self, frame: Frame, keep: _Array) -> npt.NDArray[np.int32]:
        """Return the number of the surface that each pixel shows, painting only those in the mask `keep`."""
        canvas = PILImage.new("I", (frame.width, frame.height))
        pen = ImageDraw.Draw(canvas)
        middle = np.array([frame.width / 2, frame.height / 2]) - 0.5
        for number in np.flatnonzero(keep[1:]) + 1:
            corners = (self.centre[number] + self.outline[number] * self.radius[number]) * frame.scale + middle
            pen.polygon(corners.ravel().tolist(), fill=int(number))
        return np.asarray(canvas)

    def local(self, index: _Array, frame: Frame) -> tuple[Field, Field]:
        """Return the position (x, y) of each pixel on its surface, in units of the radius of the surface."""
        x, y = self.centre.T.astype(np.float32)
        radius = self.radius[index]
        return (frame.x - x[index]) / radius, (frame.y - y[index]) / radius

    def texture(self, index: _Array, place: tuple[Field, Field], rough: Field, grain: Field) -> Field:
        """Return the factor by which texture changes the reflectance of each pixel."""
        scratch, grit, stripes, step = (column[index] for column in self.weave.T)
        bands = np.tanh(4 * np.sin(step * (place[0] + np.float32(0.4) * place[1]) + rough))
        result: Field = np.exp(np.clip(scratch * rough + grit * grain + stripes * bands, -3, 1.5))
        return result

    def shading(self, index: _Array, place: tuple[Field, Field]) -> Field:
        """Return the share of the directed light that each pixel receives by its orientation, in (0, 1.5]."""
        east, south = (column[index] for column in self.slope.T)
        result: Field = np.clip(1 + east * place[0] + south * place[1], np.float32(0.08), np.float32(1.5))
        return result

    def highlight(self, index: _Array, place: tuple[Field, Field]) -> Field:
        """Return the mirror image of the light on glossy surfaces."""
        off_centre = (place[0] + np.float32(0.3)) ** 2 + (place[1] + np.float32(0.35)) ** 2
        result: Field = self.gloss[index] * np.exp(np.maximum(-40 * off_centre, -80))
        return result


def _places(rng: np.random.Generator) -> tuple[_Array, _Array]:
    """Draw centres and radii, sorted from far to near: surfaces lower in the frame tend to be nearer and larger."""
    share = rng.random(_N_SURFACES)
    radius = (_MIN_RADIUS**-2 - share * (_MIN_RADIUS**-2 - _MAX_RADIUS**-2)) ** -0.5
    centre = rng.uniform(-0.55, 0.55, (_N_SURFACES, 2))
    perspective = rng.uniform(0, 1.2)
    order = np.argsort(perspective * centre[:, 1] + rng.normal(0, 0.4, _N_SURFACES))
    centre, radius = centre[order], radius[order]
    if rng.random() < 0.7:
        centre[-_N_SUBJECT:] = rng.normal(0, 0.12, 2) + rng.normal(0, 0.08, (_N_SUBJECT, 2))
        radius[-_N_SUBJECT:] = rng.uniform(0.04, 0.2, _N_SUBJECT)
    return centre, radius * np.exp2(perspective * centre[:, 1])


def _colours(rng: np.random.Generator, centre: _Array) -> _Array:
    """Draw reflectances (n, 3) from a small palette, most of them from the two colours of their region."""
    palette = _palette(rng, 2 * _N_REGIONS)
    regions = rng.uniform(-0.5, 0.5, (_N_REGIONS, 2))
    distance = np.abs(centre[:, None] + rng.normal(0, 0.06, (len(centre), 1, 2)) - regions).sum(axis=2)
    pick = 2 * distance.argmin(axis=1) + rng.integers(2, size=len(centre))
    pick = np.where(rng.random(len(centre)) < 0.15, rng.integers(len(palette), size=len(centre)), pick)
    result: _Array = np.clip(palette[pick] * np.exp2(rng.normal(0, 0.35, (len(centre), 1))), 0.015, 0.95)
    return result


def _palette(rng: np.random.Generator, size: int) -> _Array:
    """Draw reflectances (size, 3): log-normal in lightness and in two opponent directions, most of them dull."""
    lightness = rng.normal(-1.6, 0.9, size)
    warm = rng.normal(0.2, 0.2) + 0.28 * rng.standard_t(3, size)
    green = rng.normal(0.05, 0.06) + 0.08 * rng.standard_t(3, size)
    warm, green = np.clip(warm, -1.2, 1.8), np.clip(green, -0.35, 0.6)
    opponents = np.stack([warm / 2 - green, green, -warm - green / 2], axis=1)
    return np.clip(np.exp(lightness[:, None] + opponents), 0.02, 0.92)


def _weaves(rng: np.random.Generator, radius: _Array) -> _Array:
    scratch, grit = rng.gamma(1.2, 0.28, len(radius)), rng.gamma(1.2, 0.12, len(radius))
    stripes = np.where(rng.random(len(radius)) < 0.08, rng.uniform(0.1, 0.6, len(radius)), 0)
    return np.stack([scratch, grit, stripes, np.minimum(rng.uniform(4, 20, len(radius)), 400 * radius)], axis=1)


def _outlines(rng: np.random.Generator) -> list[_Array]:
    """Draw ellipses, blobs, polygons and rectangles, equally likely and turned by any angle."""
    turn = rng.uniform(0, 2 * np.pi, _N_SURFACES)
    squeeze = rng.uniform(0.3, 1.0, _N_SURFACES)
    kinds = (_ellipse, _blob, _polygon, _rectangle)
    return [
        _turned(kinds[kind](rng), angle, flat)
        for kind, angle, flat in zip(rng.integers(4, size=_N_SURFACES), turn, squeeze, strict=True)
    ]


_ROUND = np.arange(_N_CORNERS) * 2 * np.pi / _N_CORNERS
_WAVES = np.exp(1j * np.arange(2, 7)[:, None] * _ROUND)


def _ellipse(rng: np.random.Generator) -> _Array:
    result: _Array = np.exp(1j * _ROUND)
    return result


def _blob(rng: np.random.Generator) -> _Array:
    strength = rng.normal(0, 0.12, (2, 5))
    waves = ((strength[0] + 1j * strength[1]) @ _WAVES).real
    result: _Array = np.clip(1 + waves, 0.2, 2) * np.exp(1j * _ROUND)
    return result


def _polygon(rng: np.random.Generator) -> _Array:
    corners = rng.integers(3, 8)
    result: _Array = rng.uniform(0.6, 1.2, corners) * np.exp(1j * np.sort(rng.uniform(0, 2 * np.pi, corners)))
    return result


def _rectangle(rng: np.random.Generator) -> _Array:
    result: _Array = np.exp(1j * np.pi * (0.25 + 0.5 * np.arange(4)))
    return result


def _turned(shape: _Array, angle: float, squeeze: float) -> _Array:
    turned = (shape.real + 1j * squeeze * shape.imag) * np.exp(1j * angle)
    return np.stack([turned.real, turned.imag], axis=1)
