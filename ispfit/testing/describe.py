"""Checks of `Network.describe`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from ispfit.backbone import Network, Scene, ScenePart
from ispfit.testing.memory import peak_bytes
from ispfit.testing.subject import TOLERANCE, Subject, describe, difference

__all__ = ["check_memory", "check_parts", "check_rows", "check_scene"]

_SHORT_PX, _TALL_PX, _WIDTH_PX = 256, 2048, 256  # heights of two images, and the width of both
_ALLOWANCE_BYTES = 2**20  # the taller image has 6 MiB


def check_scene(subject: Subject) -> Iterator[str]:
    """describe returns a Scene with leading axis N whose size does not grow with the image."""
    network = subject.network()
    images = torch.stack([subject.image(seed).permute(2, 0, 1) for seed in (0, 1)])
    scene: Any = network.describe(images)
    if not isinstance(scene, Scene):
        yield f"describe returned a {type(scene).__name__}, expected ispfit.Scene(name=tensor, ...)."
        return
    for name, tensor in scene.items():
        if tensor.ndim == 0 or len(tensor) != len(images):
            yield (
                f"describe returned {name} of shape {tuple(tensor.shape)} for {len(images)} images; its leading axis "
                "must count the images."
            )
    yield from _check_size(network, subject)


def _check_size(network: Network, subject: Subject) -> Iterator[str]:
    unit = subject.unit
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in describe(network, subject.image(0, *size)).items()}
        for size in ((2 * unit, 3 * unit), (5 * unit + 1, 4 * unit - 1), (3, 2))
    ]
    for name in shapes[0]:
        sizes = [shape.get(name) for shape in shapes]
        if len(set(sizes)) > 1:
            yield (
                f"the size of the scene's {name} depends on the image's ({sizes[0]}, {sizes[1]}); reduce it in "
                "describe to a fixed size: the image may have 45 megapixels."
            )


def check_memory(subject: Subject) -> Iterator[str]:
    """the memory that describe needs does not grow with the image."""
    network = subject.network()
    short, tall = (
        peak_bytes(partial(describe, network, subject.image(0, height, _WIDTH_PX))) for height in (_SHORT_PX, _TALL_PX)
    )
    if tall > 2 * short + _ALLOWANCE_BYTES:
        yield (
            f"describe needs {tall / 2**20:.1f} MiB for an image of {_TALL_PX} x {_WIDTH_PX} pixels and "
            f"{short / 2**20:.1f} MiB for one of {_SHORT_PX} x {_WIDTH_PX}; reduce the image first "
            "(adaptive_avg_pool2d) or process it in strips: it may have 45 megapixels."
        )


def check_rows(subject: Subject) -> Iterator[str]:
    """the scene of an image does not depend on the other images of the batch."""
    network = subject.network()
    images = [subject.image(seed) for seed in (0, 1)]
    together = network.describe(torch.stack([image.permute(2, 0, 1) for image in images]))
    for row, image in enumerate(images):
        alone = describe(network, image)
        for name, tensor in together.items():
            if difference(tensor[row].float(), alone[name][0].float()).amax() > 10 * TOLERANCE:
                yield (
                    f"the scene's {name} depends on the other images of the batch; use no batch statistics in describe."
                )
                return


def check_parts(subject: Subject) -> Iterator[str]:
    """scene_parts names values of the scene, and complete_scene changes none that was not exchanged."""
    network = subject.network()
    one, other = (describe(network, subject.image(seed)) for seed in (0, 1))
    for name, part in network.scene_parts().items():
        if problem := _part_problem(one, other, name, part):
            yield problem
            return
    with torch.no_grad():
        completed = network.complete_scene(one)
    for name, tensor in one.items():
        if name not in completed or difference(tensor.float(), completed[name].float()).amax() > TOLERANCE:
            yield f"complete_scene changes {name} of a scene that is complete; compute it as describe does."


def _part_problem(one: Scene, other: Scene, name: str, part: ScenePart) -> str | None:
    for tensor, columns in part.items():
        if tensor not in one:
            return f"scene_parts: {name} names the tensor {tensor}, which is not in the scene ({', '.join(one)})."
        try:
            found = one[tensor][:, columns]
        except (IndexError, TypeError) as error:
            return f"scene_parts: {name} does not fit {tensor} of shape {tuple(one[tensor].shape)}: {error}."
        if found.numel() == 0 or not one[tensor].is_floating_point():
            return (
                f"scene_parts: {name} names no floating-point values of {tensor}, of shape {tuple(one[tensor].shape)}."
            )
    one.blend(other, 0.5, part)
    return None
