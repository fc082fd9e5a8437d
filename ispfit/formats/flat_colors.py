"""Render single colours, each as a flat area of it: what a LUT, which knows no neighbourhood, holds of a network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.backbone import Network, Scene, Window
from ispfit.images import FloatImage
from ispfit.runtime import Runtime

__all__ = ["POSITIONS", "render_flat_colors", "weights_of_positions"]

POSITIONS = 3
"""Positions along each side of the image at which colours are rendered if the network depends on the position."""

_BLOCK_PIXELS = 1 << 20
_IMAGE_CELLS = 1 << 24  # of an image so large that all pixels of a block are at one position
_PROBES = 8


def render_flat_colors(
    network: Network, colors: FloatImage, scene: Scene, runtime: Runtime, weights: FloatImage | None = None
) -> FloatImage:
    """Return what a network makes of flat areas of colours.

    Parameters
    ----------
    network : on the runtime's device, in evaluation mode.
    colors : float32 (n, 3) in [0, 1].
    scene : of one image, on the runtime's device.
    weights : float32 (n, `POSITIONS`**2), how often each colour occurs at each position (row by row); None for all
        alike. The mean over the positions is returned.

    Returns
    -------
    float32 (n, 3), clipped to [0, 1].
    """
    inputs = torch.from_numpy(np.ascontiguousarray(colors))
    if weights is None or not _depends_on_position(network, inputs, scene, runtime):
        weights = np.zeros((len(colors), POSITIONS**2), np.float32)
        weights[:, POSITIONS**2 // 2] = 1
    shares = torch.from_numpy(weights / weights.sum(1, keepdims=True))
    found = torch.zeros_like(inputs)
    for number in range(POSITIONS**2):
        share = shares[:, number]
        if share.any():
            found += share[:, None] * _at_position(network, inputs, scene, divmod(number, POSITIONS), runtime)
    return np.asarray(found.numpy())


def _depends_on_position(network: Network, colors: Tensor, scene: Scene, runtime: Runtime) -> bool:
    few = colors[:: max(1, len(colors) // _PROBES)]
    first, *others = (
        _at_position(network, few, scene, place, runtime)
        for place in ((0, 0), (0, POSITIONS - 1), (POSITIONS - 1, 0), (POSITIONS // 2, POSITIONS // 2))
    )
    return any(not torch.equal(first, other) for other in others)


def _at_position(network: Network, colors: Tensor, scene: Scene, position: tuple[int, int], runtime: Runtime) -> Tensor:
    """Return colours (n, 3) rendered at the row and column of a position."""
    side = 2 * network.halo + network.stride  # of the area of one colour
    n_areas = max(1, _BLOCK_PIXELS // side**2)
    with runtime.inference():
        parts = [
            _areas_rendered(network, block.to(runtime.device), scene, position, side)
            for block in _blocks(colors, n_areas)
        ]
    return torch.cat(parts).cpu().float().clamp(0, 1)


def _blocks(colors: Tensor, n: int) -> Iterator[Tensor]:
    return (colors[start : start + n] for start in range(0, len(colors), n))


def _areas_rendered(network: Network, colors: Tensor, scene: Scene, position: tuple[int, int], side: int) -> Tensor:
    """Render a picture of square areas, row by row, and return the colour of each in its middle."""
    width = max(1, int(len(colors) ** 0.5))
    rows = -(-len(colors) // width)
    padded = torch.cat([colors, colors[-1:].expand(rows * width - len(colors), 3)])
    picture = padded.view(rows, width, 3).repeat_interleave(side, 0).repeat_interleave(side, 1)
    height, width_px = (n * side - 2 * network.halo for n in (rows, width))
    window = _window(position, height, width_px, network.stride, colors.device)
    rendered = network.render(picture.permute(2, 0, 1)[None].contiguous(), scene, window)
    return rendered[0, :, ::side, ::side].permute(1, 2, 0).reshape(-1, 3)[: len(colors)]


def _window(position: tuple[int, int], height: int, width: int, stride: int, device: torch.device) -> Window:
    size, top, left = (
        torch.full((1,), int(share * _IMAGE_CELLS) * stride, device=device)
        for share in (1, *((place + 0.5) / POSITIONS for place in position))
    )
    return Window(top, left, height, width, size, size)


def weights_of_positions(luminance: npt.NDArray[np.floating], colors: FloatImage, width: float) -> FloatImage:
    """Return how often each colour occurs at each position of an image, for `render_flat_colors`.

    A dark colour is found in the dark regions of an image rather than in its bright ones, and some cameras lift these.

    Parameters
    ----------
    luminance : the mean of R, G and B, in an encoding that is roughly uniform to the eye, of pixels H x W.
    colors : (n, 3), in the same encoding.
    width : standard deviation of the kernel by which luminances are compared.
    """
    rows, columns = (np.arange(side) * POSITIONS // side for side in luminance.shape)
    region = (rows[:, None] * POSITIONS + columns[None]).ravel()
    levels = np.linspace(0, 1, 65)
    histograms = np.stack(
        [np.histogram(luminance.ravel()[region == number], 64, (0, 1))[0] for number in range(POSITIONS**2)], 1
    )
    middles = (levels[1:] + levels[:-1]) / 2
    kernel = np.exp(-0.5 * ((colors.mean(1)[:, None] - middles) / width) ** 2)
    return np.asarray(kernel @ histograms + 1e-6 * histograms.sum(), np.float32)
