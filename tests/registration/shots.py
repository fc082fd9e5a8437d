"""Shots whose two images are related by a known map."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image as PILImage
from scipy import ndimage
from sklearn.datasets import load_sample_image

from ispfit.color import srgb_to_linear
from ispfit.datasets import make_camera_pairs
from ispfit.registration.geometry import LensTransform, PointMap, pixel_grid

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]

MARGIN = 24  # px around the raw that only the srgb may show


@cache
def procedural(seed: int) -> Pair:
    [raw], [srgb] = make_camera_pairs(1, image_size=(400, 560), random_state=seed)
    return np.asarray(raw), np.asarray(srgb)


@cache
def photograph(seed: int) -> Pair:
    """A real picture through a camera of its own: other colours, local gain, another curve."""
    rng = np.random.default_rng(seed)
    light = srgb_to_linear(load_sample_image(["china.jpg", "flower.jpg"][seed % 2]).astype(np.float32) / 255)
    colours = np.eye(3) + rng.normal(0, 0.12, (3, 3))
    raw = np.clip(light @ (colours / colours.sum(1, keepdims=True)).T * rng.uniform(0.3, 0.9), 0, 1)
    surround = ndimage.gaussian_filter(light.mean(-1), 50)[..., None]
    srgb = np.clip(light * (0.25 / (surround + 0.05)) ** rng.uniform(0, 0.5), 0, 1) ** (1 / rng.uniform(1.8, 2.6))
    return raw.astype(np.float32), srgb.astype(np.float32)


def natural(folder: Path, name: str) -> Pair:
    folder = folder / "nikon-d7000-auto"
    raw = tifffile.imread(folder / "raw" / f"{name}.tif") / 65535
    return raw.astype(np.float32), np.asarray(PILImage.open(folder / "srgb" / f"{name}.jpg"), np.float32) / 255


def lens_of(rng: np.random.Generator, srgb: tuple[int, ...], raw: tuple[int, ...]) -> LensTransform:
    """Any combination of shifts up to 20 px, scale 0.9 to 1.1, rotation to 2 degrees, radial distortion to 3 %."""
    nominal = LensTransform.centred(srgb, raw)
    angle = np.radians(rng.uniform(-2, 2))
    turn = rng.uniform(0.9, 1.1) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    k1, k2 = rng.uniform(-1, 1, 2)
    radius = np.linspace(0, 1, 50)
    k1, k2 = np.array([k1, k2]) / np.abs(k1 * radius**2 + k2 * radius**4).max() * rng.uniform(0, 0.03)
    shift = rng.uniform(-20, 20, 2) * nominal.scale
    return replace(nominal, matrix=turn @ nominal.matrix, offset=nominal.offset + shift, k1=float(k1), k2=float(k2))


def warped(image: Array, where: PointMap, shape: tuple[int, int]) -> Array:
    """Quintic splines, so that the test does not interpolate as the code does."""
    at = np.moveaxis(where(pixel_grid(*shape))[..., ::-1], -1, 0)
    channels = [ndimage.map_coordinates(image[..., c], at, order=5, mode="mirror") for c in range(3)]
    return np.clip(np.stack(channels, -1), 0, 1).astype(np.float32)


def shot(pair: Pair, seed: int) -> tuple[Array, Array, LensTransform]:
    """A noisy raw, and an 8-bit srgb of its size that lies on it as the returned map says."""
    rng = np.random.default_rng(seed)
    raw, srgb = pair
    raw = raw[MARGIN:-MARGIN, MARGIN:-MARGIN]
    lens = lens_of(rng, raw.shape, raw.shape)
    srgb = warped(srgb, lambda points: lens(points) + MARGIN, raw.shape[:2])
    noisy = raw + rng.normal(0, 1, raw.shape) * np.sqrt(1e-6 + 2e-5 * raw)
    return np.clip(noisy, 0, 1).astype(np.float32), np.round(srgb * 255).astype(np.float32) / 255, lens


def error(found: PointMap, true: LensTransform, srgb: Array, raw: Array) -> float:
    """Rms over the overlap, in pixels of the srgb."""
    points = pixel_grid(*srgb.shape[:2])[::4, ::4].reshape(-1, 2)
    goal = true(points)
    inside = ((goal >= 0) & (goal <= np.array(raw.shape[1::-1]) - 1)).all(1)
    return float(np.sqrt(((found(points) - goal)[inside] ** 2).sum(1).mean())) / true.scale
