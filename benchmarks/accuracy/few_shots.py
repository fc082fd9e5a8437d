"""How many shots a backbone needs: its PSNR on the test shots against the number of training shots.

    python benchmarks/accuracy/few_shots.py -o OUTPUT CAMERA ... [--counts 5,10,20,40,80] [--seeds 3]

Takes the options of `ispfit compare`. Each seed draws an order of the training shots, scene by scene, and a backbone is
fitted to the first 5, 10, ... of them; of a camera that has fewer, the last number is all of them. The test shots are
always the same. Writes few-shots.md, few-shots.csv and few-shots.png to OUTPUT. A stopped run resumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np
from matplotlib.figure import Figure

from ispfit.cli import run
from ispfit.cli.common import report_failures
from ispfit.cli.compare import budgets_of, chosen_backbones
from ispfit.cli.compare_options import backbone_options, comparison_options
from ispfit.comparison import (
    Budget,
    Comparison,
    PairSet,
    RunResult,
    csv_text,
    markdown_table,
    plan_runs,
    prepare_pair_sets,
    run_all,
)
from ispfit.directions import DIRECTIONS

HIGHLIGHTED, HIGHLIGHT = "photofinish", "#D55E00"
COLORS = ("#0072B2", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#000000", "#999999")  # M. Okabe and K. Ito, 2008
MARKERS = "os^Dvx*P<>"


def parse_counts(context: click.Context, parameter: click.Parameter, text: str) -> list[int]:
    """Read whole numbers that are separated by commas."""
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1:
        raise click.BadParameter(f"expected whole numbers >= 1, separated by commas, got {text!r}.")
    return counts


def with_fewer_shots(pair_set: PairSet, counts: Sequence[int]) -> list[PairSet]:
    """Return a pair set for each number of training shots, as far as there are so many."""
    n_all = len(pair_set.load()[0][0])
    return [
        replace(pair_set, name=f"{pair_set.name} {n_fit} shots", n_fit=n_fit)
        for n_fit in sorted({min(count, n_all) for count in counts})
    ]


class Curves:
    """The results by camera, direction, backbone and number of training shots."""

    def __init__(self, results: Sequence[RunResult]) -> None:
        self.results = results

    def cameras(self) -> list[str]:
        return list(dict.fromkeys(result.camera for result in self.results))

    def backbones(self) -> list[str]:
        return list(dict.fromkeys(result.backbone for result in self.results))

    def counts(self, camera: str) -> list[int]:
        return sorted({result.n_fit for result in self.results if result.camera == camera})

    def psnr(self, camera: str, direction: str, backbone: str, count: int) -> list[float]:
        """Return the mean PSNR over the test shots in dB, for each draw of the training shots."""
        about = camera, backbone, count
        found = [each for each in self.results if (each.camera, each.backbone, each.n_fit) == about]
        return [float(np.mean(result.psnr[direction])) for result in found]

    def table(self, camera: str, direction: str) -> tuple[list[str], list[list[str]]]:
        header = [f"{camera}, {DIRECTIONS[direction]}", *(f"{count} shots" for count in self.counts(camera))]
        rows = [
            [name, *(spread_text(self.psnr(camera, direction, name, count)) for count in self.counts(camera))]
            for name in self.backbones()
        ]
        return header, rows

    def plot(self) -> Figure:
        """Draw a panel for each camera and direction, with the standard deviation over the draws as a bar."""
        cameras = self.cameras()
        figure = Figure(figsize=(11, 3.6 * len(cameras) + 0.6), layout="constrained")
        axes = figure.subplots(len(cameras), 2, squeeze=False)
        for row, camera in zip(axes, cameras, strict=True):
            for axis, (direction, title) in zip(row, DIRECTIONS.items(), strict=True):
                self._draw(axis, camera, direction)
                axis.set_title(f"{camera}, {title}", fontsize=10)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
        return figure

    def _draw(self, axis: Any, camera: str, direction: str) -> None:
        counts = self.counts(camera)
        colors, markers = cycle(COLORS), cycle(MARKERS)
        for name in self.backbones():
            best = name == HIGHLIGHTED
            color = HIGHLIGHT if best else next(colors)
            draws = {count: self.psnr(camera, direction, name, count) for count in counts}
            known = [count for count in counts if draws[count]]
            if not known:  # it failed on this camera
                continue
            means, bars = zip(*(mean_and_spread(draws[count]) for count in known), strict=True)
            style = {"linewidth": 3 if best else 1.3, "marker": next(markers), "zorder": 3 if best else 2}
            axis.errorbar(known, means, bars, label=name, color=color, markersize=5, capsize=2, **style)
        axis.set_xscale("log")
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.minorticks_off()
        axis.set_xlabel("training shots")
        axis.set_ylabel("mean PSNR, dB")
        axis.grid(alpha=0.3)


def mean_and_spread(draws: Sequence[float]) -> tuple[float, float]:
    """Return the mean of the draws and their standard deviation, 0 for one draw."""
    return float(np.mean(draws)), float(np.std(draws, ddof=1)) if len(draws) > 1 else 0.0


def spread_text(draws: Sequence[float]) -> str:
    """Return the mean of the draws, with their standard deviation if there are several."""
    if not draws:
        return ""
    mean, spread = mean_and_spread(draws)
    return f"{mean:.2f} ± {spread:.2f}" if len(draws) > 1 else f"{mean:.2f}"


@click.command(help=__doc__)
@click.argument("cameras", nargs=-1, required=True)
@click.option(
    "--counts",
    default="5,10,20,40,80",
    show_default=True,
    metavar="N[,N...]",
    callback=parse_counts,
    help="Train on these numbers of shots.",
)
@backbone_options()
@comparison_options(max_steps=500, learning_rate=3e-3, batch_size=8, windows_per_image=4)
def few_shots(
    cameras: tuple[str, ...],
    counts: list[int],
    backbones: str,
    settings: tuple[str, ...],
    output: Path,
    seconds: float | None,
    n_seeds: int,
    n_samples: int,
    image_size: int,
    no_register: bool,
    device: str,
    jobs: int,
    **parameters: Any,
) -> int:
    families, rates = chosen_backbones(backbones, settings)
    budgets = budgets_of(Budget(parameters, seconds), families, rates)
    whole = prepare_pair_sets(cameras, output / "data", n_samples, image_size, register=not no_register)
    parts = {part: pair_set.name for pair_set in whole for part in with_fewer_shots(pair_set, counts)}
    runs = plan_runs(list(parts), families, budgets, n_seeds=n_seeds, device=device)
    results, failures = run_all(runs, output / "runs", n_jobs=jobs)
    camera_of = {part.name: camera for part, camera in parts.items()}
    results = [replace(result, camera=camera_of[result.camera]) for result in results]
    curves = Curves(results)
    tables = "\n".join(markdown_table(*curves.table(camera, way)) for camera in curves.cameras() for way in DIRECTIONS)
    (output / "few-shots.md").write_text(tables, encoding="utf-8")
    (output / "few-shots.csv").write_text(csv_text(Comparison(results)), encoding="utf-8")
    if results:
        curves.plot().savefig(output / "few-shots.png", dpi=100)
    print(tables)
    return report_failures(failures, len(runs))


if __name__ == "__main__":
    run(few_shots)
