"""Check the scenes that a user passes to `ISPModel.transform`, and move them between devices."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ispfit.backbone import Network, Scene
from ispfit.errors import InputError
from ispfit.rendering import describe_image
from ispfit.runtime import Runtime

__all__ = ["check_scenes", "scene_on"]

_PROBE = np.full((16, 16, 3), 0.5, np.float32)  # the shapes of a scene do not depend on the image


def scene_on(device: torch.device, scene: Scene) -> Scene:
    """Return a copy of a scene on a device, in memory of its own."""
    return Scene(**{name: tensor.to(device, copy=True) for name, tensor in scene.items()})


def check_scenes(scenes: Any, n_images: int, network: Network, runtime: Runtime) -> list[Scene]:
    """Return the scenes as a list, or raise an `InputError`.

    Parameters
    ----------
    scenes : sequence of scenes of one image each.
    n_images : number of images that are to be rendered.
    network : on the runtime's device; the tensors of each scene must have the names and shapes of its scenes.
    runtime : where and how to compute.
    """
    if isinstance(scenes, Scene) or not (hasattr(scenes, "__len__") and hasattr(scenes, "__getitem__")):
        hint = "; for one image pass [scene]" if isinstance(scenes, Scene) else ""
        raise InputError(f"scenes: expected a sequence of Scene objects, got {type(scenes).__name__}{hint}.")
    if len(scenes) != n_images:
        raise InputError(f"scenes: expected one Scene for each of {n_images} images, got {len(scenes)}.")
    expected = _shapes(describe_image(network, _PROBE, runtime))
    for index, scene in enumerate(scenes):
        _check_scene(scene, expected, f"scenes[{index}]")
    return list(scenes)


def _check_scene(scene: Any, expected: dict[str, tuple[int, ...]], where: str) -> None:
    if not isinstance(scene, Scene):
        raise InputError(f"{where}: expected a Scene, as ISPModel.describe returns it, got {type(scene).__name__}.")
    for name, tensor in scene.items():
        if not isinstance(tensor, Tensor):
            raise InputError(f"{where}: expected {name} to be a torch.Tensor, got {type(tensor).__name__}.")
    shapes = _shapes(scene)
    if shapes.keys() != expected.keys():
        raise InputError(f"{where}: expected {_names(expected)}, got {_names(shapes)}; {_REMEDY}.")
    for name, shape in shapes.items():
        if len(shape) == len(expected[name]) and shape[1:] == expected[name][1:] and shape[0] != 1:
            raise InputError(
                f"{where}: expected the scene of one image, got {name} of {shape[0]} images; "
                "take one of them by scene.select(torch.tensor([0]))."
            )
        if shape != expected[name]:
            raise InputError(f"{where}: expected {name} of shape {expected[name]}, got {shape}; {_REMEDY}.")


_REMEDY = "it comes from another backbone or direction; describe the image with this model and this direction"


def _shapes(scene: Scene) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in scene.items()}


def _names(shapes: dict[str, tuple[int, ...]]) -> str:
    return f"the tensors {', '.join(sorted(shapes))}" if shapes else "no tensors (the network does not use the scene)"
