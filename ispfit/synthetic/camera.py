"""A camera that exists only in code: its sensor, and the rendering of what the sensor records.

Stages: metering, sensor, white balance; then tones, colour matrix, saturation, gamut, tone curve, contrast, JPEG.
With ``auto`` on, tones, contrast and saturation follow the scene. With it off they are constants, and one fixed
function maps every pixel.

Sources
-------
Gamut compression by the distance from the achromatic axis: Academy "Reference Gamut Compress", S-2020-001. Noise:
A. Foi et al., "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image Raw-Data", IEEE TIP
17(10), 2008. White balance: G. Finlayson, E. Trezzi, "Shades of Gray and Colour Constancy", CIC 2004.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from ispfit.color import BT2020_TO_SRGB, SRGB_LUMINANCE, XYZ_TO_BT2020, apply_white_balance, linear_to_srgb
from ispfit.errors import InputError
from ispfit.images import FloatImage
from ispfit.settings import Range, check_settings
from ispfit.synthetic.auto_mode import (
    CAMERA_LUMA,
    AutoMode,
    Rendition,
    apply_local_tone,
    centre_weight,
    thumbnail,
    weighted_mean,
)
from ispfit.synthetic.lighting import illuminant

__all__ = ["AutoMode", "Exposure", "VirtualCamera", "decode_jpeg", "white_balance"]

_Array: TypeAlias = npt.NDArray[Any]
_Row: TypeAlias = tuple[float, float, float]
_Response: TypeAlias = Annotated[float, Range(1e-3, 1e3)]
_Margin: TypeAlias = Annotated[int, Range(0, 1000)]

_EXPECTED_KELVIN = 1e6 / np.linspace(90, 420, 60)  # colour temperatures of the lights that a camera expects
_D65_XYZ = (0.95047, 1.0, 1.08883)  # IEC 61966-2-1, the white of sRGB
_METERED_GREY = 0.11  # mean luma of the sensor values that metering aims at
_MIDDLE_GREY_SRGB = 0.46  # 18 % grey, encoded


@dataclass(frozen=True)
class Exposure:
    """The record of a sensor.

    Parameters
    ----------
    pixels : float32 H x W x 3, linear camera RGB in [0, 1] before white balance, without noise.
    gains : as-shot white balance of R, G, B, green = 1, each 1 or more.
    iso : ISO speed.
    exposure_time : seconds.
    """

    pixels: FloatImage
    gains: _Row
    iso: float
    exposure_time: float


@dataclass(frozen=True)
class VirtualCamera:
    """A camera: its sensor, its picture style, its auto mode, and the files that it writes.

    Parameters
    ----------
    model : name; the make is "ispfit".
    auto : True lets the rendition follow the scene.
    auto_mode : strengths of the auto mode.
    matrix : 3 x 3, white-balanced camera RGB to linear sRGB; rows sum to one.
    daylight : response of the sensor to daylight (5500 K), green = 1.
    toe, shoulder : t and s of the tone curve ``(1 + s) x**t / (x**t + s)`` of linear values x.
    saturation : factor on chroma in every picture.
    knee : distance from grey above which colours are compressed, 1 = boundary of the gamut.
    shot_noise : variance of the noise per signal at ISO 100, both relative to saturation.
    read_noise : standard deviation of the noise in the dark at ISO 100, relative to saturation.
    cfa : colours of the 2 x 2 cell of the mosaic, row by row.
    bits, black_level : number of bits of the codes in the RAW file, and the code of black.
    crop : margins top, left, bottom, right in pixels that the RAW file has and the JPEG has not.
    orientation : EXIF orientations that shots may have.
    jpeg_quality, jpeg_subsampling : as Pillow takes them (0 = 4:4:4, 1 = 4:2:2).

    Raises
    ------
    InputError
        If a parameter is of another type or range, the matrix does not keep grey, or `cfa` is not a Bayer cell.
    """

    model: str = "Virtual A"
    auto: bool = True
    auto_mode: AutoMode = field(default_factory=AutoMode)
    matrix: tuple[_Row, _Row, _Row] = ((1.62, -0.48, -0.14), (-0.20, 1.53, -0.33), (0.02, -0.52, 1.50))
    daylight: tuple[_Response, _Response, _Response] = (0.48, 1.0, 0.66)
    toe: Annotated[float, Range(0.1, 10)] = 1.2
    shoulder: Annotated[float, Range(0.01, 100)] = 0.6
    saturation: Annotated[float, Range(0, 10)] = 1.05
    knee: Annotated[float, Range(0, 0.99)] = 0.75
    shot_noise: Annotated[float, Range(0, 1)] = 2e-5
    read_noise: Annotated[float, Range(0, 1)] = 2e-4
    cfa: str = "RGGB"
    bits: Annotated[int, Range(8, 16)] = 14
    black_level: Annotated[int, Range(0, 65000)] = 512
    crop: tuple[_Margin, _Margin, _Margin, _Margin] = (8, 12, 8, 12)
    orientation: tuple[Annotated[int, Range(1, 8)], ...] = (1, 3, 6, 8)
    jpeg_quality: Annotated[int, Range(1, 100)] = 95
    jpeg_subsampling: Annotated[int, Range(0, 2)] = 0

    def __post_init__(self) -> None:
        check_settings(type(self), vars(self))
        if not (np.shape(self.matrix) == (3, 3) and len(self.daylight) == 3 and len(self.crop) == 4):
            raise InputError(
                f"matrix, daylight, crop: expected 3 rows of 3 numbers, 3 numbers and 4 numbers, got {self.matrix}, "
                f"{self.daylight} and {self.crop}."
            )
        if not self.orientation or self.black_level >= 2**self.bits - 1:
            raise InputError(
                f"orientation, black_level: expected at least one orientation, and a black level below the largest "
                f"code {2**self.bits - 1}, got {self.orientation} and {self.black_level}."
            )
        if not np.allclose(np.sum(self.matrix, axis=1), 1):
            raise InputError(f"matrix: expected rows that sum to one, so that grey stays grey, got {self.matrix}.")
        if sorted(self.cfa) != ["B", "G", "G", "R"]:
            raise InputError(f'cfa: expected four letters such as "RGGB", one R, two G and one B, got {self.cfa!r}.')

    def manual(self) -> VirtualCamera:
        """Return the same camera with its auto mode off."""
        return replace(self, auto=False)

    def expose(self, radiance: FloatImage, rng: np.random.Generator) -> Exposure:
        """Meter a scene and return what the sensor records.

        Parameters
        ----------
        radiance : float32 H x W x 3, linear BT.2020, as `make_scene` returns it.
        rng : draws the photographer's exposure compensation and the error of the white balance.
        """
        sensor = np.maximum(radiance @ self._response().T.astype(np.float32), 0)
        factor = _meter(thumbnail(sensor @ CAMERA_LUMA), rng)
        pixels = np.minimum(sensor * np.float32(factor), np.float32(1))
        return Exposure(pixels, self._as_shot(pixels, rng), *_iso_and_time(factor))

    def _response(self) -> _Array:
        """Matrix from linear BT.2020 to camera RGB before white balance."""
        balanced = np.linalg.inv(self.matrix) @ BT2020_TO_SRGB
        daylight = balanced @ illuminant(5500.0)
        return np.asarray(balanced * (np.array(self.daylight) * daylight[1] / daylight)[:, None])

    def color_matrix(self) -> _Array:
        """Return the matrix from CIE XYZ to camera RGB before white balance, 3 x 3; daylight (D65) has green = 1.

        It is the DNG tag ColorMatrix1, and holds for any light, as the sensor's response to XYZ is linear.
        """
        matrix = self._response() @ XYZ_TO_BT2020
        return np.asarray(matrix / (matrix[1] @ _D65_XYZ))

    def _as_shot(self, pixels: FloatImage, rng: np.random.Generator) -> _Row:
        """White balance gains: a shades-of-grey estimate of the light, moved towards the nearest expected light."""
        small = np.stack([thumbnail(pixels[..., channel]) for channel in range(3)], axis=-1).reshape(-1, 3)
        light = np.cbrt((small[small.max(axis=1) < 0.95].astype(float) ** 3).sum(axis=0)) + 1e-6
        expected = illuminant(_EXPECTED_KELVIN) @ self._response().T
        expected = np.log(expected / expected[:, 1:2])[:, [0, 2]]
        error = np.log(light / light[1])[[0, 2]] - expected
        nearest = (error**2).sum(axis=1).argmin()
        estimate = expected[nearest] + 0.25 * error[nearest] + rng.normal(0, 0.03, 2)
        estimate = 0.9 * estimate + 0.1 * np.log(self.daylight)[[0, 2]]  # a warm light keeps some of its warmth
        red, blue = np.maximum(np.exp(-estimate), 1.0).tolist()
        return red, 1.0, blue

    def add_noise(self, pixels: FloatImage, iso: float, rng: np.random.Generator, *, averaged: int = 1) -> FloatImage:
        """Return linear sensor values with shot and read noise, in [0, 1].

        Parameters
        ----------
        pixels : float32 array of any shape, mosaic or RGB, before white balance.
        iso : ISO speed.
        averaged : number of photosites averaged into each value, as in a picture made smaller.
        """
        gain = iso / 100
        variance = np.float32(self.shot_noise * gain) * pixels + np.float32(self.read_noise**2 * gain)
        noise = np.sqrt(variance / np.float32(averaged)) * rng.standard_normal(pixels.shape, dtype=np.float32)
        result: FloatImage = np.clip(pixels + noise, 0, 1)
        return result

    def render(self, raw: FloatImage, scene_from: FloatImage | None = None) -> FloatImage:
        """Render a white-balanced raw H x W x 3 in [0, 1] to non-linear sRGB in [0, 1], before the JPEG.

        With `scene_from`, another raw of any size, the auto mode decides on that one what it does to this one.
        """
        if not self.auto:
            return self._style(raw, Rendition())
        rendition = self.auto_mode.decide(raw if scene_from is None else scene_from)
        return self._style(apply_local_tone(raw, rendition), rendition)

    def _style(self, linear: FloatImage, rendition: Rendition) -> FloatImage:
        """Apply the picture style, a function of each pixel alone."""
        rgb = linear @ np.array(self.matrix, np.float32).T
        grey = (rgb @ SRGB_LUMINANCE)[..., None]
        rgb = np.asarray(grey + np.float32(self.saturation * rendition.saturation) * (rgb - grey), np.float32)
        power = _compress_gamut(rgb, self.knee) ** np.float32(self.toe)
        curved = power * np.float32(1 + self.shoulder) / (power + np.float32(self.shoulder))
        return _add_contrast(linear_to_srgb(curved), rendition.contrast)

    def jpeg(self, srgb: FloatImage, **options: Any) -> bytes:
        """Return the JPEG file of a rendering; options go to Pillow's ``save``, such as ``exif=``."""
        file = io.BytesIO()
        picture = PILImage.fromarray(np.rint(srgb * 255).astype(np.uint8))
        picture.save(file, "JPEG", quality=self.jpeg_quality, subsampling=self.jpeg_subsampling, **options)
        return file.getvalue()


