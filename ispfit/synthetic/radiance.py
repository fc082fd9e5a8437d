"""Procedural scenes with the statistics of natural images: occluding surfaces, and the light that falls on them.

Convention: coordinates are in units of the longer side of the frame, origin at its centre, x to the right, y down.
Radiance is linear BT.2020 RGB, 1 = a white surface in full sun. Nothing depends on the number of pixels: the scene of a
seed looks the same at every size.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ispfit.errors import InputError
from ispfit.images import FloatImage
from ispfit.synthetic.lighting import SETTINGS, Lighting, Setting, illuminant
from ispfit.synthetic.surfaces import Field, Frame, Surfaces, noise

__all__ = ["SETTINGS", "RandomSource", "Setting", "as_generator", "illuminant", "make_scene"]

RandomSource: TypeAlias = "int | np.random.Generator | np.random.RandomState | None"

_OVERSAMPLING = 2  # outlines are drawn on a grid finer by this factor and averaged, so that edges have no steps
_BLUR_SIZE = 0.03  # of what is out of focus, in units of the longer side


def as_generator(random_state: RandomSource) -> np.random.Generator:
    """Return a NumPy Generator from anything that scikit-learn takes as a random_state, or from a Generator.

    Raises
    ------
    InputError
        If `random_state` is something else.
    """
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31 - 1, size=4))
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise InputError(
            "random_state: expected an integer of 0 or more, a numpy Generator or RandomState, or None, "
            f"got {random_state!r}."
        ) from error


def make_scene(
    image_size: int | tuple[int, int], random_state: RandomSource = None, *, setting: Setting | None = None
) -> FloatImage:
    """Return the radiance of one scene, as it would fall on the sensor of any camera.

    Parameters
    ----------
    image_size : (height, width) in pixels, one number for a square.
    random_state : int, Generator, RandomState or None; the same state gives the same scene at any size.
    setting : the kind of place; None draws one of `SETTINGS`.

    Returns
    -------
    float32 (height, width, 3), linear BT.2020, positive, 1 = white in full sun; lights and highlights are brighter.
    """
    rng = as_generator(random_state)
    drawn = SETTINGS[rng.integers(len(SETTINGS))]
    lighting, surfaces = Lighting.draw(rng, setting or drawn), Surfaces.draw(rng)
    frame = Frame(image_size, image_size) if isinstance(image_size, int) else Frame(*image_size)
    fine = Frame(frame.height * _OVERSAMPLING, frame.width * _OVERSAMPLING)
    index = surfaces.paint(fine, _clutter(rng, surfaces, lighting))
    rough, broad = noise(frame, rng, range(3, 12)), noise(frame, rng, range(1, 8), 0.6)
    grain = noise(frame, rng, range(7, 12))
    radiance = _light_up(surfaces, index, lighting, frame, (rough, grain, broad))
    beyond = _average(lighting.opening.contains(fine.x, fine.y) & (index == 0))[..., None]
    radiance += beyond * (lighting.beyond(frame, broad + np.float32(0.3) * rough) - radiance)
    if lighting.focus < 1:
        radiance = _defocus(radiance, _average(index > (1 - lighting.focus) * len(surfaces))[..., None])
    lighting.add_lamps(radiance, frame)
    return np.maximum(radiance, np.float32(1e-4)) * lighting.level


def _clutter(rng: np.random.Generator, surfaces: Surfaces, lighting: Lighting) -> npt.NDArray[np.bool_]:
    """Mask of the surfaces to paint: few of those in the sky or a window, all of the nearest."""
    free = ~lighting.opening.contains(*surfaces.centre.T) | (rng.random(len(surfaces)) < 0.05)
    free[-surfaces.subject :] = True
    return free


def _light_up(
    surfaces: Surfaces, index: npt.NDArray[np.int32], lighting: Lighting, frame: Frame, fields: tuple[Field, ...]
) -> FloatImage:
    """Radiance of the surfaces: reflectance times light, highlights, and the air in front of them."""
    rough, grain, broad = fields
    colour = _average(surfaces.colour[index])
    index = index[::_OVERSAMPLING, ::_OVERSAMPLING]
    place = surfaces.local(index, frame)
    directed = lighting.directed(frame, broad) * surfaces.shading(index, place)[..., None]
    reflectance = np.minimum(colour * surfaces.texture(index, place, rough, grain)[..., None], np.float32(0.98))
    radiance = reflectance * (directed + lighting.diffuse(frame))
    radiance += surfaces.highlight(index, place)[..., None] * directed
    return lighting.through_air(radiance, np.asarray(1 - index / len(surfaces), np.float32))


def _defocus(radiance: FloatImage, sharp: FloatImage) -> FloatImage:
    """Blur the surfaces that are not sharp; sharp ones do not bleed into them."""
    size = (max(1, round(_BLUR_SIZE * max(radiance.shape))),) * 2 + (1,)
    blurred, weight = radiance * (1 - sharp), 1 - sharp
    for _ in range(2):
        blurred, weight = (ndimage.uniform_filter(plane, size, mode="nearest") for plane in (blurred, weight))
    filled = (1 - sharp) * blurred / np.maximum(weight, np.float32(1e-3))
    return np.asarray(sharp * radiance + filled, np.float32)


def _average(fine: npt.NDArray[Any]) -> FloatImage:
    """Means of the blocks of an oversampled picture."""
    parts = (fine[i::_OVERSAMPLING, j::_OVERSAMPLING] for i in range(_OVERSAMPLING) for j in range(_OVERSAMPLING))
    return np.asarray(sum(part.astype(np.float32) for part in parts) / np.float32(_OVERSAMPLING**2), np.float32)
