"""Render whole images: cut windows with their halo, render them, stitch them together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ispfit.backbone import Network, Scene, Window
from ispfit.errors import BackboneError, InputError
from ispfit.images import FloatImage
from ispfit.runtime import Runtime, keep_freed_memory

__all__ = [
    "check_rendered",
    "check_rendered_samples",
    "check_scene",
    "cut_windows",
    "describe_image",
    "exposure_std",
    "reflect",
    "render_image",
    "render_std",
    "round_up",
]

_TILE_SIDE_PX = {"cpu": 192, "cuda": 1024}  # small enough for a CPU's cache: 384 takes a CPU half as long again
_MIN_TILE_SIDE_HALOS = 6  # else most of the pixels computed are halo


def reflect(index: Tensor, size: int) -> Tensor:
    """Mirror pixel indices of any value into ``0 .. size - 1`` without repeating the edge pixel.

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
    """Cut windows with their halo from one image; beyond its edge the image is reflected.

    All windows are gathered in one indexed read. Slices would cost autograd a gradient of the whole image each.

    Parameters
    ----------
    image : (H, W, 3).
    top, left : int64 (N,), upper left corners of the windows without halo.
    height, width : size of the windows without halo.
    halo : pixels to add on each side.

    Returns
    -------
    (N, 3, height + 2 * halo, width + 2 * halo), in channels-last memory format.
    """
    rows = reflect(top[:, None] + torch.arange(-halo, height + halo, device=top.device), image.shape[0])
    columns = reflect(left[:, None] + torch.arange(-halo, width + halo, device=left.device), image.shape[1])
    return image[rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def describe_image(network: Network, image: FloatImage, runtime: Runtime) -> Scene:
    """Return Φ of one image H x W x 3, on the runtime's device; see `scene` of `render_image`."""
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
    """Render an image of any size tile by tile, in bounded memory and without seams.

    Parameters
    ----------
    network : on the runtime's device, in evaluation mode.
    image : float32 H x W x 3 in [0, 1].
    runtime : where and how to compute.
    scene : Φ to render with, by default that of `image`. Rendering with the scene of another image is the scene
        exchange of Nam & Kim 2017, 5.3.
    tile : side of a tile in pixels, rounded up to the network's stride; by default one that is fast on the device.
        The result does not depend on it, which tests show with small tiles.
    out : float32 H x W x 3 array that receives the result, by default a new one; it must not share memory with
        `image`. A GPU copies fastest if `image` and `out` are arrays on pinned tensors.

    Returns
    -------
    float32 H x W x 3, clipped to [0, 1].

    Raises
    ------
    InputError
        If `out` has another shape or dtype, or shares memory with `image`.
    BackboneError
        If the network renders another shape than its contract says, or NaN.
    """
    if out is not None and (out.shape != image.shape or out.dtype != np.float32 or np.may_share_memory(out, image)):
        raise InputError(f"out: expected float32 {image.shape} of its own memory, got {out.dtype} {out.shape}.")
    pixels = _to_tensor(image, runtime)
    if scene is None:
        scene = _describe(network, pixels, runtime)
    return _render_tiles(network, "render", pixels, scene, runtime, tile, out)


def render_std(
    network: Network, image: FloatImage, runtime: Runtime, *, scene: Scene | None = None, tile: int | None = None
) -> FloatImage:
    """Render the standard deviation of the error of each value that `render_image` returns.

    Parameters
    ----------
    network : a network that has `Network.render_std`.
    image, runtime, scene, tile : as for `render_image`.

    Returns
    -------
    float32 H x W x 3, in the units of the output, clipped to [0, 1].
    """
    pixels = _to_tensor(image, runtime)
    if scene is None:
        scene = _describe(network, pixels, runtime)
    with runtime.inference():
        scene = network.describe_std(scene)
    return _render_tiles(network, "render_std", pixels, scene, runtime, tile, None)


def exposure_std(network: Network, image: FloatImage, runtime: Runtime) -> float:
    """Return the standard deviation of the error of an image's mean exposure in EV, see `Network.exposure_std`."""
    pixels = _to_tensor(image, runtime)
    scene = _describe(network, pixels, runtime)
    with runtime.inference():
        return float(network.exposure_std(pixels.permute(2, 0, 1)[None], scene))


def _render_tiles(
    network: Network,
    method: str,
    pixels: Tensor,
    scene: Scene,
    runtime: Runtime,
    tile: int | None,
    out: FloatImage | None,
) -> FloatImage:
    """Apply `render` or `render_std` to an image (H, W, 3) tile by tile, see `render_image`."""
    keep_freed_memory()
    if tile is None:
        side = _TILE_SIDE_PX.get(runtime.device.type, _TILE_SIDE_PX["cpu"])
        tile = max(side, _MIN_TILE_SIDE_HALOS * network.halo)
    result = np.empty(tuple(pixels.shape), np.float32) if out is None else out
    on_cpu = runtime.device.type == "cpu"
    output = torch.from_numpy(result) if on_cpu else pixels.new_empty(pixels.shape)
    checksum = output.new_zeros(())
    with runtime.inference():
        for top, left, window in _tiles(pixels.shape[0], pixels.shape[1], tile, network.stride, runtime):
            cut = _cut_tile(pixels, top, left, window, network.halo)
            rendered = getattr(network, method)(cut, scene, window)
            check_rendered(network, rendered, window, method)
            target = output[top : top + window.height, left : left + window.width]
            inside = rendered[0, :, : target.shape[0], : target.shape[1]]  # the last tiles reach past the edge
            target.copy_(inside.permute(1, 2, 0)).clamp_(0, 1)
            checksum += target.sum()
    if checksum.isnan():
        raise BackboneError(f"{type(network).__name__}.{method} returned NaN: its weights or its code are at fault.")
    if not on_cpu:
        torch.from_numpy(result).copy_(output)
    return result


def _cut_tile(pixels: Tensor, top: int, left: int, window: Window, halo: int) -> Tensor:
    """Return what `cut_windows` does for one window; if nothing is reflected, a plain copy is faster than an index."""
    rows, columns = slice(top - halo, top + window.height + halo), slice(left - halo, left + window.width + halo)
    if min(rows.start, columns.start) < 0 or rows.stop > pixels.shape[0] or columns.stop > pixels.shape[1]:
        return cut_windows(pixels, window.top, window.left, window.height, window.width, halo)
    return pixels[rows, columns].contiguous()[None].permute(0, 3, 1, 2)


def _describe(network: Network, pixels: Tensor, runtime: Runtime) -> Scene:
    with runtime.inference():
        return check_scene(network, network.describe(pixels.permute(2, 0, 1)[None]))


def check_scene(network: Network, scene: object) -> Scene:
    """Return what `describe` returned, or raise a `BackboneError` if it is no `Scene`."""
    if not isinstance(scene, Scene):
        raise BackboneError(
            f"{type(network).__name__}.describe returned {type(scene).__name__}, expected an ispfit.Scene of named "
            "tensors."
        )
    return scene


def check_rendered_samples(network: Network, rendered: Tensor, sample_index: Tensor) -> None:
    """Raise a `BackboneError` if `render_samples` did not return a tensor (N, 3, S)."""
    expected = (len(sample_index), 3, sample_index.shape[1])
    if _shape(rendered) != expected:
        raise BackboneError(
            f"{type(network).__name__}.render_samples returned {_describe_output(rendered)}, expected shape "
            f"{expected}: three channels of each pixel in sample_index."
        )


def check_rendered(network: Network, rendered: Tensor, window: Window, method: str = "render") -> None:
    """Raise a `BackboneError` if `render`, or the `method` named, did not return a tensor (N, 3, h, w)."""
    expected = (len(window.top), 3, window.height, window.width)
    if _shape(rendered) != expected:
        raise BackboneError(
            f"{type(network).__name__}.{method} returned {_describe_output(rendered)}, expected {expected}: "
            f"use valid convolutions that consume exactly halo = {network.halo} pixels on each side."
        )


def _shape(rendered: object) -> tuple[int, ...] | None:
    return tuple(rendered.shape) if isinstance(rendered, Tensor) else None


def _describe_output(rendered: object) -> str:
    return type(rendered).__name__ if _shape(rendered) is None else f"shape {_shape(rendered)}"


def _to_tensor(image: FloatImage, runtime: Runtime) -> Tensor:
    pixels = np.ascontiguousarray(np.asarray(image, np.float32))
    tensor = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())
    return tensor.to(runtime.device, non_blocking=runtime.device.type == "cuda")


def _tiles(height: int, width: int, tile: int, stride: int, runtime: Runtime) -> Iterator[tuple[int, int, Window]]:
    """Yield top, left and window of tiles that cover the image; the last ones may reach past its edge."""
    side = round_up(max(1, tile), stride)
    image_height, image_width = _int64(height, runtime), _int64(width, runtime)
    for top in range(0, height, side):
        for left in range(0, width, side):
            h, w = min(side, round_up(height - top, stride)), min(side, round_up(width - left, stride))
            corner = _int64(top, runtime), _int64(left, runtime)
            yield top, left, Window(*corner, h, w, image_height, image_width)


def round_up(size: int, stride: int) -> int:
    """Return the smallest multiple of `stride` that is at least `size`."""
    return -(-size // stride) * stride


def _int64(value: int, runtime: Runtime) -> Tensor:
    return torch.full((1,), value, device=runtime.device)
