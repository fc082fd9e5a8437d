"""``ispfit score``: how close a model is to the camera."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import LeftOut, count, load_for_command, print_json, psnr_table, report_left_out
from ispfit.cli.options import device_options, json_option, reading_options

__all__ = ["score"]


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

    PAIRS is a pairs.csv or its folder, or RAW files and folders of them, as for `ispfit fit`.
    """
    import ispfit

    fitted = ispfit.load(model, device=device).set_params(precision=precision)
    X, Y, left_out = load_for_command(pairs, split, **reading)
    values = {direction: fitted.psnr(X, Y, direction=direction).tolist() for direction in fitted.networks_}
    if as_json:
        print_json(_as_json(values, [image.shot.name for image in X], left_out))
    else:
        click.echo(count(len(X), "pair"))
        click.echo(psnr_table("PSNR in dB", values))
    return report_left_out(left_out, len(X))


def _as_json(values: dict[str, list[float]], names: list[str | None], left_out: LeftOut) -> dict[str, Any]:
    from ispfit.metrics import psnr_summary

    directions = {
        direction: asdict(psnr_summary(psnrs))
        | {"images": [{"name": name, "psnr": psnr} for name, psnr in zip(names, psnrs, strict=True)]}
        for direction, psnrs in values.items()
    }
    return {"unit": "dB", "directions": directions, "failures": left_out.failed, "rejected": left_out.rejected}
