"""A camera roll: the DNG and JPEG files that a virtual camera set to RAW+JPEG writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.errors import InputError
from ispfit.files import atomic_path, make_folder
from ispfit.images import FloatImage, Shot
from ispfit.io.dng import make_mosaic, write_dng
from ispfit.io.exif_writer import make_exif
from ispfit.io.orientation import FLIP_OF_ORIENTATION, as_stored
from ispfit.synthetic.arguments import check_camera, check_image_size, check_n_samples
from ispfit.synthetic.camera import Exposure, VirtualCamera
from ispfit.synthetic.demosaic import demosaic
from ispfit.synthetic.radiance import RandomSource, as_generator, make_scene

__all__ = ["make_camera_roll"]

_MAKE = "ispfit"
_BLUR_PX = 0.5  # standard deviation of the blur of lens and anti-aliasing filter
_MIN_JPEG_SIDE_PX = 16


def make_camera_roll(
    folder: str | os.PathLike[str],
    n_samples: int = 24,
    *,
    image_size: int | tuple[int, int] = (384, 576),
    camera: str | VirtualCamera = "auto",
    cfa: str | None = None,
    lens: float = 0.0,
    jpeg_scale: float = 1.0,
    random_state: RandomSource = None,
) -> list[tuple[Path, Path]]:
    """Write the shots of a virtual camera as files: a Bayer DNG and the camera's own JPEG of each.

    The DNG holds the noisy mosaic of the sensor, with a border that is not part of the picture, the as-shot white
    balance, and the JPEG as its preview. Both files carry EXIF. Shots held upright are stored lying, with the
    orientation in EXIF. The camera demosaics by another method than LibRaw. Unless `lens` is set,
    ``read_raw(dng)`` and ``read_srgb(jpeg)`` are a pair on one pixel grid.

    Parameters
    ----------
    folder : made if it does not exist. Files of the same names in it are replaced.
    n_samples : number of shots; shot i does not depend on how many there are.
    image_size : (height, width) in pixels of the picture as it lies on the sensor, one number for a square.
    camera : as for `make_camera_pairs`.
    cfa : colour filters of the sensor, such as ``"BGGR"``; None keeps the camera's own.
    lens : radial distortion of the lens, which the camera corrects in its JPEG but not in the raw: a corner of the JPEG
        is further out in the raw by this share of the half diagonal. The two must then be registered to be a pair.
        -0.2 to 0.2; negative values leave no empty corners.
    jpeg_scale : size of the JPEG relative to the raw, 0.1 to 1.
    random_state : int, Generator, RandomState or None.

    Returns
    -------
    List of (DNG path, JPEG path), one entry a shot.

    Raises
    ------
    InputError
        If a parameter is not as above.
    FileError
        If a file cannot be written.
    """
    camera, image_size, n_samples = check_camera(camera), check_image_size(image_size), check_n_samples(n_samples)
    camera = camera if cfa is None else replace(camera, cfa=cfa)
    seed = int(as_generator(random_state).integers(2**32))
    if any(margin % 2 for margin in camera.crop[:2]):
        raise InputError(
            f"camera.crop: expected even margins at the top and on the left, because decoders keep whole cells of the "
            f"mosaic, got {camera.crop}."
        )
    if not (-0.2 <= lens <= 0.2 and 0.1 <= jpeg_scale <= 1):
        raise InputError(f"lens, jpeg_scale: expected -0.2 to 0.2 and 0.1 to 1, got {lens} and {jpeg_scale}.")
    target = make_folder(Path(folder))
    return [_shoot(camera, image_size, (lens, jpeg_scale), seed, number, target) for number in range(n_samples)]


def _shoot(
    camera: VirtualCamera,
    image_size: tuple[int, int],
    lens_and_scale: tuple[float, float],
    seed: int,
    number: int,
    folder: Path,
) -> tuple[Path, Path]:
    scene_rng = np.random.default_rng([seed, number, 0])
    shot_rng = np.random.default_rng([seed, number, 1])
    orientation = int(shot_rng.choice(camera.orientation))
    exposure = camera.expose(_sensor_radiance(camera, image_size, orientation, scene_rng), shot_rng)
    mosaic = camera.add_noise(make_mosaic(exposure.pixels, camera.cfa), exposure.iso, shot_rng)
    raw = _demosaic_in_camera(camera, image_size, mosaic, exposure.gains)
    srgb = _correct_lens(camera.render(raw), *lens_and_scale)
    shot = Shot(None, _MAKE, camera.model, exposure.iso, exposure.exposure_time)
    stem = f"{camera.model.replace(' ', '')}_{number + 1:04d}"
    size = srgb.shape[0], srgb.shape[1]
    dng, jpeg = folder / f"{stem}.dng", folder / f"{stem}.jpg"
    _write_mosaic(dng, camera, image_size, mosaic, exposure, orientation, camera.jpeg(srgb))
    with atomic_path(jpeg) as temporary:
        temporary.write_bytes(camera.jpeg(srgb, exif=make_exif(shot, orientation, size=size)))
    return dng, jpeg


def _demosaic_in_camera(
    camera: VirtualCamera, image_size: tuple[int, int], mosaic: FloatImage, gains: Sequence[float]
) -> FloatImage:
    """The white-balanced raw that the camera renders, without the border, as it lies on the sensor."""
    gain_of_site = make_mosaic(np.broadcast_to(np.array(gains, np.float32), (*mosaic.shape, 3)), camera.cfa)
    whole = demosaic(np.minimum(mosaic * gain_of_site, 1), camera.cfa)
    (top, left), (height, width) = camera.crop[:2], image_size
    return whole[top : top + height, left : left + width]


def _correct_lens(srgb: FloatImage, lens: float, scale: float) -> FloatImage:
    """The rendering with the distortion corrected and the size multiplied by `scale`, both in linear light."""
    if lens == 0 and scale == 1:
        return srgb
    height, width = (max(_MIN_JPEG_SIDE_PX, round(side * scale)) for side in srgb.shape[:2])
    middle = (np.array(srgb.shape[:2]) - 1) / 2
    rows, columns = np.indices((height, width))
    y = (rows + 0.5) * srgb.shape[0] / height - 0.5 - middle[0]
    x = (columns + 0.5) * srgb.shape[1] / width - 0.5 - middle[1]
    stretch = 1 + lens * (y**2 + x**2) / (middle**2).sum()
    seen = [middle[0] + stretch * y, middle[1] + stretch * x]
    blur = np.sqrt(max(0.0, scale**-2 - 1) / 12)  # to the variance of a pixel of the JPEG
    light = ndimage.gaussian_filter(srgb_to_linear(srgb), (blur, blur, 0))
    moved = [ndimage.map_coordinates(light[..., channel], seen, order=3, mode="mirror") for channel in range(3)]
    return np.asarray(linear_to_srgb(np.clip(np.stack(moved, axis=-1), 0, 1)), np.float32)


def _write_mosaic(
    path: Path,
    camera: VirtualCamera,
    image_size: tuple[int, int],
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
        color_matrix=camera.color_matrix(),
        make=_MAKE,
        model=camera.model,
        iso=exposure.iso,
        exposure_time=exposure.exposure_time,
        orientation=orientation,
        crop=(camera.crop[1], camera.crop[0], image_size[1], image_size[0]),
        preview_jpeg=preview,
    )


def _sensor_radiance(
    camera: VirtualCamera, image_size: tuple[int, int], orientation: int, rng: np.random.Generator
) -> FloatImage:
    """The radiance on the whole sensor, border included, of a scene that is upright in the finished picture."""
    top, left, bottom, right = camera.crop
    height, width = image_size[0] + top + bottom, image_size[1] + left + right
    flip = FLIP_OF_ORIENTATION[orientation]
    scene = make_scene((width, height) if flip & 4 else (height, width), rng)
    seen: FloatImage = ndimage.gaussian_filter(as_stored(scene, flip), (_BLUR_PX, _BLUR_PX, 0), mode="nearest")
    return seen
