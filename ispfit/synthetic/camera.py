"""A camera that exists only in code: what its sensor records, and how it renders that.

Stages: metering, sensor, white balance; then tones, colour matrix, saturation, gamut, tone curve, contrast, JPEG.
With ``auto`` on, tones, contrast and saturation follow the scene; with it off they are constants, and every pixel
is mapped by one fixed function.

Sources
-------
Gamut compression by the distance from the achromatic axis: Academy "Reference Gamut Compress", S-2020-001. Noise:
A. Foi et al., "Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image Raw-Data", IEEE TIP
17(10), 2008. White balance: G. Finlayson, E. Trezzi, "Shades of Gray and Colour Constancy", CIC 2004.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from ispfit.errors import InputError
from ispfit.images import FloatImage
from ispfit.synthetic.auto_mode import AutoMode, Rendition, centre_weight, develop, thumbnail, weighted_mean
from ispfit.synthetic.lighting import illuminant

__all__ = ["CAMERAS", "AutoMode", "Exposure", "VirtualCamera", "decode_jpeg", "white_balance"]

_Array: TypeAlias = npt.NDArray[Any]
_Row: TypeAlias = tuple[float, float, float]

_BT2020_TO_SRGB = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
_SRGB_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_LUMA = np.array([0.25, 0.5, 0.25], np.float32)  # of camera RGB
_KELVIN = 1e6 / np.linspace(90, 420, 60)  # the lights that a camera expects
_GREY = 0.11  # what metering brings the mean to
_GREY_CODE = 0.46  # middle grey in non-linear sRGB


@dataclass(frozen=True)
class Exposure:
    """What a sensor recorded.

    Parameters
    ----------
    pixels : ndarray H x W x 3, float32, linear camera RGB in [0, 1] before white balance, without noise.
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
    auto : whether the rendition follows the scene.
    auto_mode : how far it does.
    matrix : white-balanced camera RGB -> linear sRGB; rows sum to one.
    daylight : the sensor's response to daylight (5500 K), green = 1.
    toe, shoulder : of the tone curve: exponent in the shadows, and exposure at which half of white is reached.
    saturation : factor on chroma in every picture.
    knee : distance from grey above which colours are compressed, 1 = the gamut's boundary.
    shot_noise, read_noise : at ISO 100, in units of saturation: variance per signal, and standard deviation.
    cfa : colours of the mosaic's 2 x 2 cell, row by row.
    bits, black_level : of the RAW file's codes.
    crop : margins top, left, bottom, right of the RAW file's picture that the JPEG leaves out.
    orientation : EXIF orientations that its shots may have.
    jpeg_quality, jpeg_subsampling : as Pillow takes them (0 = 4:4:4, 1 = 4:2:2).

    Raises
    ------
    InputError
        If the matrix does not keep grey, or `cfa` is not a Bayer cell.
    """

    model: str = "Virtual A"
    auto: bool = True
    auto_mode: AutoMode = field(default_factory=AutoMode)
    matrix: tuple[_Row, _Row, _Row] = ((1.62, -0.48, -0.14), (-0.20, 1.53, -0.33), (0.02, -0.52, 1.50))
    daylight: _Row = (0.48, 1.0, 0.66)
    toe: float = 1.2
    shoulder: float = 0.6
    saturation: float = 1.05
    knee: float = 0.75
    shot_noise: float = 2e-5
    read_noise: float = 2e-4
    cfa: str = "RGGB"
    bits: int = 14
    black_level: int = 512
    crop: tuple[int, int, int, int] = (8, 12, 8, 12)
    orientation: tuple[int, ...] = (1, 3, 6, 8)
    jpeg_quality: int = 95
    jpeg_subsampling: int = 0

    def __post_init__(self) -> None:
        if not np.allclose(np.sum(self.matrix, axis=1), 1):
            raise InputError(f"matrix: expected rows that sum to one, so that grey stays grey, got {self.matrix}.")
        if sorted(self.cfa) != ["B", "G", "G", "R"]:
            raise InputError(f'cfa: expected four letters such as "RGGB", one R, two G and one B, got {self.cfa!r}.')

    def manual(self) -> VirtualCamera:
        """Return the same camera with its auto mode off."""
        return replace(self, auto=False)

    def expose(self, radiance: FloatImage, rng: np.random.Generator) -> Exposure:
        """Meter a scene and record it.

        Parameters
        ----------
        radiance : ndarray H x W x 3, linear BT.2020, as `make_scene` returns it.
        rng : draws the photographer's exposure compensation and the error of the white balance.
        """
        sensor = np.maximum(radiance @ self._response().T.astype(np.float32), 0)
        factor = _meter(thumbnail(sensor @ _LUMA), rng)
        pixels = np.minimum(sensor * np.float32(factor), np.float32(1))
        return Exposure(pixels, self._as_shot(pixels, rng), *_iso_and_time(factor))

    def _response(self) -> _Array:
        """Return the matrix linear BT.2020 -> camera RGB."""
        balanced = np.linalg.inv(self.matrix) @ _BT2020_TO_SRGB
        daylight = balanced @ illuminant(5500.0)
        return np.asarray(balanced * (np.array(self.daylight) * daylight[1] / daylight)[:, None])

    def _as_shot(self, pixels: FloatImage, rng: np.random.Generator) -> _Row:
        """Return white balance gains: a shades-of-grey estimate of the light, drawn towards the lights there are."""
        small = np.stack([thumbnail(pixels[..., channel]) for channel in range(3)], axis=-1).reshape(-1, 3)
        light = np.cbrt((small[small.max(axis=1) < 0.95].astype(float) ** 3).sum(axis=0)) + 1e-6
        expected = illuminant(_KELVIN) @ self._response().T
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
        averaged : how many photosites each value is the mean of, as in a picture made smaller.
        """
        gain = iso / 100
        variance = np.float32(self.shot_noise * gain) * pixels + np.float32(self.read_noise**2 * gain)
        noise = np.sqrt(variance / np.float32(averaged)) * rng.standard_normal(pixels.shape, dtype=np.float32)
        result: FloatImage = np.clip(pixels + noise, 0, 1)
        return result

    def render(self, raw: FloatImage) -> FloatImage:
        """Render a white-balanced raw H x W x 3 in [0, 1] to non-linear sRGB in [0, 1], before the JPEG."""
        if not self.auto:
            return self._style(raw, Rendition())
        rendition = self.auto_mode.decide(raw)
        return self._style(develop(raw, rendition), rendition)

    def _style(self, linear: FloatImage, rendition: Rendition) -> FloatImage:
        """The picture style: a function of each pixel alone."""
        rgb = linear @ np.array(self.matrix, np.float32).T
        grey = (rgb @ _SRGB_LUMA)[..., None]
        rgb = np.asarray(grey + np.float32(self.saturation * rendition.saturation) * (rgb - grey), np.float32)
        power = _compress_gamut(rgb, self.knee) ** np.float32(self.toe)
        curved = power * np.float32(1 + self.shoulder) / (power + np.float32(self.shoulder))
        return _add_contrast(_srgb_transfer(curved), rendition.contrast)

    def jpeg(self, srgb: FloatImage, **options: Any) -> bytes:
        """Return the JPEG file of a rendering; options go to Pillow (``exif=`` for one)."""
        file = io.BytesIO()
        picture = PILImage.fromarray(np.rint(srgb * 255).astype(np.uint8))
        picture.save(file, "JPEG", quality=self.jpeg_quality, subsampling=self.jpeg_subsampling, **options)
        return file.getvalue()


