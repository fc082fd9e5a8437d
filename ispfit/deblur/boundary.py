"""Images made periodic, so that a deconvolution in the Fourier domain sees no edge at the border.

Source: R. Liu, J. Jia, "Reducing Boundary Artifacts in Image Deconvolution", ICIP 2008, with Laplace's equation in
place of their minimisation, as in the code of Cho & Lee (2009).
"""

from __future__ import annotations

import torch
from scipy.fft import next_fast_len
from torch import Tensor

__all__ = ["make_periodic"]


def make_periodic(image: Tensor, margin: int) -> Tensor:
    """Return images enlarged to the right and below by what joins their opposite edges smoothly.

    Parameters
    ----------
    image : (..., H, W), H and W at least 2.
    margin : fewest pixels to add to each side; a few more may be added, up to sizes whose transforms are fast.

    Returns
    -------
    Tensor (..., H', W') that starts with `image`.
    """
    height, width = image.shape[-2:]
    below = next_fast_len(height + max(margin, 1), real=True) - height
    right = next_fast_len(width + max(margin, 1), real=True) - width
    under = _joined(image[..., -1:, :], image[..., :1, :], below)
    beside = _joined(image[..., :, -1:].mT, image[..., :, :1].mT, right).mT
    corner = _filled(top=beside[..., -1, :], bottom=beside[..., 0, :], left=under[..., :, -1], right=under[..., :, 0])
    return torch.cat([torch.cat([image, beside], -1), torch.cat([under, corner], -1)], -2)


def _joined(first: Tensor, last: Tensor, n: int) -> Tensor:
    """Return `n` rows (..., n, W) between two rows (..., 1, W); their first and last columns blend evenly."""
    share = torch.linspace(0, 1, n + 2, dtype=first.dtype, device=first.device)[1:-1, None]
    blend = first + (last - first) * share
    if first.shape[-1] < 3:
        return blend
    inner = _filled(top=first[..., 0, 1:-1], bottom=last[..., 0, 1:-1], left=blend[..., :, 0], right=blend[..., :, -1])
    return torch.cat([blend[..., :1], inner, blend[..., -1:]], -1)


def _filled(*, top: Tensor, bottom: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Return the solution (..., H, W) of the discrete Laplace equation between four edges (..., W) and (..., H)."""
    height, width = left.shape[-1], top.shape[-1]
    source = top.new_zeros(*top.shape[:-1], height, width)
    source[..., 0, :] += top
    source[..., -1, :] += bottom
    source[..., :, 0] += left
    source[..., :, -1] += right
    rows, columns = (
        2 - 2 * torch.cos(torch.pi * torch.arange(1, n + 1, dtype=top.dtype, device=top.device) / (n + 1))
        for n in (height, width)
    )
    scaled = _sine_transform(source) / (rows[:, None] + columns)
    return _sine_transform(scaled) * (4 / ((height + 1) * (width + 1)))


def _sine_transform(plane: Tensor) -> Tensor:
    """Return the type-1 discrete sine transform along both axes, without the factors of 2."""
    for _ in range(2):
        zero = torch.zeros_like(plane[..., :1])
        odd = torch.cat([zero, plane, zero, -plane.flip(-1)], -1)
        plane = (torch.fft.rfft(odd).imag[..., 1 : plane.shape[-1] + 1] / -2).mT
    return plane
