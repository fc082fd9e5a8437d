"""``ispfit report``: one HTML file on how a model does on pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ispfit.cli.baseline import baseline_for_command
from ispfit.cli.common import note_other_cameras, report_left_out
from ispfit.cli.options import device_options, reading_options
from ispfit.cli.score import load_test_pairs, training_pairs

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

    import ispfit
    from ispfit.report import write_report

    if output.exists() and not overwrite:
        raise click.UsageError(f"{output} exists; use --overwrite to replace it.")
    fitted = ispfit.load(model, device=device).set_params(precision=precision)
    X, Y, left_out = load_test_pairs(pairs, split, **reading)
    note_other_cameras(fitted.camera_, [image.shot.camera for image in X])
    training = training_pairs(pairs, {image.shot.name for image in X}, **reading)
    baseline = baseline_for_command(fitted, (X, Y), training)
    data = {"pairs": ", ".join(map(str, pairs)), "split": split or "test, where the table has one"}
    sentences = [*left_out.failed, *left_out.rejected]
    with tqdm(total=len(X), desc="measuring", unit="shot", disable=None) as bar:
        write_report(output, fitted, X, Y, baseline=baseline, data=data, left_out=sentences, on_shot=bar.update)
    click.echo(f"{output}: {len(X)} shots, {output.stat().st_size / 1e6:.1f} MB")
    return report_left_out(left_out, len(X))
