"""The learnable histogram: votes of pixels for bins, and their weighted mean over a whole image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ispfit.color import rgb_to_lrg

__all__ = ["LearnableHistogram"]

_STRIP = {"cpu": 1 << 19, "cuda": 1 << 25}
"""Votes computed at once: on a CPU what stays in its cache (and in memory that was touched before: a page fault costs
more than a vote), on a GPU what keeps it busy."""


class LearnableHistogram(nn.Module):
    """Votes of L, r, g for bins with learnable centres and widths (Nam & Kim 2017, Eq. 3; Wang et al. 2016).

    ``ψ_b(x) = max(0, 1 - |x - μ_b| w_b)``. The paper's "width of 0.2" is half the base of this triangle: w starts at
    1 / 0.2 = bins - 1, so that the votes of any value in [0, 1] sum to one.

    Parameters
    ----------
    bins : number of bins a channel, at least 2; the centres start equally spaced on [0, 1].
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.linspace(0, 1, bins).repeat(3, 1))
        self.widths = nn.Parameter(torch.full((3, bins), float(bins - 1)))

    def forward(self, rgb: Tensor) -> Tensor:
        """Votes of every pixel.

        Parameters
        ----------
        rgb : (N, 3, H, W) in [0, 1].

        Returns
        -------
        (N, 3 * bins, H, W) in [0, 1]: the bins of L, then of r, then of g.
        """
        offset = (rgb_to_lrg(rgb, axis=1)[:, :, None] - self.centers[:, :, None, None]).abs()
        return (offset * -self.widths[:, :, None, None]).add_(1).relu_().flatten(1, 2)

    def mean(
        self,
        rgb: Tensor,
        row_weights: Tensor,
        column_weights: Tensor,
        encode: Callable[[Tensor], Tensor] = Tensor.float,
    ) -> Tensor:
        """Weighted mean of the votes over whole images, without ever holding a map of them.

        Parameters
        ----------
        rgb : (N, 3, H, W) in [0, 1], of any size.
        row_weights, column_weights : (H,) and (W,); a pixel weighs the product of its two.
        encode : what the votes are of, pixel by pixel, such as a compressed encoding; by default of `rgb` itself.

        Returns
        -------
        (N, 3 * bins).
        """
        if rgb.requires_grad:  # somebody differentiates by the image: the plain way
            weights = row_weights[:, None] * column_weights
            mean: Tensor = (self(encode(rgb)) * weights).sum((2, 3))
            return mean
        bins: list[Tensor] = [self.centers, self.widths]
        if not torch.is_grad_enabled():
            bins = [parameter.detach() for parameter in bins]  # else their derivatives are summed all the same
        with torch.autocast(rgb.device.type, enabled=False):  # a sum of a million votes needs float32
            votes: Tensor = _MeanVotes.apply(  # type: ignore[no-untyped-call]
                rgb, row_weights, column_weights, *bins, encode
            )
        return votes.flatten(1)


class _MeanVotes(torch.autograd.Function):
    """Σ a ψ in one pass over strips of the image; the derivatives, 2 numbers a bin, are summed in the same pass.

    Where ψ > 0, dψ/dμ = w sign(x - μ) and dψ/dw = -|x - μ| = (ψ - 1) / w. At x = μ, where black and white lie when
    training starts, sign(0) = 0 as in autograd: such pixels push their centre nowhere.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rgb: Tensor,
        rows: Tensor,
        columns: Tensor,
        centers: Tensor,
        widths: Tensor,
        encode: Callable[[Tensor], Tensor],
    ) -> Tensor:
        need_gradient = ctx.needs_input_grad[3] or ctx.needs_input_grad[4]
        sums = torch.zeros(3, len(rgb), *centers.shape, device=rgb.device)
        strip = max(1, _STRIP.get(rgb.device.type, _STRIP["cpu"]) // (rgb.shape[3] * centers.numel()))
        for top in range(0, rgb.shape[2], strip):
            weights, images = rows[top : top + strip], rgb[:, :, top : top + strip]
            weights = (weights[:, None] * columns).flatten()
            for n, image in enumerate(images):
                colors = rgb_to_lrg(encode(image.float()), axis=0)
                _add_votes(sums[:, n], colors, weights, centers, widths, need_gradient)
        votes, inside, sign = sums
        ctx.save_for_backward(widths * sign, (votes - inside) / widths)
        result: Tensor = votes
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor | None, ...]:
        by_center, by_width = ctx.saved_tensors
        (gradient,) = gradients
        return None, None, None, (gradient * by_center).sum(0), (gradient * by_width).sum(0), None


def _add_votes(
    sums: Tensor, lrg: Tensor, weights: Tensor, centers: Tensor, widths: Tensor, need_gradient: bool
) -> None:
    """Add the weighted sums of an image's votes and, if wanted, of where they are not 0 and of sign(x - μ) there."""
    votes, inside, sign = sums
    offset = lrg.flatten(1)[:, None] - centers[:, :, None]
    vote = offset.abs().mul_(-widths[:, :, None]).add_(1).relu_()
    votes += vote @ weights
    if need_gradient:
        mask = (vote > 0).to(vote.dtype)
        inside += mask @ weights
        sign += mask.mul_(offset.sign_()) @ weights
