"""Pairs of raw and srgb from procedural scenes and a virtual camera."""

from __future__ import annotations

import numpy as np

from ispfit.images import Image, Shot
from ispfit.synthetic.arguments import check_camera, check_image_size, check_n_samples
from ispfit.synthetic.camera import VirtualCamera, decode_jpeg, white_balance
from ispfit.synthetic.radiance import RandomSource, as_generator, make_scene

__all__ = ["make_camera_pairs"]

_PHOTOSITES_PER_PIXEL = 16  # their noise is averaged: a pair is a picture of a large sensor made smaller


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
    image_size : (height, width) in pixels, one number for a square.
    camera : a `VirtualCamera`, the name of one of `ispfit.datasets.CAMERAS`, or the ``.toml`` file of one (see
        `ispfit.datasets.read_camera`). "auto" is the first of `CAMERAS`, whose auto mode renders each scene
        differently. "manual" is the same camera with the auto mode off: the raws are the same, and one fixed
        function maps every pixel.
    random_state : int, Generator, RandomState or None.

    Returns
    -------
    X : list of Image (height, width, 3), float32 in [0, 1]: raws, linear white-balanced camera RGB, 1 = saturation.
    Y : list of Image (height, width, 3), float32 in [0, 1]: the camera's srgbs, 8-bit JPEG codes / 255.

    Raises
    ------
    InputError
        If a parameter is not as above.

    Examples
    --------
    >>> X, Y = make_camera_pairs(n_samples=2, image_size=(32, 48), random_state=0)
    >>> X[0].shape, Y[0].shot.camera
    ((32, 48, 3), 'ispfit Virtual A')
    """
    camera, image_size, n_samples = check_camera(camera), check_image_size(image_size), check_n_samples(n_samples)
    seed = int(as_generator(random_state).integers(2**32))
    pairs = [_shoot(camera, image_size, seed, number) for number in range(n_samples)]
    return [raw for raw, _ in pairs], [srgb for _, srgb in pairs]


def _shoot(camera: VirtualCamera, image_size: tuple[int, int], seed: int, number: int) -> tuple[Image, Image]:
    scene_rng = np.random.default_rng([seed, number, 0])
    shot_rng = np.random.default_rng([seed, number, 1])
    exposure = camera.expose(make_scene(image_size, scene_rng), shot_rng)
    noisy = camera.add_noise(exposure.pixels, exposure.iso, shot_rng, averaged=_PHOTOSITES_PER_PIXEL)
    raw = white_balance(noisy, exposure.gains)
    name = f"shot{number:04d}"
    shot = Shot(
        name, "ispfit", camera.model, exposure.iso, exposure.exposure_time, exposure.gains, f"{seed}-{number:04d}"
    )
    return Image(raw, shot), Image(decode_jpeg(camera.jpeg(camera.render(raw))), shot)