def white_balance(pixels: FloatImage, gains: _Row) -> FloatImage:
    """Return linear camera RGB with the gains applied, clipped at saturation."""
    return np.minimum(apply_white_balance(pixels, gains), np.float32(1))


def decode_jpeg(data: bytes) -> FloatImage:
    """Return the pixels of a JPEG file, float32, codes / 255."""
    with PILImage.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float32) / np.float32(255)


def _meter(luma: FloatImage, rng: np.random.Generator) -> float:
    """Exposure factor that brings the centre-weighted mean to grey, lower if there are bright highlights."""
    weights = centre_weight(luma.shape, 0.3) + np.float32(0.3)
    mean = np.sqrt(2 ** weighted_mean(np.log2(luma + np.float32(1e-9)), weights) * weighted_mean(luma, weights))
    for_highlights = np.sqrt(1 + (_METERED_GREY * 1.6 * np.quantile(luma, 0.98) / mean) ** 2)
    compensation = 2 ** np.clip(rng.normal(0, 0.6), -1.5, 1.5)
    return float(_METERED_GREY / mean * compensation / for_highlights)


def _iso_and_time(factor: float) -> tuple[float, float]:
    """ISO and seconds of an exposure, 1 = ISO 100 for 1/400 s: up to 1/60 s at ISO 100, then higher ISO up to 6400."""
    seconds = float(np.clip(factor / 400, 1 / 8000, 1 / 60))
    iso = float(100 * 2 ** np.clip(np.round(np.log2(factor / 400 / seconds)), 0, 6))
    return iso, factor / 4 / iso


def _compress_gamut(rgb: FloatImage, knee: float) -> FloatImage:
    """Compress colours beyond the knee into the gamut, and clip what is brighter than white."""
    top = np.maximum(rgb.max(axis=2, keepdims=True), np.float32(1e-6))
    distance, room = 1 - rgb / top, np.float32(1 - knee)
    pressed = np.float32(knee) + room * np.tanh((distance - np.float32(knee)) / room)
    result: FloatImage = np.clip(top * (1 - np.where(distance > knee, pressed, distance)), 0, 1)
    return result


def _add_contrast(srgb: FloatImage, contrast: float) -> FloatImage:
    """Raise the odds x / (1 - x), relative to those of middle grey, to a power: black, middle grey and white stay."""
    if contrast == 1:
        return srgb
    grey = _MIDDLE_GREY_SRGB
    bright = (srgb / np.float32(grey)) ** np.float32(contrast) * np.float32(grey)
    dark = ((1 - srgb) / np.float32(1 - grey)) ** np.float32(contrast) * np.float32(1 - grey)
    return np.asarray(bright / (bright + dark), np.float32)
