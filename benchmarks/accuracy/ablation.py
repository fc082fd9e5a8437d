"""What each part of the histogram pyramid is worth: the paper's network without some parts, and with our extensions.

    python benchmarks/accuracy/ablation.py -o OUTPUT CAMERA ... [--max-steps 500] [--seeds 1] [--channels 32]

A camera is what `ispfit compare` takes, and OUTPUT gets what it writes. All variants are trained on the same windows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import torch
from torch import Tensor

from ispfit.backbone import Network
from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.backbones.parts.histogram import LearnableHistogram
from ispfit.cli import run
from ispfit.cli.compare import compare_cameras
from ispfit.cli.compare_options import comparison_options

REFERENCE = "paper"
Encode = Callable[[Tensor], Tensor]


class Ablated(HistPyramid):
    """A histogram pyramid without one part.

    Parameters
    ----------
    without : str
        The part: "local" or "global" histograms, "histogram" for both, "learning" of the bins, "chromaticity"
        (histograms of R, G, B in place of L, r, g), "overlap" of neighbouring bins only (w = 0.2, the paper's number
        taken literally: all bins overlap, and votes hardly depend on the value), or "" for the whole network.
    """

    def __init__(
        self,
        without: str = "",
        bins: int = 6,
        channels: int = 64,
        grids: tuple[int, ...] = (),
        gamma: float = 1.0,
        own_votes: bool = False,
        skip: bool = False,
    ) -> None:
        super().__init__(bins, channels, grids, gamma, own_votes, skip)
        self.without = without

    def build(self) -> Network:
        network = HistPyramidNetwork(self)
        if self.without == "chromaticity":
            network.histogram = PlainHistogram(self.bins)
        if self.without == "overlap":
            torch.nn.init.constant_(network.histogram.widths, 0.2)
        if self.without == "learning":
            network.histogram.requires_grad_(False)
        if self.without in ("local", "histogram"):
            _silence(network.mix_half.weight)
            _silence(network.mix_quarter.weight)
            _silence(network.mix_pixels.weight, slice(-3 * self.bins, None))
        if self.without in ("global", "histogram"):
            _silence(network.mix_global.weight)
        return network


class PlainHistogram(LearnableHistogram):
    """Histograms of R, G and B."""

    def forward(self, rgb: Tensor) -> Tensor:
        offset = (rgb[:, :, None] - self.centers[:, :, None, None]).abs()
        return torch.relu(1 - offset * self.widths[:, :, None, None]).flatten(1, 2)

    def mean(self, rgb: Tensor, row_weights: Tensor, column_weights: Tensor, encode: Encode = Tensor.float) -> Tensor:
        return (self(encode(rgb)) * (row_weights[:, None] * column_weights)).sum((2, 3))


def _silence(weight: torch.nn.Parameter, columns: slice = slice(None)) -> None:
    """Set input columns of a layer to zero and keep them zero during training."""
    mask = torch.ones_like(weight)
    mask[:, columns] = 0
    with torch.no_grad():
        weight.mul_(mask)
    weight.register_hook(lambda gradient: gradient * mask.to(gradient.device))


def variants(channels: int) -> dict[str, HistPyramid]:
    best = HistPyramid(channels=channels)
    return {
        REFERENCE: Ablated(channels=channels),
        "paper, as many weights": Ablated(channels=round(channels * 1.09)),
        "paper, global only": Ablated("local", channels=channels),
        "paper, local only": Ablated("global", channels=channels),
        "paper, without histogram": Ablated("histogram", channels=channels),
        "paper, fixed bins": Ablated("learning", channels=channels),
        "paper, R G B for L r g": Ablated("chromaticity", channels=channels),
        "paper, w = 0.2": Ablated("overlap", channels=channels),
        "paper, compressed": Ablated(channels=channels, gamma=2.2),
        "paper + skip": Ablated(channels=channels, skip=True),
        "paper + own votes": Ablated(channels=channels, own_votes=True),
        "paper + grids": Ablated(channels=channels, grids=(16, 4)),
        "paper + grids, compressed": Ablated(channels=channels, grids=(16, 4), gamma=2.2),
        "all (the default)": best,
    }


@click.command(help=__doc__)
@click.argument("cameras", nargs=-1, required=True)
@comparison_options(max_steps=500, learning_rate=3e-3, batch_size=8, windows_per_image=4)
@click.option("--channels", type=click.IntRange(1), default=32, show_default=True, help="Set the networks' channels.")
def ablation(cameras: tuple[str, ...], channels: int, **options: Any) -> int:
    return compare_cameras(cameras, variants(channels), {}, reference=REFERENCE, as_json=False, **options)


if __name__ == "__main__":
    run(ablation)
