"""Checks of the parameters that `make_camera_pairs` and `make_camera_roll` share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ispfit.errors import InputError
from ispfit.synthetic.camera import VirtualCamera
from ispfit.synthetic.camera_files import CAMERAS, dataset_name, read_camera

__all__ = ["check_camera", "check_image_size", "check_n_samples"]

_MIN_SIDE_PX = 16


def check_camera(camera: str | VirtualCamera) -> VirtualCamera:
    """Return the camera of that name or file, or raise an `InputError` that lists the names.

    The name of its dataset, "virtual-a", is one as well.
    """
    default = CAMERAS["Virtual A"]
    if isinstance(camera, VirtualCamera):
        return camera
    if camera == "auto":
        return default
    if camera == "manual":
        return default.manual()
    named = CAMERAS | {dataset_name(name): each for name, each in CAMERAS.items()}
    if camera in named:
        return named[camera]
    if str(camera).endswith(".toml"):
        return read_camera(camera)
    names = ", ".join(f'"{name}"' for name in ("auto", "manual", *CAMERAS))
    raise InputError(f"camera: expected {names}, a VirtualCamera or the .toml file of one, got {camera!r}.")


def check_image_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Return `image_size` as (height, width), or raise an `InputError`."""
    sides = image_size if isinstance(image_size, Sequence) else (image_size, image_size)
    if len(sides) != 2 or not all(isinstance(side, int | np.integer) and side >= _MIN_SIDE_PX for side in sides):
        raise InputError(
            f"image_size: expected an integer of {_MIN_SIDE_PX} pixels or more, or a pair (height, width) of such, "
            f"got {image_size!r}."
        )
    return int(sides[0]), int(sides[1])


def check_n_samples(n_samples: int) -> int:
    """Return `n_samples`, or raise an `InputError` if it is not an integer of 1 or more."""
    if not isinstance(n_samples, int | np.integer) or n_samples < 1:
        raise InputError(f"n_samples: expected an integer of 1 or more, got {n_samples!r}.")
    return int(n_samples)
