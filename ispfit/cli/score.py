"""``ispfit score``: how near a model comes to the camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import load_any_pairs, print_json, report_failures, table

__all__ = ["psnr_row", "score"]

HEADER = ("PSNR in dB", "mean", "median", "min", "max")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("pairs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--split", help="Take only these pairs of a pairs.csv, such as test.")
@click.option(
    "--size", type=click.IntRange(16), default=512, show_default=True, help="Reduce RAW files to this many pixels."
)
@click.option("--full-size", is_flag=True, help="Do not reduce RAW files.")
@click.option("--crop", nargs=4, type=float, help="Take only this part: fractions LEFT TOP RIGHT BOTTOM.")
@click.option("--device", default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto", show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes that read files.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers, of each image too, as JSON.")
def score(
    model: Path,
    pairs: tuple[Path, ...],
    split: str | None,
    size: int,
    full_size: bool,
    crop: tuple[float, ...] | None,
    device: str,
    precision: str,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Compare what MODEL makes of PAIRS with what the camera made: PSNR in each direction that was fitted."""
    import ispfit

    fitted = ispfit.load(model, device=device).set_params(precision=precision)
    X, Y, failures = load_any_pairs(pairs, split, None if full_size else size, crop, jobs)
    values = {direction: fitted.psnr(X, Y, direction=direction).tolist() for direction in fitted.networks_}
    if as_json:
        print_json(_as_json(values, [image.shot.name for image in X], failures))
    else:
        click.echo(f"{len(X)} pairs")
        click.echo(table(HEADER, [psnr_row(direction, psnrs) for direction, psnrs in values.items()]))
    return report_failures(failures, len(X) + len(failures))


def psnr_row(label: str, values: list[float]) -> list[str]:
    """A line of the table: mean, median, min and max, as in Table 1 of the paper."""
    from ispfit.metrics import psnr_summary

    return [label, *(f"{value:.2f}" for value in psnr_summary(values).as_dict().values())]


def _as_json(values: dict[str, list[float]], names: list[str | None], failures: list[str]) -> dict[str, Any]:
    from ispfit.metrics import psnr_summary

    directions = {
        direction: psnr_summary(psnrs).as_dict()
        | {"images": [{"name": name, "psnr": psnr} for name, psnr in zip(names, psnrs, strict=True)]}
        for direction, psnrs in values.items()
    }
    return {"unit": "dB", "directions": directions, "failures": failures}
