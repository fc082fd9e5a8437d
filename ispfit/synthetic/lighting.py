"""The light of a scene: sun, sky, windows, lamps, shadows and haze.

Source of the Planckian locus: B. Kim et al., "Design of Advanced Color Temperature Control System for HDTV
Applications", Journal of the Korean Physical Society 41(6), 2002.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.color import XYZ_TO_BT2020
from ispfit.images import FloatImage
from ispfit.synthetic.surfaces import Field, Frame

__all__ = ["SETTINGS", "Lighting", "Setting", "illuminant"]

_Array: TypeAlias = npt.NDArray[Any]
_Range: TypeAlias = tuple[float, float]


def illuminant(kelvin: npt.ArrayLike, tint: float = 0.0) -> Field:
    """Return the colour of a Planckian radiator, linear BT.2020 RGB with green = 1, shape (..., 3).

    Parameters
    ----------
    kelvin : colour temperatures, 1667 to 25000 K.
    tint : offset of the green channel in stops, positive is greener.
    """
    t = np.asarray(kelvin, dtype=float)[..., None]
    warm = -0.2661239e9 / t**3 - 0.2343589e6 / t**2 + 0.8776956e3 / t + 0.179910
    cold = -3.0258469e9 / t**3 + 2.1070379e6 / t**2 + 0.2226347e3 / t + 0.240390
    x = np.where(t <= 4000, warm, cold)
    y_warm = np.polyval([-1.1063814, -1.34811020, 2.18555832, -0.20219683], x)
    y_mild = np.polyval([-0.9549476, -1.37418593, 2.09137015, -0.16748867], x)
    y_cold = np.polyval([3.0817580, -5.87338670, 3.75112997, -0.37001483], x)
    y = np.where(t <= 2222, y_warm, np.where(t <= 4000, y_mild, y_cold))
    rgb = np.concatenate([x / y, np.ones_like(x), (1 - x - y) / y], axis=-1) @ XYZ_TO_BT2020.T
    return np.asarray(rgb / rgb[..., 1:2] * np.array([1.0, 2.0**tint, 1.0]), dtype=np.float32)


@dataclass(frozen=True)
class Setting:
    """A kind of place, described by ranges from which the light of a scene is drawn.

    Parameters
    ----------
    name : name of the place.
    level : level of the key light in stops, 0 = full sun.
    key, fill : colour temperatures of key light and fill light, K.
    shadow : level of the key light above the fill light, stops.
    lit : share of the frame that the key light reaches.
    opening : share of the frame that is sky or a window.
    glare : level of the opening in stops, relative to a white surface in the key light.
    windows : True makes the opening of panes, False of sky.
    lamps : number of lamps, smallest and largest.
    haze : optical depth of the air in front of the furthest surface.
    focus : share of the surfaces, the nearest ones, that are in focus; 1 = all.
    """

    name: str
    level: _Range
    key: _Range
    fill: _Range
    shadow: _Range
    lit: _Range
    opening: _Range = (0.0, 0.0)
    glare: _Range = (0.0, 0.0)
    windows: bool = False
    lamps: tuple[int, int] = (0, 0)
    haze: _Range = (0.0, 0.15)
    focus: _Range = (1.0, 1.0)


SETTINGS = (
    Setting("sun", (-1, 0), (4800, 6000), (7000, 10000), (2, 4), (0.3, 0.9), (0.1, 0.5), (-1.5, 0.3)),
    Setting("overcast", (-4, -2), (6000, 7500), (6000, 8000), (0.3, 1), (0.2, 0.8), (0, 0.5), (-0.5, 1.5)),
    Setting("backlit", (-2, 0), (4500, 6500), (5500, 9000), (2.5, 5), (0.05, 0.25), (0.3, 0.7), (-1, 1)),
    Setting("shade", (-3, -1), (4800, 6000), (6500, 10000), (2.5, 4.5), (0.05, 0.3), (0, 0.15), (-2, 0)),
    Setting("room", (-9, -6), (2500, 4200), (2800, 5000), (1, 2.5), (0.3, 0.8), lamps=(0, 3)),
    Setting("window", (-8, -5), (4500, 7000), (3000, 6500), (1, 3), (0.1, 0.5), (0.1, 0.4), (1, 4), windows=True),
    Setting("night", (-12, -9), (2500, 4000), (2800, 9000), (4, 7), (0, 0.2), (0, 0.4), (-7, -4), lamps=(3, 9)),
    Setting("dusk", (-7, -4), (2700, 4500), (8000, 10000), (1, 3), (0.1, 0.5), (0.2, 0.6), (-1, 1), lamps=(0, 4)),
    Setting("fog", (-4, -2), (5500, 8000), (5500, 8000), (0.3, 1), (0.2, 0.8), (0, 0.4), (-0.5, 0.3), haze=(0.7, 2.5)),
    Setting("close-up", (-5, -1), (3500, 7500), (4000, 8000), (1, 3), (0.3, 0.9), focus=(0.02, 0.3)),
    Setting("portrait", (-4, 0), (4500, 6500), (5500, 8000), (1, 3), (0.2, 0.9), (0, 0.4), (-1, 1), focus=(0.01, 0.1)),
)


@dataclass(frozen=True)
class _Opening:
    """The part of the frame that is sky or a window."""

    share: float
    windows: bool
    tilt: float
    centre: _Array
    half: _Array
    bars: _Array

    @classmethod
    def draw(cls, rng: np.random.Generator, setting: Setting) -> _Opening:
        share = rng.uniform(*setting.opening)
        aspect = 2 ** rng.uniform(-0.8, 0.8)
        half = np.sqrt([share * aspect, share / aspect]) / 2
        tilt, centre, bars = rng.normal(0, 0.06), rng.uniform(-0.25, 0.25, 2), rng.integers(1, 4, 2)
        return cls(share, setting.windows, tilt, centre, half, bars)

    def contains(self, x: _Array, y: _Array) -> _Array:
        """Return the mask of the points in the opening."""
        if not self.windows:
            return np.asarray((y - self.tilt * x < self.share - 0.5) & (self.share > 0.02))
        inside = np.array(True)
        for place, centre, half, bars in zip((x, y), self.centre, self.half, self.bars, strict=True):
            across = (place - centre) / half / 2 + 0.5
            inside = inside & (np.abs(across - 0.5) < 0.5) & (np.abs(across * bars % 1 - 0.5) < 0.46)
        return inside


@dataclass(frozen=True)
class _Lamp:
    centre: _Array
    radius: float
    colour: Field  # radiance of its disc
    reach: float  # distance at which its light falls off, in units of the longer side

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Lamp:
        tinted = np.exp(rng.normal(0, 0.3, 3) * (rng.random() < 0.4))
        colour = illuminant(rng.uniform(2500, 6000)) * tinted * 2 ** rng.uniform(2, 5)
        centre, radius = rng.uniform(-0.45, 0.45, 2), 10 ** rng.uniform(-2.3, -1.5)
        return cls(centre, radius, colour.astype(np.float32), 10 ** rng.uniform(-1.2, -0.4))

    def distance(self, frame: Frame) -> Field:
        result: Field = np.hypot(frame.x - np.float32(self.centre[0]), frame.y - np.float32(self.centre[1]))
        return result


@dataclass(frozen=True)
class Lighting:
    """The light of one scene; radiance is relative to a white surface in the key light.

    Parameters
    ----------
    level : radiance of a white surface in the key light, 1 = in full sun.
    key, fill : radiance (3,) of a white surface in each of the two lights.
    lit : share of the frame that the key light reaches.
    softness : width of the edges of shadows, in units of the noise field that makes them.
    fall : (2,) change of the fill light along x and y, stops per longer side of the frame.
    sky : radiance (3,) of the clear and of the clouded sky.
    cover : cloud cover, positive is more.
    rise : decrease of the sky upwards, stops per longer side of the frame.
    haze : optical depth of the air in front of the furthest surface.
    veil : radiance (3,) that the air scatters.
    focus : share of the surfaces, the nearest ones, that are in focus.
    opening : the sky or a window.
    lamps : lamps in the frame.
    """

    level: np.float32
    key: Field
    fill: Field
    lit: float
    softness: float
    fall: _Array
    sky: tuple[Field, Field]
    cover: float
    rise: float
    haze: float
    veil: Field
    focus: float
    opening: _Opening
    lamps: list[_Lamp]

    @classmethod
    def draw(cls, rng: np.random.Generator, setting: Setting) -> Lighting:
        """Draw the light of one scene in a setting."""
        key, fill = (illuminant(rng.uniform(*r), rng.normal(0, 0.05)) for r in (setting.key, setting.fill))
        fill = fill * np.float32(2 ** -rng.uniform(*setting.shadow))
        glare = np.float32(2.0 ** rng.uniform(*setting.glare))
        return cls(
            level=np.float32(2.0 ** rng.uniform(*setting.level)),
            key=key,
            fill=fill,
            lit=rng.uniform(*setting.lit),
            softness=10 ** rng.uniform(-2.3, -0.3),
            fall=rng.normal(0, 0.8, 2),
            sky=(illuminant(rng.uniform(9000, 20000)) * np.float32(0.6) * glare, key * glare),
            cover=rng.normal(0, 1.2),
            rise=rng.uniform(0, 1.5),
            haze=rng.uniform(*setting.haze),
            veil=fill * np.float32(0.8),
            focus=rng.uniform(*setting.focus),
            opening=_Opening.draw(rng, setting),
            lamps=[_Lamp.draw(rng) for _ in range(rng.integers(setting.lamps[0], setting.lamps[1] + 1))],
        )

    def directed(self, frame: Frame, shadows: Field) -> FloatImage:
        """Return the directed light: the key light, blocked where `shadows` is high, and the light of the lamps."""
        edge = np.quantile(shadows[::4, ::4], self.lit)
        lit = 1 / (1 + np.exp(np.clip((shadows - edge) / self.softness, -30, 30)))
        light = lit[..., None] * self.key
        for lamp in self.lamps:
            pool = lamp.reach**2 / (lamp.distance(frame) ** 2 + lamp.reach**2)
            light += (0.15 * pool**1.5)[..., None] * lamp.colour
        return np.asarray(light, dtype=np.float32)

    def diffuse(self, frame: Frame) -> FloatImage:
        """Return the fill light, which decreases to one side."""
        fall = np.exp2(np.float32(self.fall[0]) * frame.x + np.float32(self.fall[1]) * frame.y)
        return fall[..., None] * self.fill

    def through_air(self, radiance: FloatImage, depth: Field) -> FloatImage:
        """Return the radiance attenuated by the air, plus the light that the air scatters; `depth` is in [0, 1]."""
        clear = np.exp(np.float32(-self.haze) * depth)[..., None]
        result: FloatImage = self.veil + (radiance - self.veil) * clear
        return result

    def beyond(self, frame: Frame, clouds: Field) -> FloatImage:
        """Return the radiance of the sky, bluer and darker upwards, with clouds in the colour of the key light."""
        horizon = np.float32(self.opening.share - 0.5)
        cover = 1 / (1 + np.exp(-3 * (clouds + np.float32(self.cover) + 3 * (frame.y - horizon + np.float32(0.3)))))
        rise = np.exp2(np.float32(self.rise) * (frame.y - horizon))[..., None]
        clear, clouded = self.sky
        result: FloatImage = rise * (clear + cover[..., None] * (clouded - clear))
        return result

    def add_lamps(self, radiance: FloatImage, frame: Frame) -> None:
        """Add to `radiance`, in place, the disc of each lamp and the glow around it."""
        for lamp in self.lamps:
            distance, radius = lamp.distance(frame), np.float32(lamp.radius)
            disc = np.clip((radius - distance) * frame.scale + 0.5, 0, 1)
            glow = np.float32(0.006) * radius / (distance + radius) ** 1.5
            radiance += (disc + glow)[..., None] * lamp.colour
