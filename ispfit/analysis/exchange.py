"""Render an image with the scene of another one, or with a part of it (Nam & Kim 2017, section 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch

from ispfit.backbone import Network, Scene
from ispfit.errors import InputError
from ispfit.estimator import ISPModel
from ispfit.images import Image, ImageLike

__all__ = ["Parts", "exchange_scene", "mix_scenes", "scene_parts"]

Parts: TypeAlias = str | Sequence[str] | None
"""One or more names from `scene_parts`, or of their groups; None for the whole scene."""


def exchange_scene(
    model: ISPModel,
    image: ImageLike,
    scene_from: ImageLike,
    *,
    parts: Parts = None,
    share: float = 1.0,
    direction: str = "forward",
) -> Image:
    """Render an image as if its scene were that of another image.

    Parameters
    ----------
    model : ISPModel
        A fitted model whose backbone looks at the scene.
    image : float32 H x W x 3 in [0, 1], or path
        The image to render: a raw, or an srgb for the inverse direction.
    scene_from : float32 H x W x 3 in [0, 1], or path
        The image of the same kind whose scene is used. The two may differ in size.
    parts : str or list of str, optional
        The parts of the scene to exchange: names from `scene_parts`, such as ``"luminance/global"`` for figure 6 of the
        paper, or of their groups, such as ``"luminance"``. None exchanges the whole scene.
    share : float
        How far the scene is exchanged, from 0 (not at all) to 1; see `Scene.blend`.
    direction : {"forward", "inverse"}

    Returns
    -------
    Image, float32 H x W x 3 in [0, 1], with the shot of `image`.

    Raises
    ------
    InputError
        If the backbone has no scene or no such part, or an image is not as above.
    NotFittedError
        If the direction is not fitted.

    Examples
    --------
    >>> from ispfit import ISPModel
    >>> from ispfit.datasets import make_camera_pairs
    >>> X, Y = make_camera_pairs(3, image_size=48, random_state=0)
    >>> model = ISPModel(max_steps=2, random_state=0).fit(X, Y)
    >>> exchange_scene(model, X[0], scene_from=X[1], parts="luminance/global").shape
    (48, 48, 3)
    """
    own, other = (model.describe([each], direction)[0] for each in (image, scene_from))
    scenes = [mix_scenes(model, own, other, share, parts=parts, direction=direction)]
    render = model.transform if direction == "forward" else model.inverse_transform
    return render([image], scenes=scenes)[0]


def scene_parts(model: ISPModel, direction: str = "forward") -> list[str]:
    """Return the names of the parts of a model's scenes; none if only the whole scene can be exchanged.

    Raises
    ------
    InputError
        If the backbone has no scene.
    """
    return list(_network(model, direction).scene_parts())


def mix_scenes(
    model: ISPModel, scene: Scene, other: Scene, share: float, *, parts: Parts = None, direction: str = "forward"
) -> Scene:
    """Return a scene between two: `share` of the other in the named parts, and the first in the others.

    Parameters
    ----------
    model : ISPModel
    scene, other : Scene
        As ``model.describe`` returns them.
    share, parts, direction : as for `exchange_scene`.

    Raises
    ------
    InputError
        If the backbone has no scene, or no such part.
    """
    network = _network(model, direction)
    with torch.no_grad():
        if parts is None:
            return network.complete_scene(scene.blend(other, share))
        for name in _chosen(network, model.backbone_.name, [parts] if isinstance(parts, str) else parts):
            scene = scene.blend(other, share, network.scene_parts()[name])
        return network.complete_scene(scene)


def _network(model: ISPModel, direction: str) -> Network:
    """Return the network of a direction, or raise an `InputError` if it does not look at the scene."""
    model.check_direction(direction)
    network = model.networks_[direction]
    if not network.uses_scene:
        raise InputError(
            f"the backbone {model.backbone_.name} has no scene to exchange: it renders each pixel from its surround "
            "alone; fit one that looks at the scene, such as histpyramid or photofinish."
        )
    return network


def _chosen(network: Network, backbone: str, parts: Sequence[str]) -> list[str]:
    """Return the names of the network's parts that `parts` names, alone or as a group."""
    known = list(network.scene_parts())
    if not known:
        raise InputError(f"parts: the backbone {backbone} names no parts of its scene; leave out parts.")
    chosen = {part: [name for name in known if name == part or name.startswith(f"{part}/")] for part in parts}
    unknown = [part for part, found in chosen.items() if not found]
    if unknown or not chosen:
        got = ", ".join(map(repr, unknown)) or "none"
        raise InputError(f"parts: the scene of {backbone} has {', '.join(known)}; got {got}.")
    return [name for name in known if any(name in found for found in chosen.values())]
