"""The learnable histogram: votes of pixels for bins, and their weighted mean over a whole image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ispfit.color import rgb_to_lrg

__all__ = ["LearnableHistogram"]

_VOTES_PER_STRIP = {"cpu": 1 << 19, "cuda": 1 << 25}
"""On a CPU few enough to stay in its cache and in memory that is already mapped, on a GPU enough to keep it busy."""


class LearnableHistogram(nn.Module):
    """Votes of L, r, g for bins with learnable centres and widths (Nam & Kim 2017, Eq. 3; Wang et al. 2016).

    ``ψ_b(x) = max(0, 1 - |x - μ_b| w_b)``. The paper's "width of 0.2" is half the base of this triangle: w starts at
    1 / 0.2 = bins - 1, so that the votes of any value in [0, 1] sum to one.

    Parameters
    ----------
    bins : number of bins per channel, at least 2; the centres start equally spaced on [0, 1].
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.linspace(0, 1, bins).repeat(3, 1))
        self.widths = nn.Parameter(torch.full((3, bins), float(bins - 1)))

    def forward(self, rgb: Tensor) -> Tensor:
        """Return the votes of every pixel.

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
        """Return the weighted mean of the votes over whole images, without a map of votes in memory.

        Only `HistPyramid` without grids, such as the published network, calls this.

        Parameters
        ----------
        rgb : (N, 3, H, W) in [0, 1], of any size.
        row_weights, column_weights : (H,) and (W,); the weight of a pixel is the product of the two.
        encode : pixelwise function applied to `rgb` before the votes, such as a power; none by default.

        Returns
        -------
        (N, 3 * bins).
        """
        if rgb.requires_grad:  # `_MeanVotes` has no gradient with respect to the image
            weights = row_weights[:, None] * column_weights
            mean: Tensor = (self(encode(rgb)) * weights).sum((2, 3))
            return mean
        bins: list[Tensor] = [self.centers, self.widths]
        if not torch.is_grad_enabled():
            bins = [parameter.detach() for parameter in bins]  # `_MeanVotes` then sums no derivatives
        with torch.autocast(rgb.device.type, enabled=False):  # a sum of a million votes needs float32
            votes: Tensor = _MeanVotes.apply(  # type: ignore[no-untyped-call]
                rgb, row_weights, column_weights, *bins, encode
            )
        return votes.flatten(1)


class _MeanVotes(torch.autograd.Function):
    """Σ a ψ and its derivatives, two numbers per bin, in one pass over strips of the image.

    It serves the published network, whose scene is a mean over the whole image. If ψ > 0, dψ/dμ = w sign(x - μ) and
    dψ/dw = -|x - μ| = (ψ - 1) / w. At x = μ, as for black and white before training, sign(0) = 0 as in autograd: such
    pixels do not move the centre.
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
        votes_per_strip = _VOTES_PER_STRIP.get(rgb.device.type, _VOTES_PER_STRIP["cpu"])
        strip = max(1, votes_per_strip // (rgb.shape[3] * centers.numel()))
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
    """Add an image's weighted sums of ψ and, for the gradient, of [ψ > 0] and of [ψ > 0] sign(x - μ)."""
    votes, inside, sign = sums
    offset = lrg.flatten(1)[:, None] - centers[:, :, None]
    vote = offset.abs().mul_(-widths[:, :, None]).add_(1).relu_()
    votes += vote @ weights
    if need_gradient:
        mask = (vote > 0).to(vote.dtype)
        inside += mask @ weights
        sign += mask.mul_(offset.sign_()) @ weights
