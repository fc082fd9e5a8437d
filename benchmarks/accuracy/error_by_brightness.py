"""The error of backbones by the brightness of the truth, clipped pixels apart.

    python benchmarks/accuracy/error_by_brightness.py -o OUTPUT CAMERA ... [--backbones photofinish,parametric,...]
    python benchmarks/accuracy/error_by_brightness.py -o OUTPUT CAMERA --model FILE [--model FILE]

A camera is what `ispfit compare` takes. Backbones are fitted with the seed 0, unless models are given. Brightness is
the mean of R, G and B of the truth, of a raw to the power of 1/2.2. A pixel is clipped if a channel is, in srgb
(255) or in raw (0.98 and more). Each cell holds the PSNR over all pixels of a bin of all test shots, the mean absolute
error and the mean error in 8-bit codes (of a raw: linear, times 255). Prints the tables, and writes them to
OUTPUT/error-by-brightness.md; fitted models are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import numpy.typing as npt

from ispfit.cli import run
from ispfit.cli.compare import budgets_of, chosen_backbones
from ispfit.cli.compare_options import backbone_options, budget_options, pair_set_options
from ispfit.cli.options import device_options
from ispfit.comparison import Budget, markdown_table, plan_runs, prepare_pair_sets
from ispfit.comparison.pair_sets import Pairs
from ispfit.directions import DIRECTIONS
from ispfit.estimator import ISPModel
from ispfit.metrics import psnr_from_mse

EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
BINS = (*(f"{low:.1f} to {high:.1f}" for low, high in pairwise(EDGES)), "srgb clipped", "raw clipped", "all")
CLIPPED_SRGB, CLIPPED_RAW = 254.5 / 255, 0.98

_Array: TypeAlias = npt.NDArray[Any]


def bins_of(raw: _Array, srgb: _Array, direction: str) -> _Array:
    """Return the index into `BINS` of each pixel of a pair, int (H, W); raw clips before srgb."""
    truth = srgb if direction == "forward" else raw.clip(0) ** (1 / 2.2)
    found: _Array = np.searchsorted(EDGES[1:-1], truth.mean(2), side="right")
    found[srgb.max(2) >= CLIPPED_SRGB] = BINS.index("srgb clipped")
    found[raw.max(2) >= CLIPPED_RAW] = BINS.index("raw clipped")
    return found


class Errors:
    """Sums over the pixels of each bin: their number, squared, absolute and signed errors."""

    def __init__(self) -> None:
        self.sums = np.zeros((len(BINS), 4))

    def add(self, index: _Array, truth: _Array, estimate: _Array) -> None:
        error = estimate.astype(np.float64) - truth
        for column, values in enumerate((np.ones_like(error), error**2, np.abs(error), error)):
            sums = np.bincount(index.ravel(), values.mean(2).ravel(), len(BINS))
            self.sums[:, column] += sums
            self.sums[-1, column] += sums.sum()

    def shares(self) -> list[str]:
        return [f"{100 * count / self.sums[-1, 0]:.1f} %" for count in self.sums[:, 0]]

    def cells(self) -> list[str]:
        """Return PSNR in dB, mean absolute and mean error in codes for each bin."""
        return [
            f"{psnr_from_mse(squared / count):.1f} dB, {255 * absolute / count:.1f} ({255 * signed / count:+.1f})"
            if count
            else ""
            for count, squared, absolute, signed in self.sums
        ]


def measure(model: ISPModel, test: Pairs, direction: str) -> Errors:
    """Return the errors of a model on whole test images."""
    errors = Errors()
    for raw, srgb in zip(*test, strict=True):
        source, truth = (raw, srgb) if direction == "forward" else (srgb, raw)
        [estimate] = model.transform([source]) if direction == "forward" else model.inverse_transform([source])
        errors.add(bins_of(np.asarray(raw), np.asarray(srgb), direction), np.asarray(truth), estimate)
    return errors


def tables(camera: str, models: dict[str, ISPModel], test: Pairs) -> Iterator[str]:
    for direction, title in DIRECTIONS.items():
        columns = {name: measure(model, test, direction) for name, model in models.items()}
        shares = next(iter(columns.values())).shares()
        rows = zip(BINS, shares, *(errors.cells() for errors in columns.values()), strict=True)
        yield markdown_table([f"{camera}, {title}", "pixels", *columns], [list(row) for row in rows])


def loaded(files: Sequence[Path], device: str) -> dict[str, ISPModel]:
    return {file.stem: ISPModel.load(file, device=device) for file in files}


@click.command(help=__doc__)
@click.argument("cameras", nargs=-1, required=True)
@click.option(
    "--model", "files", multiple=True, type=click.Path(path_type=Path), help="Measure this model. Repeat for more."
)
@backbone_options("photofinish,parametric,histpyramid")
@pair_set_options
@budget_options(max_steps=500, learning_rate=3e-3, batch_size=8, windows_per_image=4)
@device_options
def error_by_brightness(
    cameras: tuple[str, ...],
    files: tuple[Path, ...],
    backbones: str,
    settings: tuple[str, ...],
    output: Path,
    seconds: float | None,
    n_samples: int,
    image_size: int,
    no_register: bool,
    device: str,
    **parameters: Any,
) -> None:
    families, rates = chosen_backbones(backbones, settings)
    budgets = budgets_of(Budget(parameters, seconds), families, rates)
    (output / "models").mkdir(parents=True, exist_ok=True)
    text = []
    for pair_set in prepare_pair_sets(cameras, output / "data", n_samples, image_size, register=not no_register):
        models = loaded(files, device) or {
            planned.label: planned.fitted_model(output / "models")
            for planned in plan_runs([pair_set], families, budgets, device=device)
        }
        for table in tables(pair_set.name, models, pair_set.load()[1]):
            print(table, flush=True)
            text.append(table)
    (output / "error-by-brightness.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    run(error_by_brightness)
