"""Statistics of a raw that an auto mode may look at, and raws that are changed to have a given value of one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from ispfit.color import lrg_to_rgb, rgb_to_lrg
from ispfit.errors import InputError
from ispfit.images import FloatImage, Image, check_image

__all__ = ["STATISTICS", "SceneStatistic", "with_statistic"]

_DARK = 1e-3  # added to L before the logarithm
_SHADOW = 0.02  # L of a raw below which a pixel is dark: 5.6 stops below saturation
_GREEN = 0.36  # chromaticity g above which a pixel is green; grey has 1/3
_GREEN_RG = (0.30, 0.42)  # r and g of foliage
_GREY_RG = (1 / 3, 1 / 3)
_MAX_STOPS = 12.0

_Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SceneStatistic:
    """A number that describes a scene, and how a raw is changed to have another value of it.

    Parameters
    ----------
    label : name with its unit, for axes.
    of : returns the statistic of a raw H x W x 3.
    change : returns a raw whose statistic has a value; the clipping at 1 may keep it from getting there.
    """

    label: str
    of: Callable[[FloatImage], float]
    change: Callable[[FloatImage, float], FloatImage]


def with_statistic(image: FloatImage, statistic: str, value: float) -> Image:
    """Return a raw like `image` with another value of a statistic.

    Parameters
    ----------
    image : float32 H x W x 3 in [0, 1], linear.
    statistic : a name from `STATISTICS`.
        ``mean_l``: the mean of L = (R + G + B) / 3, changed by a gain of the odds L / (1 - L), which keeps black and
        white. ``contrast``: the standard deviation of log2 L in stops, changed about its mean. ``dark``: the share of
        pixels with L below 0.02, changed by darkening the darkest pixels, or by lifting the brightest of the dark ones.
        ``green``: the share of pixels with G / (R + G + B) above 0.36, changed by recolouring those with the most
        green, or by greying the least green of them.
    value : the value to reach; clipping may keep `contrast` below it.

    Raises
    ------
    InputError
        If there is no such statistic, or the value is not between those of any raw.

    Examples
    --------
    >>> raw = np.full((4, 4, 3), 0.2, np.float32)
    >>> round(STATISTICS["mean_l"].of(with_statistic(raw, "mean_l", 0.5)), 3)
    0.5
    """
    if statistic not in STATISTICS:
        raise InputError(f"statistic: expected one of {', '.join(STATISTICS)}, got {statistic!r}.")
    top = np.inf if statistic == "contrast" else 1.0
    if not 0 <= value <= top:
        raise InputError(f"value: expected the {statistic} of a raw, from 0 to {top:g}, got {value:g}.")
    raw = check_image(image, "image")
    return Image(STATISTICS[statistic].change(np.asarray(raw), value).clip(0, 1), raw.shot)


def _mean_l(raw: FloatImage) -> float:
    return float(raw.mean(dtype=float))


def _change_mean(raw: FloatImage, value: float) -> FloatImage:
    def changed(stops: float) -> FloatImage:
        gain = np.float32(2**stops)
        result: FloatImage = raw * gain / (1 + (gain - 1) * raw)
        return result

    return changed(_root(lambda stops: _mean_l(changed(stops)) - value, -_MAX_STOPS, _MAX_STOPS))


def _stops(raw: FloatImage) -> _Array:
    lightness: _Array = np.log2(raw.mean(2) + np.float32(_DARK))
    return lightness


def _contrast(raw: FloatImage) -> float:
    return float(_stops(raw).std(dtype=float))


def _change_contrast(raw: FloatImage, value: float) -> FloatImage:
    stops = _stops(raw)
    middle = stops.mean()

    def changed(slope: float) -> FloatImage:
        new = np.exp2(middle + np.float32(slope) * (stops - middle)) - np.float32(_DARK)
        return _with_l(raw, new.clip(0, 1))

    return changed(_root(lambda slope: _contrast(changed(slope)) - value, 0, 8))


def _dark(raw: FloatImage) -> float:
    return float((raw.mean(2) < _SHADOW).mean())


def _change_dark(raw: FloatImage, value: float) -> FloatImage:
    light = raw.mean(2)
    wanted = _rank(light) < round(value * light.size)
    brightest = light[wanted].max(initial=0)
    factor = np.float32(0.999 * _SHADOW / brightest if brightest >= _SHADOW else 1)
    lifted = np.maximum(light, np.float32(1.001 * _SHADOW))
    return _with_l(raw, np.where(wanted, factor * light, lifted))


def _green(raw: FloatImage) -> float:
    return float((rgb_to_lrg(raw)[..., 2] > _GREEN).mean())


def _change_green(raw: FloatImage, value: float) -> FloatImage:
    lrg = rgb_to_lrg(raw)
    wanted = _rank(lrg[..., 2]) >= round((1 - value) * lrg[..., 2].size)
    is_green = lrg[..., 2] > _GREEN
    lrg[wanted & ~is_green, 1:] = _GREEN_RG
    lrg[~wanted & is_green, 1:] = _GREY_RG
    result: FloatImage = lrg_to_rgb(lrg).clip(0, 1)
    return result


def _rank(values: _Array) -> npt.NDArray[np.intp]:
    """Return the place of each value in their order, from 0; equal values have places of their own."""
    return np.argsort(np.argsort(values, axis=None, kind="stable")).reshape(values.shape)


def _with_l(raw: FloatImage, light: _Array) -> FloatImage:
    """Return a raw with another L at each pixel and its own chromaticity, which fades where a channel would clip."""
    light = light[..., None]
    tiny = np.float32(1e-6)  # black becomes grey
    scaled = (raw + tiny) * (light / (raw.mean(2, keepdims=True) + tiny))
    above = np.maximum(scaled.max(2, keepdims=True) - light, np.float32(1e-6))
    kept = np.minimum(1, (1 - light) / above)
    result: FloatImage = light + kept * (scaled - light)
    return result


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function is zero, or the end that comes closest."""
    if function(low) >= 0:
        return low
    return high if function(high) <= 0 else float(brentq(function, low, high, xtol=1e-4))


STATISTICS = {
    "mean_l": SceneStatistic("mean L of the scene", _mean_l, _change_mean),
    "contrast": SceneStatistic("contrast of the scene, stops", _contrast, _change_contrast),
    "dark": SceneStatistic("share of dark pixels in the scene", _dark, _change_dark),
    "green": SceneStatistic("share of green pixels in the scene", _green, _change_green),
}
"""The statistics of `sweep_statistic`, by name; `with_statistic` defines them."""
