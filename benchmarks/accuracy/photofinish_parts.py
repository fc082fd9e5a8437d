"""What each part of `photofinish` is worth, and what is lost because a scene does not tell its parameters.

    python benchmarks/accuracy/photofinish_parts.py -o OUTPUT CAMERA ...

A camera is what `ispfit compare` takes. The rows of one map use one of the four maps of colours instead of their mean,
and predict gain and coefficients. The mean of all four starts with gains alone, and each row adds a part. The rows of
the oracles take the gain of a test shot, all of its parameters, or a whole table of colours from the test shot itself.
Prints one table with differences from `photofinish`. Writes parts.md, with intervals, and parts.csv to OUTPUT. A
stopped run resumes, except for the oracles.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import torch
from oracles import ORACLES, oracle_rendering
from torch import Tensor

from ispfit.backbone import Backbone, Network
from ispfit.backbones.parametric import Parametric
from ispfit.backbones.parts.scene_regression import SceneRegression
from ispfit.backbones.photofinish import Photofinish, PhotofinishNetwork
from ispfit.cli import run
from ispfit.cli.common import report_failures
from ispfit.cli.compare_options import comparison_options
from ispfit.comparison import (
    Budget,
    Comparison,
    Run,
    RunResult,
    csv_text,
    markdown,
    markdown_table,
    plan_runs,
    prepare_pair_sets,
    run_all,
    summary_table,
)
from ispfit.directions import DIRECTIONS
from ispfit.images import Image
from ispfit.metrics import psnr
from ispfit.runtime import resolve_runtime

REFERENCE, WITHOUT_RESIDUAL = "photofinish", "+ local lift"


class GainOnly(SceneRegression):
    """Predicts the gains; all coefficients are 0."""

    def fit(
        self, statistics: Tensor, parameters: npt.NDArray[np.float64], groups: Sequence[Hashable]
    ) -> npt.NDArray[np.float64]:
        return super().fit(statistics, parameters * self.is_gain, groups)


def no_neighbourhood(small: Tensor) -> Tensor:
    """Stand in for the brightness of the neighbourhoods, which the lift follows."""
    return torch.zeros(len(small), 1, 2, 2)


class Reduced(Photofinish):
    """`Photofinish` without its residual and its "lift", or without all "coefficients" of a shot."""

    def __init__(self, without: str = "lift", control_points: int = 300, max_shots: int = 400) -> None:
        super().__init__(control_points, max_shots, residual=False)
        self.without = without

    def build(self) -> Network:
        network = super().build()
        assert isinstance(network, PhotofinishNetwork)
        for direction in (network.rendering, network.derendering):
            direction.brightness = no_neighbourhood  # type: ignore[method-assign]
            if self.without == "coefficients":
                whole = direction.regression
                sizes = len(whole.mean), len(whole.offset), len(whole.shots), whole.gain_every
                direction.regression = GainOnly(*sizes, whole.trends, whole.doubt)
        return network


class OneMap(Photofinish):
    """`Photofinish` without its residual, and with one of its maps of colours instead of their mean."""

    def __init__(self, number: int = 0, control_points: int = 300, max_shots: int = 400) -> None:
        super().__init__(control_points, max_shots, residual=False)
        self.number = number

    def build(self) -> Network:
        self.check_settings()
        return OneMapNetwork(self.number, self.control_points, self.max_shots)


class OneMapNetwork(PhotofinishNetwork):
    """The network of `OneMap`."""

    def __init__(self, number: int, control_points: int, max_shots: int) -> None:
        super().__init__(control_points, max_shots)
        self.number = number

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        super().fit_pairs(pairs)
        for direction in (self.rendering, self.derendering):
            direction.weights.copy_(torch.eye(len(direction.weights))[self.number])


def variants() -> dict[str, Backbone]:
    """Return the rows that are models: one map each, then the mean of all, with one more part a row.

    `photofinish` itself uses the residual network only where it helps in scenes that were held out.
    """
    maps = ("sharp", "sharp, gains divided out", "smooth", "smooth, gains divided out")
    return {
        "one map of colours (parametric)": Parametric(),
        **{f"one map, {name}": OneMap(number) for number, name in enumerate(maps)},
        "+ gain": Reduced("coefficients"),
        "+ tone, saturation, tint": Reduced("lift"),
        WITHOUT_RESIDUAL: Photofinish(residual=False),
        "+ residual network": Photofinish(residual=True),
        REFERENCE: Photofinish(),
    }


def oracle_results(planned: Run, result: RunResult, folder: Path) -> list[RunResult]:
    """Return the results of all oracles on the test shots of a run of `photofinish` without its residual."""
    fit, test = planned.pair_set.load(draw=planned.seed)
    network, runtime = planned.fit(fit, folder).networks_["forward"], resolve_runtime("cpu", "fp32")
    pairs = [(Image(raw), Image(srgb)) for raw, srgb in zip(*test, strict=True)]
    results = []
    for name in ORACLES:
        values = {
            direction: [
                psnr(pair[direction == "forward"], oracle_rendering(name, network, direction, pair, runtime))
                for pair in pairs
            ]
            for direction in DIRECTIONS
        }
        results.append(replace(result, backbone=name, psnr=values))
    return results


@click.command(help=__doc__)
@click.argument("cameras", nargs=-1, required=True)
@comparison_options(max_steps=500, learning_rate=3e-3, batch_size=8, windows_per_image=4)
def photofinish_parts(
    cameras: tuple[str, ...],
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
    pair_sets = prepare_pair_sets(cameras, output / "data", n_samples, image_size, register=not no_register)
    runs = plan_runs(pair_sets, variants(), Budget(parameters, seconds), n_seeds=n_seeds, device=device)
    results, failures = run_all(runs, output / "runs", n_jobs=jobs)
    for planned in runs:
        if planned.label == WITHOUT_RESIDUAL and (result := planned.result(output / "runs")):
            results += oracle_results(planned, result, output / "runs")
    comparison = Comparison(results, REFERENCE)
    (output / "parts.md").write_text(markdown(comparison), encoding="utf-8")
    (output / "parts.csv").write_text(csv_text(comparison), encoding="utf-8")
    print(markdown_table(*summary_table(comparison)))
    return report_failures(failures, len(runs))


if __name__ == "__main__":
    run(photofinish_parts)
