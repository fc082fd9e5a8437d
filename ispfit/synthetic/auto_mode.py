"""What a camera's auto mode decides, and the tones that follow from it.

The decisions are smooth functions of a thumbnail of the raw picture: its histogram of lightness, its chroma, and
where in the frame it is bright and dark.

Source of the regions: K. He, J. Sun, "Fast Guided Filter", arXiv 1505.00996, 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from scipy import ndimage

from ispfit.images import FloatImage

__all__ = ["AutoMode", "Rendition", "centre_weight", "develop", "lightness", "thumbnail", "weighted_mean"]

_Array: TypeAlias = npt.NDArray[Any]

_LUMA = np.array([0.25, 0.5, 0.25], np.float32)  # of camera RGB
_FLOOR = np.float32(1e-3)  # what is darker counts as this dark
_MIDDLE = -3.3  # lightness of middle grey in raw, stops below saturation
_HIGHLIGHTS = 0.4  # bright regions are evened out this much less than dark ones
_LIMIT = 2.0  # stops that auto mode never exceeds
_THUMBNAIL = 96  # longer side of the picture that decisions are made on


@dataclass(frozen=True)
class Rendition:
    """What a camera decides for one picture; the defaults leave it as it is.

    Parameters
    ----------
    brightness : of the whole picture, stops.
    lift : of dark regions, stops.
    local : share of the contrast between regions that is evened out, 0 to 1.
    contrast : slope about middle grey.
    saturation : factor on chroma.
    """

    brightness: float = 0.0
    lift: float = 0.0
    local: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0


@dataclass(frozen=True)
class AutoMode:
    """How far a camera's auto mode goes; 0 is not at all.

    Parameters
    ----------
    brightness : share of a wrong exposure that is made up for.
    lift : most stops by which the shadows of a backlit scene are lifted.
    local : largest share of the contrast between regions that is evened out.
    contrast : most by which flat scenes gain contrast, and harsh ones lose it.
    saturation : most by which dull scenes gain saturation, and colourful ones lose it.
    """

    brightness: float = 0.7
    lift: float = 1.8
    local: float = 0.45
    contrast: float = 0.3
    saturation: float = 0.35

    def decide(self, raw: FloatImage) -> Rendition:
        """Return the decisions for a raw picture H x W x 3."""
        small = np.stack([thumbnail(raw[..., channel]) for channel in range(3)], axis=2)
        light, chroma = lightness(small), 1 - small.min(axis=2) / (small.max(axis=2) + _FLOOR)
        spread = float(light.std())
        key = weighted_mean(light, centre_weight(light.shape, 0.22) + np.float32(0.25))
        return Rendition(
            brightness=1.5 * float(np.tanh(self.brightness * (_MIDDLE - key) / 1.5)),
            lift=self.lift * _backlight(light),
            local=self.local * float(_sigmoid((spread - 1.3) / 0.4)),
            contrast=1 + self.contrast * float(np.tanh(1.4 - spread)),
            saturation=1 + self.saturation * float(np.tanh((0.35 - chroma.mean()) / 0.15)),
        )


def _backlight(light: FloatImage) -> float:
    """Return how far a scene is backlit, 0 to 1: a dark centre in a bright frame, or a histogram with two ends."""
    centre = centre_weight(light.shape, 0.22)
    against = _sigmoid((weighted_mean(light, 1 - centre) - weighted_mean(light, centre) - 0.6) / 0.4)
    dark, bright = _sigmoid((-5.5 - light) / 0.5).mean(), _sigmoid((light + 1.2) / 0.4).mean()
    return float(np.tanh(0.5 * against + np.sqrt(dark * bright)))


def develop(raw: FloatImage, rendition: Rendition) -> FloatImage:
    """Brighten or darken each pixel by a gain that depends on its region and on its place in the frame.

    A gain multiplies the odds x / (1 - x) of each channel, so that black and white stay where they are.
    """
    region = _regions(lightness(raw))
    attention = np.float32(0.6) + np.float32(0.4) * centre_weight(region.shape, 0.35)
    shadow = _sigmoid((np.float32(-4) - region) / np.float32(0.8))
    away = region - np.float32(_MIDDLE)
    evened = np.where(away > 0, np.float32(_HIGHLIGHTS) * away, away)
    stops = np.float32(rendition.lift) * shadow - np.float32(rendition.local) * attention * evened
    gain = np.exp2(_LIMIT * np.tanh((stops + np.float32(rendition.brightness)) / _LIMIT))[..., None]
    result: FloatImage = raw * gain / (1 + (gain - 1) * raw)
    return result


def _regions(light: FloatImage) -> FloatImage:
    """Blur a picture but for its strong edges: a guided filter whose coefficients are found on a thumbnail."""
    small = thumbnail(light)
    size = max(3, round(0.16 * max(small.shape)))
    mean, square = (ndimage.uniform_filter(plane, size, mode="nearest") for plane in (small, small**2))
    slope = (square - mean**2) / (square - mean**2 + np.float32(0.6))
    slope, offset = (ndimage.uniform_filter(plane, size, mode="nearest") for plane in (slope, mean * (1 - slope)))
    return _enlarge(slope, light.shape) * light + _enlarge(offset, light.shape)


def lightness(pixels: FloatImage) -> FloatImage:
    """Return the lightness of linear camera RGB, in stops relative to saturation."""
    result: FloatImage = np.log2(pixels @ _LUMA + _FLOOR)
    return result


def centre_weight(shape: tuple[int, ...], width: float) -> FloatImage:
    """Return a Gaussian about the middle of the frame, its deviation in units of the longer side."""
    y, x = ((np.arange(n, dtype=np.float32) + 0.5 - n / 2) / np.float32(max(shape) * width) for n in shape)
    return np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / 2).astype(np.float32)


def weighted_mean(values: FloatImage, weights: FloatImage) -> float:
    """Return the mean of `values` under `weights`."""
    return float((values * weights).sum() / weights.sum())


def thumbnail(plane: FloatImage) -> FloatImage:
    """Shrink a picture H x W by area averaging to the size that decisions are made on."""
    height, width = (max(1, round(n * min(1, _THUMBNAIL / max(plane.shape)))) for n in plane.shape)
    picture = PILImage.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(picture.resize((width, height), PILImage.Resampling.BOX))


def _enlarge(plane: FloatImage, shape: tuple[int, ...]) -> FloatImage:
    return np.asarray(PILImage.fromarray(plane).resize((shape[1], shape[0]), PILImage.Resampling.BILINEAR))


def _sigmoid(x: _Array | float) -> Any:
    return 1 / (1 + np.exp(-x))
