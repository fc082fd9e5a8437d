"""Pairs of raw and srgb from procedural scenes and a virtual camera."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ispfit.errors import InputError
from ispfit.images import Image, Shot
from ispfit.synthetic.camera import CAMERAS, VirtualCamera, decode_jpeg, white_balance
from ispfit.synthetic.radiance import RandomSource, as_generator, make_scene

__all__ = ["make_camera_pairs"]

_PHOTOSITES = 16  # behind each pixel: a pair is a picture made smaller
_SMALLEST = 16


def make_camera_pairs(
    n_samples: int = 100,
    image_size: int | tuple[int, int] = 256,
    camera: str | VirtualCamera = "auto",
    *,
    random_state: RandomSource = None,
) -> tuple[list[Image], list[Image]]:
    """Make pairs of raw and srgb: procedural scenes, photographed by a virtual camera.

    Parameters
    ----------
    n_samples : number of shots; shot i does not depend on how many there are.
    image_size : pixels, of a square or as (height, width).
    camera : "auto" renders each scene as its auto mode decides; "manual" is the same camera with the auto mode
        off, its raw are the same and every pixel is mapped by one fixed function; or a `VirtualCamera`.
    random_state : int, Generator, RandomState or None.

    Returns
    -------
    X : list of Image (height, width, 3), float32 in [0, 1]: raw, linear white-balanced camera RGB, 1 = saturation.
    Y : list of Image (height, width, 3), float32: the camera's srgb, 8-bit JPEG codes / 255.

    Raises
    ------
    InputError
        If a parameter is not one of the above.

    Examples
    --------
    >>> X, Y = make_camera_pairs(n_samples=2, image_size=(32, 48), random_state=0)
    >>> X[0].shape, Y[0].shot.camera
    ((32, 48, 3), 'ispfit Virtual A')
    """
    camera = _check_camera(camera)
    size = _check_size(image_size)
    if not isinstance(n_samples, int | np.integer) or n_samples < 1:
        raise InputError(f"n_samples: expected an integer of 1 or more, got {n_samples!r}.")
    seed = int(as_generator(random_state).integers(2**32))
    pairs = [_shoot(camera, size, seed, number) for number in range(n_samples)]
    return [raw for raw, _ in pairs], [srgb for _, srgb in pairs]


def _shoot(camera: VirtualCamera, size: tuple[int, int], seed: int, number: int) -> tuple[Image, Image]:
    scene_rng, shot_rng = (np.random.default_rng([seed, number, part]) for part in range(2))
    exposure = camera.expose(make_scene(size, scene_rng), shot_rng)
    raw = white_balance(camera.add_noise(exposure.pixels, exposure.iso, shot_rng, averaged=_PHOTOSITES), exposure.gains)
    name = f"shot{number:04d}"
    shot = Shot(
        name, "ispfit", camera.model, exposure.iso, exposure.exposure_time, exposure.gains, f"{seed}-{number:04d}"
    )
    return Image(raw, shot), Image(decode_jpeg(camera.jpeg(camera.render(raw))), shot)


def _check_camera(camera: str | VirtualCamera) -> VirtualCamera:
    default = CAMERAS["Virtual A"]
    if isinstance(camera, VirtualCamera):
        return camera
    if camera == "auto":
        return default
    if camera == "manual":
        return default.manual()
    if camera in CAMERAS:
        return CAMERAS[camera]
    names = ", ".join(f'"{name}"' for name in ("auto", "manual", *CAMERAS))
    raise InputError(f"camera: expected {names} or a VirtualCamera, got {camera!r}.")


def _check_size(size: int | tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, Sequence) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int | np.integer) and side >= _SMALLEST for side in sides):
        raise InputError(
            f"image_size: expected an integer of {_SMALLEST} pixels or more, or a pair (height, width) of such, "
            f"got {size!r}."
        )
    return int(sides[0]), int(sides[1])
