"""What an auto mode may look at: statistics of a whole image, and its brightness from place to place."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.compiler import is_exporting
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, pad

__all__ = [
    "CHROMINANCE",
    "LOG_MEAN",
    "LUMINANCE",
    "METERED",
    "N_STATISTICS",
    "THUMBNAIL_PX",
    "brightness_map",
    "clipped_shares",
    "scene_statistics",
    "thumbnail",
]

THUMBNAIL_PX = 128
_MAP_CELLS = 16
_DARK = 1e-3  # added to luminance before the logarithm
_MAP_DARK = 1e-2
_PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
_CENTRE_SIGMA = 0.22  # of the centre-weighted mean, as a share of the image's side
_CLIPPED = 0.97
_STRIP_PX = 1 << 20  # pixels that are compared at once, so that memory does not grow with the image

N_STATISTICS = 24

LOG_MEAN = 9
"""Column of the mean logarithm of the brightness."""

METERED = [4, LOG_MEAN, 11]
"""Columns of log brightness that exposure meters look at: the median, the mean, and the mean of the centre."""

CHROMINANCE = [17, 18, 19, 20, 21]
"""Columns that describe the colours, and not the brightness."""

LUMINANCE = [column for column in range(N_STATISTICS) if column not in CHROMINANCE]
"""Columns that describe the brightness and its place in the image."""


def thumbnail(image: Tensor) -> Tensor:
    """Average images (N, 3, H, W) in 128 x 128 areas: float32 (N, 3, 128, 128), not below 0."""
    return adaptive_avg_pool2d(image.float(), THUMBNAIL_PX).clamp(min=0)


def clipped_shares(image: Tensor) -> Tensor:
    """Return the shares (N, 2) of the pixels of which one channel, and all channels, are saturated."""
    counts = torch.zeros(len(image), 2, device=image.device)
    strips = [image] if is_exporting() else torch.split(image, max(1, _STRIP_PX // image.shape[3]), dim=2)
    for strip in strips:
        for column, channel in enumerate((strip.amax(1), strip.amin(1))):
            counts[:, column] += (channel > _CLIPPED).sum((1, 2))
    return counts / (image.shape[2] * image.shape[3])


def scene_statistics(small: Tensor, clipped: Tensor) -> Tensor:
    """Describe images by numbers: brightness, contrast, place of the light, clipping and colour.

    Parameters
    ----------
    small : thumbnails (N, 3, 128, 128), values >= 0, linear or encoded.
    clipped : (N, 2), see `clipped_shares`.

    Returns
    -------
    float32 (N, 24). Brightness is the logarithm of the mean of R, G and B.
    """
    luminance = small.mean(1)
    log = (luminance + _DARK).log()
    flat = log.flatten(1)
    levels = torch.tensor(_PERCENTILES, device=small.device) / 100
    mean, centre = flat.mean(1), _centre_weights(small.shape[2], small.device)
    half, quarter = small.shape[2] // 2, small.shape[2] // 4
    total = small.sum(1) + _DARK
    red, green = (small[:, 0] + _DARK / 3) / total, (small[:, 1] + _DARK / 3) / total
    saturation = (1 - small.amin(1) / (small.amax(1) + _DARK)).flatten(1)
    columns = [
        *torch.quantile(flat, levels, dim=1),
        mean,
        flat.std(1),
        (log * centre).sum((1, 2)),
        (luminance.mean((1, 2)) + _DARK).log(),
        ((luminance * centre).sum((1, 2)) + _DARK).log(),
        *clipped.unbind(1),
        (luminance < 10 * _DARK).float().mean((1, 2)),
        red.mean((1, 2)),
        green.mean((1, 2)),
        red.std((1, 2)),
        saturation.mean(1),
        torch.quantile(saturation, 0.9, dim=1),
        log[:, :half].mean((1, 2)) - mean,
        log[:, quarter:-quarter, quarter:-quarter].mean((1, 2)) - mean,
    ]
    return torch.stack(columns, 1)


def _centre_weights(side: int, device: torch.device) -> Tensor:
    """Return weights (side, side) of sum 1 that fall off from the centre as a Gaussian."""
    place = (torch.arange(side, device=device) + 0.5) / side - 0.5
    fall_off = (-place.square() / (2 * _CENTRE_SIGMA**2)).exp()
    weights = fall_off[:, None] * fall_off
    return weights / weights.sum()


def brightness_map(small: Tensor) -> Tensor:
    """Return the logarithm of the brightness in 16 x 16 cells, blurred, relative to its mean: (N, 1, 16, 16)."""
    log = (small.mean(1, keepdim=True) + _MAP_DARK).log()
    cells = adaptive_avg_pool2d(log, _MAP_CELLS)
    for _ in range(2):
        cells = avg_pool2d(pad(cells, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return cells - cells.mean((2, 3), keepdim=True)