CAMERAS: dict[str, VirtualCamera] = {
    camera.model: camera
    for camera in (
        VirtualCamera(),
        VirtualCamera(
            model="Virtual B",
            auto_mode=AutoMode(brightness=0.55, lift=1.3, local=0.5, contrast=0.35, saturation=0.45),
            matrix=((1.85, -0.75, -0.10), (-0.26, 1.62, -0.36), (0.05, -0.66, 1.61)),
            daylight=(0.60, 1.0, 0.58),
            toe=1.28,
            shoulder=0.45,
            saturation=1.12,
            knee=0.7,
            shot_noise=4e-5,
            read_noise=3e-4,
            cfa="GBRG",
            black_level=256,
            crop=(16, 4, 12, 20),
            orientation=(1, 6, 8),
            jpeg_subsampling=1,
        ),
    )
}


def white_balance(pixels: FloatImage, gains: _Row) -> FloatImage:
    """Return linear camera RGB with the gains applied, clipped at saturation."""
    return np.minimum(pixels * np.array(gains, np.float32), np.float32(1))


def decode_jpeg(data: bytes) -> FloatImage:
    """Return the pixels of a JPEG file, float32, codes / 255."""
    with PILImage.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float32) / np.float32(255)


def _meter(luma: FloatImage, rng: np.random.Generator) -> float:
    """Return the exposure that brings the centre-weighted mean to grey, held back for highlights."""
    weights = centre_weight(luma.shape, 0.3) + np.float32(0.3)
    mean = np.sqrt(2 ** weighted_mean(np.log2(luma + np.float32(1e-9)), weights) * weighted_mean(luma, weights))
    held_back = np.sqrt(1 + (_GREY * 1.6 * np.quantile(luma, 0.98) / mean) ** 2)
    compensation = 2 ** np.clip(rng.normal(0, 0.6), -1.5, 1.5)
    return float(_GREY / mean * compensation / held_back)


def _iso_and_time(factor: float) -> tuple[float, float]:
    """Share out an exposure, 1 = ISO 100 for 1/400 s: longer times down to 1/60 s, then ISO up to 6400."""
    seconds = float(np.clip(factor / 400, 1 / 8000, 1 / 60))
    iso = float(100 * 2 ** np.clip(np.round(np.log2(factor / 400 / seconds)), 0, 6))
    return iso, factor / 4 / iso


def _compress_gamut(rgb: FloatImage, knee: float) -> FloatImage:
    """Draw colours beyond the knee into the gamut, and clip what is brighter than white."""
    top = np.maximum(rgb.max(axis=2, keepdims=True), np.float32(1e-6))
    distance, room = 1 - rgb / top, np.float32(1 - knee)
    pressed = np.float32(knee) + room * np.tanh((distance - np.float32(knee)) / room)
    result: FloatImage = np.clip(top * (1 - np.where(distance > knee, pressed, distance)), 0, 1)
    return result


def _srgb_transfer(linear: FloatImage) -> FloatImage:
    """IEC 61966-2-1."""
    power = np.float32(1.055) * np.maximum(linear, np.float32(0.0031308)) ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= 0.0031308, linear * np.float32(12.92), power)


def _add_contrast(srgb: FloatImage, contrast: float) -> FloatImage:
    """Raise the odds x / (1 - x) about middle grey to a power: black, middle grey and white stay."""
    if contrast == 1:
        return srgb
    bright = (srgb / np.float32(_GREY_CODE)) ** np.float32(contrast)
    dark = ((1 - srgb) / np.float32(1 - _GREY_CODE)) ** np.float32(contrast)
    bright, dark = bright * np.float32(_GREY_CODE), dark * np.float32(1 - _GREY_CODE)
    return np.asarray(bright / (bright + dark), np.float32)
