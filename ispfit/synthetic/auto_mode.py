"""The decisions of a camera's auto mode, and the tones that follow from them.

The decisions are smooth functions of a thumbnail of the raw: of its histogram of lightness, of its chroma, and of
where in the frame it is bright and dark. Lightness is in stops relative to saturation.

Source of the regions: K. He, J. Sun, "Fast Guided Filter", arXiv 1505.00996, 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from scipy import ndimage

from ispfit.images import FloatImage
from ispfit.settings import Range, check_settings

__all__ = [
    "CAMERA_LUMA",
    "AutoMode",
    "Rendition",
    "apply_local_tone",
    "centre_weight",
    "lightness",
    "thumbnail",
    "weighted_mean",
]

_Array: TypeAlias = npt.NDArray[Any]

CAMERA_LUMA = np.array([0.25, 0.5, 0.25], np.float32)
"""Weights of R, G, B in the luma that the virtual cameras meter: the shares of a Bayer cell."""

_THUMBNAIL_PX = 96  # longer side of the picture that decisions are made on
_MIN_LUMA = np.float32(1e-3)  # added to luma, so that black has a lightness
_MIDDLE_GREY = -3.3  # lightness of middle grey in a raw, stops

# Decisions: thresholds, and the widths of the smooth steps across them, in stops unless noted
_CENTRE_WIDTH = 0.22  # of the region in which the subject is expected, in units of the longer side
_MAX_BRIGHTNESS = 1.5
_HARSH, _HARSH_WIDTH = 1.3, 0.4  # standard deviation of the lightness of a scene of high contrast
_TYPICAL_SPREAD = 1.4  # standard deviation of the lightness of a scene that keeps its contrast
_TYPICAL_CHROMA, _CHROMA_WIDTH = 0.35, 0.15  # mean chroma, 0 to 1, of a scene that keeps its saturation
_BACKLIGHT, _BACKLIGHT_WIDTH = 0.6, 0.4  # lightness of the frame, relative to the centre, of a backlit scene
_SHADOWS, _SHADOWS_WIDTH = -5.5, 0.5  # lightness below which a pixel is in deep shadow
_HIGHLIGHTS, _HIGHLIGHTS_WIDTH = -1.2, 0.4  # lightness above which a pixel is close to saturation

# Local tone
_REGION_SIZE = 0.16  # side of a region, in units of the longer side
_EDGE_VARIANCE = np.float32(0.6)  # variance of lightness in a region above which its edges are kept, stops^2
_ATTENTION_WIDTH = 0.35  # of the part of the frame that is evened out most, in units of the longer side
_LIFTED, _LIFTED_WIDTH = -4, 0.8  # lightness below which a region is lifted, stops
_HIGHLIGHT_SHARE = 0.4  # how strongly bright regions are evened out, relative to dark ones
_MAX_STOPS = 2.0  # largest change of a pixel


@dataclass(frozen=True)
class Rendition:
    """The decisions of a camera for one picture; the defaults leave the picture unchanged.

    Parameters
    ----------
    brightness : change of the whole picture, stops.
    lift : change of dark regions, stops.
    local : share of the contrast between regions that is evened out, 0 to 1.
    contrast : slope of the tone curve at middle grey, 1 = unchanged.
    saturation : factor on chroma.
    """

    brightness: float = 0.0
    lift: float = 0.0
    local: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0


@dataclass(frozen=True)
class AutoMode:
    """The strengths of a camera's auto mode; 0 turns a part of it off.

    Parameters
    ----------
    brightness : share of a wrong exposure that is corrected, 0 to 1.
    lift : largest lift of the shadows of a backlit scene, stops.
    local : largest share of the contrast between regions that is evened out, 0 to 1.
    contrast : largest change of contrast: flat scenes gain it, harsh ones lose it.
    saturation : largest change of saturation: dull scenes gain it, colourful ones lose it.
    """

    brightness: Annotated[float, Range(0, 1)] = 0.7
    lift: Annotated[float, Range(0, 10)] = 1.8
    local: Annotated[float, Range(0, 1)] = 0.45
    contrast: Annotated[float, Range(0, 1)] = 0.3
    saturation: Annotated[float, Range(0, 1)] = 0.35

    def __post_init__(self) -> None:
        check_settings(type(self), vars(self))

    def decide(self, raw: FloatImage) -> Rendition:
        """Return the decisions for a raw H x W x 3."""
        small = np.stack([thumbnail(raw[..., channel]) for channel in range(3)], axis=2)
        light = lightness(small)
        chroma = 1 - small.min(axis=2) / (small.max(axis=2) + _MIN_LUMA)
        spread = float(light.std())
        key = weighted_mean(light, centre_weight(light.shape, _CENTRE_WIDTH) + np.float32(0.25))
        error = _MIDDLE_GREY - key
        return Rendition(
            brightness=_MAX_BRIGHTNESS * float(np.tanh(self.brightness * error / _MAX_BRIGHTNESS)),
            lift=self.lift * _backlight(light),
            local=self.local * float(_above(spread, _HARSH, _HARSH_WIDTH)),
            contrast=1 + self.contrast * float(np.tanh(_TYPICAL_SPREAD - spread)),
            saturation=1 + self.saturation * float(np.tanh((_TYPICAL_CHROMA - chroma.mean()) / _CHROMA_WIDTH)),
        )


def _backlight(light: FloatImage) -> float:
    """How far a scene is backlit, 0 to 1: a dark centre in a bright frame, or many shadows beside many highlights."""
    centre = centre_weight(light.shape, _CENTRE_WIDTH)
    contrast = weighted_mean(light, 1 - centre) - weighted_mean(light, centre)
    shadows = _below(light, _SHADOWS, _SHADOWS_WIDTH).mean()
    highlights = _above(light, _HIGHLIGHTS, _HIGHLIGHTS_WIDTH).mean()
    return float(np.tanh(0.5 * _above(contrast, _BACKLIGHT, _BACKLIGHT_WIDTH) + np.sqrt(shadows * highlights)))


def apply_local_tone(raw: FloatImage, rendition: Rendition) -> FloatImage:
    """Brighten or darken each pixel of a raw H x W x 3 by a gain that depends on its region and its place in the frame.

    A gain multiplies the odds x / (1 - x) of each channel, so that black and white stay where they are.
    """
    region = _regions(lightness(raw))
    attention = np.float32(0.6) + np.float32(0.4) * centre_weight(region.shape, _ATTENTION_WIDTH)
    shadow = _below(region, _LIFTED, _LIFTED_WIDTH)
    above_grey = region - np.float32(_MIDDLE_GREY)
    evened = np.where(above_grey > 0, np.float32(_HIGHLIGHT_SHARE) * above_grey, above_grey)
    stops = np.float32(rendition.lift) * shadow - np.float32(rendition.local) * attention * evened
    gain = np.exp2(_MAX_STOPS * np.tanh((stops + np.float32(rendition.brightness)) / _MAX_STOPS))[..., None]
    result: FloatImage = raw * gain / (1 + (gain - 1) * raw)
    return result


def _regions(light: FloatImage) -> FloatImage:
    """Lightness blurred except at strong edges, by a guided filter whose coefficients are found on a thumbnail."""
    small = thumbnail(light)
    size = max(3, round(_REGION_SIZE * max(small.shape)))

    def mean(plane: FloatImage) -> FloatImage:
        return np.asarray(ndimage.uniform_filter(plane, size, mode="nearest"))

    average = mean(small)
    variance = mean(small**2) - average**2
    slope = variance / (variance + _EDGE_VARIANCE)
    offset = average * (1 - slope)
    return _enlarge(mean(slope), light.shape) * light + _enlarge(mean(offset), light.shape)


def lightness(pixels: FloatImage) -> FloatImage:
    """Return the lightness (...) of linear camera RGB (..., 3), in stops relative to saturation."""
    result: FloatImage = np.log2(pixels @ CAMERA_LUMA + _MIN_LUMA)
    return result


def centre_weight(shape: tuple[int, ...], width: float) -> FloatImage:
    """Return a Gaussian around the middle of a frame; `width` is its standard deviation in units of the longer side."""
    y, x = ((np.arange(n, dtype=np.float32) + 0.5 - n / 2) / np.float32(max(shape) * width) for n in shape)
    return np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / 2).astype(np.float32)


def weighted_mean(values: FloatImage, weights: FloatImage) -> float:
    """Return the mean of `values` under `weights`."""
    return float((values * weights).sum() / weights.sum())


def thumbnail(plane: FloatImage) -> FloatImage:
    """Return a picture H x W reduced by area averaging to a longer side of at most 96 pixels."""
    height, width = (max(1, round(n * min(1, _THUMBNAIL_PX / max(plane.shape)))) for n in plane.shape)
    picture = PILImage.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(picture.resize((width, height), PILImage.Resampling.BOX))


def _enlarge(plane: FloatImage, shape: tuple[int, ...]) -> FloatImage:
    return np.asarray(PILImage.fromarray(plane).resize((shape[1], shape[0]), PILImage.Resampling.BILINEAR))


def _above(values: _Array | float, threshold: float, width: float) -> Any:
    """A smooth step (logistic curve) from 0 below the threshold to 1 above it."""
    return 1 / (1 + np.exp((threshold - values) / width))


def _below(values: _Array | float, threshold: float, width: float) -> Any:
    """A smooth step (logistic curve) from 1 below the threshold to 0 above it."""
    return 1 / (1 + np.exp((values - threshold) / width))
