"""A whole image through a network: cut windows with their halo, render them, stitch them together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ispfit.backbone import Network, Scene, Window
from ispfit.errors import BackboneError, InputError
from ispfit.images import FloatImage
from ispfit.runtime import Runtime, keep_freed_memory

__all__ = ["check_rendered", "check_rendered_samples", "cut_windows", "describe_image", "reflect", "render_image"]

_TILE = {"cpu": 192, "cuda": 1024}
_TILE_HALOS = 6
"""Side of a rendered tile in pixels, or in halos where that is more: maps stay in a processor's cache, halos cost
little (tiles of 384 take a CPU half as long again), a GPU is kept busy."""


def reflect(index: Tensor, size: int) -> Tensor:
    """Pixel indices of any reach mirrored into ``0 .. size - 1``, the edge pixel not repeated.

    Examples
    --------
    >>> import torch
    >>> reflect(torch.arange(-2, 6), 4).tolist()
    [2, 1, 0, 1, 2, 3, 2, 1]
    """
    if size == 1:
        return torch.zeros_like(index)
    folded = index.remainder(2 * size - 2)
    return torch.minimum(folded, 2 * size - 2 - folded)


def cut_windows(image: Tensor, top: Tensor, left: Tensor, height: int, width: int, halo: int = 0) -> Tensor:
    """Cut windows with their halo from one image in one indexed read; beyond its edge the image is reflected.

    Parameters
    ----------
    image : (H, W, 3).
    top, left : int64 (N,), corners of the windows without halo.
    height, width : size of the windows without halo.
    halo : pixels to add on each side.

    Returns
    -------
    (N, 3, height + 2 * halo, width + 2 * halo), the memory laid out with channels last.
    """
    rows = reflect(top[:, None] + torch.arange(-halo, height + halo, device=top.device), image.shape[0])
    columns = reflect(left[:, None] + torch.arange(-halo, width + halo, device=left.device), image.shape[1])
    return image[rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def describe_image(network: Network, image: FloatImage, runtime: Runtime) -> Scene:
    """Φ of one image H x W x 3, on the runtime's device."""
    return _describe(network, _to_tensor(image, runtime), runtime)


def render_image(
    network: Network,
    image: FloatImage,
    runtime: Runtime,
    *,
    scene: Scene | None = None,
    tile: int | None = None,
    out: FloatImage | None = None,
) -> FloatImage:
    """Render an image of any size, tile by tile, in bounded memory; the tiles leave no seam.

    Parameters
    ----------
    network : on the runtime's device, in evaluation mode.
    image : float32 H x W x 3 in [0, 1].
    runtime : where and how to compute.
    scene : Φ to render with; that of `image` where None. Another image's makes a scene exchange (paper, 5.3).
    tile : side of a tile in pixels, rounded up to the network's stride; None: what is fast on the device.
    out : where to write the result, float32 H x W x 3, not the image's own memory; None: a new array. From and to
        page-locked memory (an array on a tensor's that is pinned) a GPU copies at full speed.

    Returns
    -------
    float32 H x W x 3, clipped to [0, 1].
    """
    keep_freed_memory()
    if out is not None and (out.shape != image.shape or out.dtype != np.float32 or np.may_share_memory(out, image)):
        raise InputError(f"out: expected float32 {image.shape} of its own memory, got {out.dtype} {out.shape}.")
    pixels = _to_tensor(image, runtime)
    if scene is None:
        scene = _describe(network, pixels, runtime)
    if tile is None:
        tile = max(_TILE.get(runtime.device.type, _TILE["cpu"]), _TILE_HALOS * network.halo)
    result = np.empty(image.shape, np.float32) if out is None else out
    on_cpu = runtime.device.type == "cpu"
    output = torch.from_numpy(result) if on_cpu else pixels.new_empty(image.shape)
    with torch.inference_mode(), runtime.autocast():
        for top, left, window in _tiles(image.shape[0], image.shape[1], tile, network.stride, runtime):
            cut = cut_windows(pixels, window.top, window.left, window.height, window.width, network.halo)
            rendered = network.render(cut, scene, window)
            check_rendered(network, rendered, window)
            target = output[top : top + window.height, left : left + window.width]
            inside = rendered[0, :, : target.shape[0], : target.shape[1]]
            target.copy_(inside.permute(1, 2, 0)).clamp_(0, 1)
    if not on_cpu:
        torch.from_numpy(result).copy_(output)
    return result


def _describe(network: Network, pixels: Tensor, runtime: Runtime) -> Scene:
    with torch.inference_mode(), runtime.autocast():
        return network.describe(pixels.permute(2, 0, 1)[None])


def check_rendered_samples(network: Network, rendered: Tensor, at: Tensor) -> None:
    """Raise a `BackboneError` if `render_samples` did not return what the contract says."""
    expected = (len(at), 3, at.shape[1])
    if _shape(rendered) != expected:
        raise BackboneError(
            f"{type(network).__name__}.render_samples returned {_told(rendered)}, expected shape {expected}: "
            "three channels of each pixel that it was asked for."
        )


def check_rendered(network: Network, rendered: Tensor, window: Window) -> None:
    """Raise a `BackboneError` if `render` did not return what the contract says."""
    expected = (len(window.top), 3, window.height, window.width)
    if _shape(rendered) != expected:
        raise BackboneError(
            f"{type(network).__name__}.render returned {_told(rendered)}, expected {expected}: "
            f"use valid convolutions that consume exactly halo = {network.halo} pixels on each side."
        )


def _shape(rendered: object) -> tuple[int, ...] | None:
    return tuple(rendered.shape) if isinstance(rendered, Tensor) else None


def _told(rendered: object) -> str:
    return type(rendered).__name__ if _shape(rendered) is None else f"shape {_shape(rendered)}"


def _to_tensor(image: FloatImage, runtime: Runtime) -> Tensor:
    pixels = np.ascontiguousarray(np.asarray(image, np.float32))
    tensor = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())
    return tensor.to(runtime.device, non_blocking=runtime.device.type == "cuda")


def _tiles(height: int, width: int, tile: int, stride: int, runtime: Runtime) -> Iterator[tuple[int, int, Window]]:
    """Windows that cover the image, row by row, and their corners; the last ones are rounded up to the stride."""
    step = max(1, -(-tile // stride)) * stride
    size = [torch.full((1,), extent, device=runtime.device) for extent in (height, width)]
    for top in range(0, height, step):
        for left in range(0, width, step):
            h, w = (min(step, -(-(extent - at) // stride) * stride) for extent, at in ((height, top), (width, left)))
            corner = [torch.full((1,), at, device=runtime.device) for at in (top, left)]
            yield top, left, Window(corner[0], corner[1], h, w, size[0], size[1])
