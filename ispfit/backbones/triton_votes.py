"""Votes and their weighted pooling over an image as one Triton kernel: each pixel is read once, no vote is written.

`ispfit.backbones.histogram` has the same in plain PyTorch, the reference that this is held against.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ispfit.color import EPSILON

__all__ = ["vote_sums"]

_PIXELS = 128  # a program looks at together
_PROGRAMS = 2048  # at most, for an image


def vote_sums(rgb: Tensor, rows: Tensor, columns: Tensor, centers: Tensor, widths: Tensor) -> Tensor:
    """Weighted sums over whole images of the votes, of where they are not 0, and of the sign of x - μ there.

    Parameters
    ----------
    rgb : float32 (N, 3, H, W) of any strides.
    rows, columns : float32 (H,) and (W,); a pixel weighs the product of its two.
    centers, widths : float32 (3, bins), μ and w of Nam & Kim 2017, Eq. 3.

    Returns
    -------
    float32 (3, N, 3, bins).
    """
    n, _, height, width = rgb.shape
    bins = centers.shape[1]
    programs = min(triton.cdiv(height * width, _PIXELS), _PROGRAMS)
    sums = rgb.new_empty(programs, 3, n, 3, bins)
    with torch.cuda.device_of(rgb):  # type: ignore[no-untyped-call]  # Triton starts kernels on the current one
        _sum_votes[programs, n](
            rgb,
            rows.contiguous(),
            columns.contiguous(),
            centers.contiguous(),
            widths.contiguous(),
            sums,
            height * width,
            width,
            *rgb.stride(),
            bins,
            EPSILON=EPSILON,
            BINS=triton.next_power_of_2(bins),
            PIXELS=_PIXELS,
        )
    return sums.sum(0)  # in a fixed order: the same numbers each time


@triton.jit
def _sum_votes(  # type: ignore[no-untyped-def]
    rgb,
    rows,
    columns,
    centers,
    widths,
    sums,
    n_pixels,
    width,
    image_stride,
    channel_stride,
    row_stride,
    column_stride,
    bins,
    EPSILON: tl.constexpr,
    BINS: tl.constexpr,
    PIXELS: tl.constexpr,
):
    """What a program finds in every n-th block of pixels of an image, written to its own place."""
    program, programs = tl.program_id(0), tl.num_programs(0)
    image, images = tl.program_id(1), tl.num_programs(1)
    b = tl.arange(0, BINS)
    mu_l, w_l = _bins(centers, widths, bins, 0, BINS)
    mu_r, w_r = _bins(centers, widths, bins, 1, BINS)
    mu_g, w_g = _bins(centers, widths, bins, 2, BINS)
    votes_l = tl.zeros((PIXELS, BINS), tl.float32)
    inside_l, signs_l, votes_r, inside_r, signs_r = votes_l, votes_l, votes_l, votes_l, votes_l
    votes_g, inside_g, signs_g = votes_l, votes_l, votes_l
    for start in range(program * PIXELS, n_pixels, programs * PIXELS):
        at = start + tl.arange(0, PIXELS)
        there = at < n_pixels
        row, column = at // width, at % width
        pixel = rgb + image.to(tl.int64) * image_stride + row * row_stride + column * column_stride
        red = tl.load(pixel, mask=there, other=0.0)
        green = tl.load(pixel + channel_stride, mask=there, other=0.0)
        blue = tl.load(pixel + 2 * channel_stride, mask=there, other=0.0)
        weight = tl.load(rows + row, mask=there, other=0.0) * tl.load(columns + column, mask=there, other=0.0)
        total = red + green + blue
        scale = 1 / (total + EPSILON)
        votes_l, inside_l, signs_l = _add(votes_l, inside_l, signs_l, total / 3, weight, mu_l, w_l)
        r, g = (red + EPSILON / 3) * scale, (green + EPSILON / 3) * scale
        votes_r, inside_r, signs_r = _add(votes_r, inside_r, signs_r, r, weight, mu_r, w_r)
        votes_g, inside_g, signs_g = _add(votes_g, inside_g, signs_g, g, weight, mu_g, w_g)
    step = images * 3 * bins  # from a kind of sum to the next
    place = sums + (program * 3 * images + image) * 3 * bins + b
    _store(place, step, votes_l, inside_l, signs_l, b < bins)
    _store(place + bins, step, votes_r, inside_r, signs_r, b < bins)
    _store(place + 2 * bins, step, votes_g, inside_g, signs_g, b < bins)


@triton.jit
def _bins(centers, widths, bins, channel: tl.constexpr, BINS: tl.constexpr):  # type: ignore[no-untyped-def]
    b = tl.arange(0, BINS)
    mu = tl.load(centers + channel * bins + b, mask=b < bins, other=0.0)
    w = tl.load(widths + channel * bins + b, mask=b < bins, other=0.0)
    return mu[None, :], w[None, :]


@triton.jit
def _add(votes, inside, signs, value, weight, mu, w):  # type: ignore[no-untyped-def]
    offset = value[:, None] - mu
    vote = tl.maximum(1 - tl.abs(offset) * w, 0.0)
    weighed = tl.where(vote > 0, weight[:, None], 0.0)
    sign = tl.where(offset > 0, weighed, tl.where(offset < 0, -weighed, 0.0))
    return votes + vote * weighed, inside + weighed, signs + sign


@triton.jit
def _store(place, step, votes, inside, signs, there):  # type: ignore[no-untyped-def]
    tl.store(place, tl.sum(votes, 0), mask=there)
    tl.store(place + step, tl.sum(inside, 0), mask=there)
    tl.store(place + 2 * step, tl.sum(signs, 0), mask=there)
