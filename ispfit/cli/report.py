"""``ispfit report``: one HTML file on how a model does on pairs."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import check_not_there, report_left_out
from ispfit.cli.model_test import load_model_test
from ispfit.cli.options import device_options, reading_options

__all__ = ["report"]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("pairs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    default="report.html",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to this HTML file.",
)
@click.option("--overwrite", is_flag=True, help="Replace the report that exists.")
@reading_options
@device_options
def report(
    model: Path,
    pairs: tuple[Path, ...],
    output: Path,
    overwrite: bool,
    split: str | None,
    device: str,
    precision: str,
    **reading: Any,
) -> int:
    """Write an HTML report on MODEL, measured on PAIRS.

    It shows the PSNR, the worst, median and best shots with sliders, and what the error depends on. The report is one
    file that opens in any browser without a network. PAIRS is a pairs.csv or its folder, or RAW files and folders of
    them, as for `ispfit score`.
    """
    from tqdm import tqdm

    from ispfit.datasets import list_splits
    from ispfit.report import write_report

    check_not_there(output, overwrite)
    test = load_model_test(model, pairs, split, device=device, precision=precision, **reading)
    data = {"pairs": ", ".join(map(str, pairs)), "split": split or "test, where the table has one"}
    splits = list_splits([str(path) for path in pairs])
    if splits:
        data["pairs by split"] = ", ".join(f"{name or 'none'} ({n})" for name, n in splits.items())
    left_out = [*test.left_out.failed, *test.left_out.rejected, *_rejected_before(pairs)]
    with tqdm(total=len(test.X), desc="measuring", unit="shot", disable=None) as bar:
        write_report(
            output,
            test.model,
            test.X,
            test.Y,
            baseline=test.baseline,
            data=data,
            left_out=left_out,
            on_shot=bar.update,
        )
    click.echo(f"{output}: {len(test.X)} shots, {output.stat().st_size / 1e6:.1f} MB")
    return report_left_out(test.left_out, len(test.X))


def _rejected_before(pairs: tuple[Path, ...]) -> list[str]:
    """Return a sentence for each shot that was rejected when the pairs were made."""
    from ispfit.pairs.record import left_out

    tables = [(path if path.is_dir() else path.parent) / "rejected.csv" for path in pairs]
    rejected = []
    for table in tables:
        with (
            suppress(OSError, KeyError, csv.Error, UnicodeDecodeError),
            table.open(newline="", encoding="utf-8") as file,
        ):
            rejected += [left_out(row["name"], row["reason"]) for row in csv.DictReader(file)]
    return rejected
