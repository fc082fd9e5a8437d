"""Whether the standard deviations of `photofinish` are true: how many errors on shots that were left out they cover.

    python benchmarks/accuracy/calibration.py -o OUTPUT CAMERA ... [--folds 5]

A camera is what `ispfit compare` takes. Its pairs are dealt to folds, scene by scene, and each fold is rendered by a
model that is fitted to the others; `--folds 1` takes the test pairs of `ispfit compare` instead. Counted are the values
of all pixels, and the mean exposures: log2 of the ratio of mean linear light, rendered to true. Prints a table of how
many lie within 1 and 1.96 standard deviations, which should be 68 % and 95 %, and writes it to OUTPUT/calibration.md;
OUTPUT/calibration.png draws the share covered against the share that should be, a line for each camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, TypeAlias

import click
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ispfit import ISPModel
from ispfit.cli import run
from ispfit.cli.compare_options import folds_option, pair_set_options
from ispfit.cli.options import device_options
from ispfit.color import srgb_to_linear
from ispfit.comparison import PairSet, markdown_table, prepare_pair_sets
from ispfit.directions import DIRECTIONS

LEVELS = (*np.arange(0.05, 1, 0.05), 0.6827, 0.99)  # 0.95 among them
WIDTHS = np.array([NormalDist().inv_cdf((1 + level) / 2) for level in LEVELS])  # in standard deviations
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # M. Okabe and K. Ito, 2008
QUANTITIES = ("pixels", "mean exposures")

_Array: TypeAlias = npt.NDArray[Any]


class Calibration:
    """How many errors of pixels and of exposures lie within the widths, in one direction of a camera."""

    def __init__(self) -> None:
        self.within = {quantity: np.zeros(len(LEVELS)) for quantity in QUANTITIES}
        self.counts = dict.fromkeys(QUANTITIES, 0)
        self.exposures: list[tuple[float, float]] = []

    def add(self, direction: str, truth: _Array, rendered: _Array, std: _Array, exposure_std: float) -> None:
        error = exposure_error(direction, truth, rendered)
        self.exposures.append((error, exposure_std))
        for quantity, errors, stds in (
            ("pixels", rendered - truth, std),
            ("mean exposures", np.array([error]), np.array([exposure_std])),
        ):
            ordered = np.sort(np.abs(errors).ravel() / np.maximum(stds.ravel(), 1e-9))
            self.within[quantity] += np.searchsorted(ordered, WIDTHS, side="right")
            self.counts[quantity] += ordered.size

    def covered(self, quantity: str, level: float) -> float:
        """Return the share of the errors within the width of a level."""
        return float(self.within[quantity][int(np.argmin(np.abs(np.array(LEVELS) - level)))] / self.counts[quantity])

    def cells(self) -> list[str]:
        shares = [f"{100 * self.covered(quantity, level):.0f} %" for quantity in QUANTITIES for level in (0.6827, 0.95)]
        error, std = np.sqrt(np.mean(np.square(self.exposures), 0))
        return [str(len(self.exposures)), *shares, f"{error:.3f}", f"{std:.3f}"]


def exposure_error(direction: str, truth: _Array, rendered: _Array) -> float:
    """Return log2 of the ratio of mean linear light, rendered to true."""
    sides = [srgb_to_linear(side) if direction == "forward" else side for side in (rendered, truth)]
    return float(np.log2(np.mean(sides[0], dtype=float) / np.mean(sides[1], dtype=float)))


def measure(pair_set: PairSet, n_folds: int, **runtime: Any) -> dict[str, Calibration]:
    """Return the calibration of each direction; `runtime` are the device and precision of the models."""
    found = {direction: Calibration() for direction in DIRECTIONS}
    for fold in pair_set.folds(n_folds):
        fit, test = fold.load()
        model = ISPModel("photofinish", random_state=0, **runtime).fit(*fit)
        for direction, calibration in found.items():
            inputs, targets = test if direction == "forward" else test[::-1]
            render = model.transform if direction == "forward" else model.inverse_transform
            for image, truth in zip(inputs, targets, strict=True):
                [rendered], [std] = render([image], return_std=True)
                [exposure_std] = model.exposure_std([image], direction)
                calibration.add(direction, np.asarray(truth), np.asarray(rendered), np.asarray(std), exposure_std)
    return found


def table(found: dict[str, dict[str, Calibration]]) -> str:
    header = ["camera", "direction", "shots", "pixels in 1 std", "in 1.96", "exposures in 1 std", "in 1.96"]
    rows = [
        [camera, DIRECTIONS[direction], *calibration.cells()]
        for camera, directions in found.items()
        for direction, calibration in directions.items()
    ]
    return markdown_table([*header, "rms error, EV", "rms std, EV"], rows)


def plot(found: dict[str, dict[str, Calibration]]) -> Figure:
    """Draw a panel for each direction and quantity, with the shares that were asked for in grey."""
    figure = Figure(figsize=(9, 9), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    order = np.argsort(LEVELS)
    nominal = 100 * np.array(LEVELS)[order]
    for row, quantity in zip(axes, QUANTITIES, strict=True):
        for axis, (direction, title) in zip(row, DIRECTIONS.items(), strict=True):
            axis.plot([0, 100], [0, 100], color="#999999", linewidth=1)
            for level, low, high in ((68.27, 60, 76), (95, 90, 98)):
                axis.plot([level, level], [low, high], color="#999999", linewidth=6, alpha=0.5, solid_capstyle="butt")
            for color, (camera, directions) in zip(COLORS, found.items(), strict=False):
                calibration = directions[direction]
                observed = 100 * calibration.within[quantity][order] / calibration.counts[quantity]
                axis.plot(nominal, observed, color=color, label=camera, linewidth=1.8)
            axis.set_title(f"{quantity}, {title}", fontsize=10)
            axis.set_aspect("equal")
            axis.grid(alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("share of errors that the interval should cover, %")
    for axis in axes[:, 0]:
        axis.set_ylabel("share that it covers, %")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


@click.command(help=__doc__)
@click.argument("cameras", nargs=-1, required=True)
@folds_option(default=5)
@pair_set_options
@device_options
def calibration(
    cameras: Sequence[str],
    n_folds: int,
    output: Path,
    n_samples: int,
    image_size: int,
    no_register: bool,
    **runtime: Any,
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    pair_sets = prepare_pair_sets(cameras, output / "data", n_samples, image_size, register=not no_register)
    found = {}
    for pair_set in pair_sets:
        found[pair_set.name] = measure(pair_set, n_folds, **runtime)
        print(table({pair_set.name: found[pair_set.name]}), flush=True)
    text = table(found)
    print(text)
    (output / "calibration.md").write_text(text, encoding="utf-8")
    plot(found).savefig(output / "calibration.png", dpi=100)


if __name__ == "__main__":
    run(calibration)
