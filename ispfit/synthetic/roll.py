"""A camera roll of files: what a card holds after a day of shooting RAW+JPEG with a virtual camera."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.errors import FileError, InputError
from ispfit.files import atomic_path
from ispfit.images import FloatImage, Shot
from ispfit.io.dng import make_mosaic, write_dng
from ispfit.io.exif import make_exif
from ispfit.io.orientation import FLIP_OF_ORIENTATION, as_stored
from ispfit.synthetic.camera import Exposure, VirtualCamera
from ispfit.synthetic.demosaic import demosaic
from ispfit.synthetic.pairs import _check_camera, _check_size
from ispfit.synthetic.radiance import RandomSource, as_generator, make_scene

__all__ = ["make_camera_roll"]

_MAKE = "ispfit"
_OPTICS = 0.5  # pixels: standard deviation of the blur of lens and anti-aliasing filter
_SRGB_OF_XYZ = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


def make_camera_roll(
    folder: str | os.PathLike[str],
    n_shots: int = 24,
    *,
    image_size: int | tuple[int, int] = (384, 576),
    camera: str | VirtualCamera = "auto",
    cfa: str | None = None,
    lens: float = 0.0,
    jpeg_scale: float = 1.0,
    random_state: RandomSource = None,
) -> list[tuple[Path, Path]]:
    """Make shots of a virtual camera as files: a Bayer DNG and the camera's own JPEG of each.

    The DNG holds the sensor's noisy mosaic with a border that is not part of the picture, the as-shot white
    balance, and the JPEG once more as its preview; both files carry EXIF, and shots held upright are stored lying,
    with the orientation marked. The camera renders what its own demosaicing makes of the mosaic, which is not what
    LibRaw makes of it. ``read_raw(dng)`` and ``read_srgb(jpeg)`` are a pair on one pixel grid.

    Parameters
    ----------
    folder : made if it is not there. Files of the same names in it are replaced.
    n_shots : number of shots; shot i does not depend on how many there are.
    image_size : pixels of the picture as it lies on the sensor, of a square or as (height, width).
    camera : "auto", "manual" (see `make_camera_pairs`), or a `VirtualCamera`.
    cfa : filters of the sensor, such as ``"BGGR"``; the camera's own if None.
    lens : radial distortion of the lens, which the camera takes out of its JPEG but not out of the raw: a corner of the
        JPEG is seen further out in the raw by this share of the half diagonal. The two are then no pair until they
        are registered. Negative for a barrel, which leaves no empty corners.
    jpeg_scale : size of the JPEG per size of the raw, at most 1.
    random_state : int, Generator, RandomState or None.

    Returns
    -------
    The paths of DNG and JPEG, by shot.

    Raises
    ------
    InputError
        If a parameter is not one of the above.
    FileError
        If a file cannot be written.
    """
    camera = _check_camera(camera) if cfa is None else replace(_check_camera(camera), cfa=cfa)
    size = _check_size(image_size)
    if not isinstance(n_shots, int | np.integer) or n_shots < 1:
        raise InputError(f"n_shots: expected an integer of 1 or more, got {n_shots!r}.")
    seed = int(as_generator(random_state).integers(2**32))
    if any(margin % 2 for margin in camera.crop[:2]):
        raise InputError(
            f"camera.crop: expected even margins at the top and on the left, as decoders keep whole cells of the "
            f"mosaic, got {camera.crop}."
        )
    if not (-0.2 <= lens <= 0.2 and 0.1 <= jpeg_scale <= 1):
        raise InputError(f"lens, jpeg_scale: expected -0.2 to 0.2 and 0.1 to 1, got {lens} and {jpeg_scale}.")
    target = _make_folder(Path(folder))
    return [_shoot(camera, size, (lens, jpeg_scale), seed, number, target) for number in range(n_shots)]


def _shoot(
    camera: VirtualCamera, size: tuple[int, int], finish: tuple[float, float], seed: int, number: int, folder: Path
) -> tuple[Path, Path]:
    scene_rng, shot_rng = (np.random.default_rng([seed, number, part]) for part in range(2))
    orientation = int(shot_rng.choice(camera.orientation))
    exposure = camera.expose(_through_lens(camera, size, orientation, scene_rng), shot_rng)
    mosaic = camera.add_noise(make_mosaic(exposure.pixels, camera.cfa), exposure.iso, shot_rng)
    srgb = _finish(camera.render(_develop(camera, size, mosaic, exposure.gains)), *finish)
    shot = Shot(None, _MAKE, camera.model, exposure.iso, exposure.exposure_time)
    stem = f"{camera.model.replace(' ', '')}_{number + 1:04d}"
    dng, jpeg = folder / f"{stem}.dng", folder / f"{stem}.jpg"
    _write_mosaic(dng, camera, size, mosaic, exposure, orientation, camera.jpeg(srgb))
    with atomic_path(jpeg) as temporary:
        temporary.write_bytes(camera.jpeg(srgb, exif=make_exif(shot, orientation)))
    return dng, jpeg


def _develop(camera: VirtualCamera, size: tuple[int, int], mosaic: FloatImage, gains: Sequence[float]) -> FloatImage:
    """The raw that the camera itself makes of a mosaic, without the border, as it lies on the sensor."""
    gain_of_site = make_mosaic(np.broadcast_to(np.array(gains, np.float32), (*mosaic.shape, 3)), camera.cfa)
    top, left = camera.crop[:2]
    return demosaic(np.minimum(mosaic * gain_of_site, 1), camera.cfa)[top : top + size[0], left : left + size[1]]


def _finish(srgb: FloatImage, lens: float, scale: float) -> FloatImage:
    """The rendering with the lens corrected and made smaller, in linear light."""
    if lens == 0 and scale == 1:
        return srgb
    shape = tuple(max(16, round(side * scale)) for side in srgb.shape[:2])
    middle = (np.array(srgb.shape[:2]) - 1) / 2
    rows, columns = np.indices(shape)
    at = [
        (index + 0.5) * side / new - 0.5 for index, side, new in zip((rows, columns), srgb.shape, shape, strict=False)
    ]
    ray = [line - centre for line, centre in zip(at, middle, strict=True)]
    stretch = 1 + lens * (ray[0] ** 2 + ray[1] ** 2) / (middle**2).sum()
    places = [centre + stretch * line for line, centre in zip(ray, middle, strict=True)]
    light = ndimage.gaussian_filter(srgb_to_linear(srgb), (*2 * [np.sqrt(max(0.0, scale**-2 - 1) / 12)], 0))
    moved = [ndimage.map_coordinates(light[..., channel], places, order=3, mode="mirror") for channel in range(3)]
    return np.asarray(linear_to_srgb(np.clip(np.stack(moved, axis=-1), 0, 1)), np.float32)


def _write_mosaic(
    path: Path,
    camera: VirtualCamera,
    size: tuple[int, int],
    mosaic: FloatImage,
    exposure: Exposure,
    orientation: int,
    preview: bytes,
) -> None:
    white = 2**camera.bits - 1
    codes = camera.black_level + mosaic * (white - camera.black_level)
    write_dng(
        path,
        np.rint(codes).astype(np.uint16),
        cfa=camera.cfa,
        black_level=camera.black_level,
        white_level=white,
        as_shot_neutral=[1 / gain for gain in exposure.gains],
        color_matrix=np.diag(camera.daylight) @ np.linalg.inv(camera.matrix) @ _SRGB_OF_XYZ,
        make=_MAKE,
        model=camera.model,
        iso=exposure.iso,
        exposure_time=exposure.exposure_time,
        orientation=orientation,
        crop=(camera.crop[1], camera.crop[0], size[1], size[0]),
        preview_jpeg=preview,
    )


def _through_lens(
    camera: VirtualCamera, size: tuple[int, int], orientation: int, rng: np.random.Generator
) -> FloatImage:
    """The radiance on the whole sensor, border included, of a scene that is upright in the finished picture."""
    top, left, bottom, right = camera.crop
    height, width = size[0] + top + bottom, size[1] + left + right
    flip = FLIP_OF_ORIENTATION[orientation]
    scene = make_scene((width, height) if flip & 4 else (height, width), rng)
    seen: FloatImage = ndimage.gaussian_filter(as_stored(scene, flip), (_OPTICS, _OPTICS, 0), mode="nearest")
    return seen


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: the folder cannot be made: {error.strerror}.") from error
    return folder
