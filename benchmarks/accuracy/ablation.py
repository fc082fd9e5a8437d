"""What each part of the histogram pyramid is worth: the paper's network with parts taken away, and with ours added.

    python benchmarks/accuracy/ablation.py -o OUTPUT CAMERA ... [--max-steps 500] [--seeds 1] [--channels 32]

A camera is what `ispfit compare` takes. All variants see the same windows. Writes OUTPUT/ablation.md and .csv; goes on
where it was if it is stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ispfit.backbone import Network
from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.backbones.parts.histogram import LearnableHistogram
from ispfit.comparison import Budget, Comparison, Run, prepare_camera, run_all

REFERENCE = "paper"
Encode = Callable[[Tensor], Tensor]


class Ablated(HistPyramid):
    """A histogram pyramid without some parts.

    Parameters
    ----------
    without : "local" or "global" histograms, "histogram" at all, "learning" of the bins, "chromaticity" (histograms of
        R, G, B in place of L, r, g), "overlap" of neighbours alone (w = 0.2, the paper's number taken literally, with
        which votes hardly depend on the value), or nothing.
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
    """Votes of R, G, B."""

    def forward(self, rgb: Tensor) -> Tensor:
        offset = (rgb[:, :, None] - self.centers[:, :, None, None]).abs()
        return torch.relu(1 - offset * self.widths[:, :, None, None]).flatten(1, 2)

    def mean(self, rgb: Tensor, row_weights: Tensor, column_weights: Tensor, encode: Encode = Tensor.float) -> Tensor:
        return (self(encode(rgb)) * (row_weights[:, None] * column_weights)).sum((2, 3))


def _silence(weight: torch.nn.Parameter, columns: slice = slice(None)) -> None:
    """Set some input columns of a layer to zero, and keep them there."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cameras", nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--max-steps", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--windows-per-image", type=int, default=4)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--shots", type=int, default=60)
    parser.add_argument("--jobs", type=int)
    arguments = parser.parse_args()
    budget = Budget(
        arguments.max_steps,
        learning_rate=arguments.learning_rate,
        batch_size=arguments.batch_size,
        windows_per_image=arguments.windows_per_image,
    )
    cameras = [prepare_camera(name, arguments.output / "data", arguments.shots) for name in arguments.cameras]
    runs = [
        Run(camera, backbone, seed, budget, label=label)
        for camera in cameras
        for seed in range(arguments.seeds)
        for label, backbone in variants(arguments.channels).items()
    ]
    results, failures = run_all(runs, arguments.output / "runs", arguments.jobs)
    comparison = Comparison(results, REFERENCE)
    (arguments.output / "ablation.md").write_text(comparison.markdown())
    (arguments.output / "ablation.csv").write_text(comparison.csv())
    print(comparison.markdown(), *failures, sep="\n")


if __name__ == "__main__":
    main()
