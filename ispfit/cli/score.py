"""``ispfit score``: how close a model is to the camera."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ispfit.cli.baseline import baseline_for_command, comparison_table
from ispfit.cli.common import LeftOut, count, load_for_command, print_json, report_left_out
from ispfit.cli.options import device_options, json_option, reading_options

__all__ = ["score", "training_pairs"]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("pairs", nargs=-1, required=True, type=click.Path(path_type=Path))
@reading_options
@device_options
@json_option("Print the figures as JSON, with those of each image.")
def score(
    model: Path,
    pairs: tuple[Path, ...],
    split: str | None,
    device: str,
    precision: str,
    as_json: bool,
    **reading: Any,
) -> int:
    """Compare the output of MODEL with the camera's on PAIRS: PSNR in each direction that was fitted.

    PAIRS is a pairs.csv or its folder, or RAW files and folders of them, as for `ispfit fit`. The backbone `parametric`
    is fitted and scored beside the model: to the pairs of the split "train", or else by cross-validation on PAIRS.
    """
    import ispfit

    fitted = ispfit.load(model, device=device).set_params(precision=precision)
    X, Y, left_out = load_for_command(pairs, split, **reading)
    training = training_pairs(pairs, {image.shot.name for image in X}, **reading)
    baseline = baseline_for_command(fitted, (X, Y), training)
    values = {direction: fitted.psnr(X, Y, direction=direction).tolist() for direction in fitted.networks_}
    if as_json:
        parametric = {"baseline": baseline.as_json() if baseline else None}
        print_json(_as_json(values, [image.shot.name for image in X], left_out) | parametric)
    else:
        click.echo(count(len(X), "pair"))
        click.echo(comparison_table("PSNR in dB", fitted.backbone_.name, values, baseline))
    return report_left_out(left_out, len(X))


def training_pairs(
    pairs: tuple[Path, ...], scored: set[str | None], **reading: Any
) -> tuple[list[Any], list[Any]] | None:
    """Return the pairs of the split "train" that are not scored; None if the table has none."""
    from ispfit.datasets import list_splits
    from ispfit.errors import FileError

    if "train" not in list_splits(pairs):
        return None
    try:
        X, Y, _ = load_for_command(pairs, "train", **reading)
    except FileError:  # none of them can be read
        return None
    kept = [index for index, image in enumerate(X) if image.shot.name not in scored]
    return ([X[index] for index in kept], [Y[index] for index in kept]) if kept else None


def _as_json(values: dict[str, list[float]], names: list[str | None], left_out: LeftOut) -> dict[str, Any]:
    from ispfit.metrics import psnr_summary

    directions = {
        direction: asdict(psnr_summary(psnrs))
        | {"images": [{"name": name, "psnr": psnr} for name, psnr in zip(names, psnrs, strict=True)]}
        for direction, psnrs in values.items()
    }
    return {"unit": "dB", "directions": directions, "failures": left_out.failed, "rejected": left_out.rejected}
