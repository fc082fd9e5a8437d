"""A comparison as text: tables, Markdown, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from ispfit.comparison.statistics import Comparison, Statistic
from ispfit.directions import DIRECTIONS
from ispfit.metrics import psnr_summary

__all__ = [
    "cautions",
    "comparison_table",
    "csv_text",
    "describe_budget",
    "describe_parameters",
    "markdown",
    "markdown_table",
    "summary_table",
]

_FEW_SHOTS = 12  # with fewer, an interval is too narrow: see `Statistic`


def comparison_table(comparison: Comparison, camera: str, direction: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: Table 1 of Nam & Kim, with intervals, differences and costs. PSNR is in dB."""
    header = [DIRECTIONS[direction], "mean", "95 %", "median", "min", "max", f"against {comparison.reference}"]
    header += ["seeds", "steps", "time, both ways", "weights"]
    rows = [_row(comparison, camera, backbone, direction) for backbone in comparison.backbones(camera)]
    return header, rows + _published_rows(comparison, direction)


def _row(comparison: Comparison, camera: str, backbone: str, direction: str) -> list[str]:
    results = comparison.results_of(camera, backbone)
    values = comparison.psnr(camera, backbone, direction)
    mean, summary = Statistic.of(values), psnr_summary(values)
    difference = comparison.difference(camera, backbone, direction)
    steps = results[0].steps
    return [
        backbone,
        f"{mean.mean:.2f}",
        f"{mean.low:.2f} to {mean.high:.2f}",
        *(f"{value:.2f}" for value in (summary.median, summary.min, summary.max)),
        f"{difference.mean:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})" if difference else "",
        str(len(results)),
        str(steps.get(direction, steps.get("forward", 0))),  # an invertible backbone trains forward alone
        f"{np.mean([result.seconds for result in results]):.0f} s",
        f"{results[0].weights:,}",
    ]


def _published_rows(comparison: Comparison, direction: str) -> list[list[str]]:
    return [
        [f"{name} (paper, {camera})", f"{mean:.2f}", "", f"{median:.2f}", f"{low:.2f}", f"{high:.2f}", *[""] * 5]
        for camera, directions in comparison.published.items()
        for name, (mean, median, low, high) in directions.get(direction, {}).items()
    ]


def summary_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: the mean PSNR in dB of each backbone on all cameras, and its difference in brackets."""
    columns = [(camera, direction) for camera in comparison.cameras for direction in DIRECTIONS]
    names = dict.fromkeys(result.backbone for result in comparison.results)
    header = ["mean PSNR, dB", *(f"{camera}, {DIRECTIONS[direction]}" for camera, direction in columns)]
    return header, [[name, *(_mean(comparison, camera, name, way) for camera, way in columns)] for name in names]


def _mean(comparison: Comparison, camera: str, backbone: str, direction: str) -> str:
    if not comparison.results_of(camera, backbone):
        return ""
    difference = comparison.difference(camera, backbone, direction)
    mean = comparison.psnr(camera, backbone, direction).mean()
    return f"{mean:.2f}" + (f" ({difference.mean:+.2f})" if difference else "")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as Markdown, with a newline at its end."""
    return "".join(f"| {' | '.join(line)} |\n" for line in [header, ["---"] * len(header), *rows])


def markdown(comparison: Comparison) -> str:
    """Return all tables, the parameters, the budget and the cautions as Markdown."""
    parts = [markdown_table(*summary_table(comparison))]
    for camera in comparison.cameras:
        first = comparison.results_of(camera)[0]
        folds = f" in each of {first.n_folds} folds" if first.n_folds > 1 else ""
        n_test = len(first.shots)
        parts.append(f"## {camera}\n\n{first.n_fit} training pairs{folds}, {n_test} test pairs. PSNR in dB.\n")
        for direction in DIRECTIONS:
            parts.append(markdown_table(*comparison_table(comparison, camera, direction)))
    parts.append(f"Parameters: {describe_parameters(comparison)}.\n\n{describe_budget(comparison)}\n")
    parts += [f"{caution}\n" for caution in cautions(comparison)]
    return "\n".join(parts)


def describe_budget(comparison: Comparison) -> str:
    """Return the budget as a sentence, with the learning rate of each backbone if they differ."""
    budgets = {result.backbone: result.budget for result in comparison.results if any(result.steps.values())}
    if not budgets:
        return "Budget: no backbone was trained by steps."
    first, *_ = budgets.values()
    limit = f"{first['max_steps']} steps" if first["seconds"] is None else f"{first['seconds']:g} s"
    rates = {name: f"{budget['learning_rate']:g}" for name, budget in budgets.items()}
    same = len(set(rates.values())) == 1
    rate = rates.popitem()[1] if same else ", ".join(f"{name} {value}" for name, value in rates.items())
    return (
        f"Budget: {limit} per direction, each step with {first['batch_size']} images x {first['windows_per_image']} "
        f"windows of {first['window_size']} x {first['window_size']} pixels; learning rate {rate}."
    )


def describe_parameters(comparison: Comparison) -> str:
    """Return the parameters of each backbone, and whether it lacks the pretrained weights that it could have."""
    texts = []
    for backbone, settings in {result.backbone: result.settings for result in comparison.results}.items():
        text = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        untrained = "; random initial weights, not pretrained ones" if settings.get("weights", "") is None else ""
        texts.append(f"{backbone} ({text}{untrained})")
    return "; ".join(texts)


def cautions(comparison: Comparison) -> list[str]:
    """Return a sentence for each camera that has too few test shots for its intervals."""
    counts = {camera: len(comparison.results_of(camera)[0].shots) for camera in comparison.cameras}
    return [
        f"{camera}: only {count} test shots. With fewer than {_FEW_SHOTS}, the 95 % intervals are too narrow."
        for camera, count in counts.items()
        if count < _FEW_SHOTS
    ]


def csv_text(comparison: Comparison) -> str:
    """Return a CSV table with one line per run, direction and test shot; PSNR is in dB.

    The column ``n_fit`` is the number of training pairs.
    """
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["camera", "n_fit", "backbone", "seed", "direction", "shot", "psnr"])
    for result in comparison.results:
        for direction, values in result.psnr.items():
            for shot, value in zip(result.shots, values, strict=True):
                about = [result.camera, result.n_fit, result.backbone, result.seed, direction, shot]
                table.writerow([*about, f"{value:.4f}"])
    return text.getvalue()
