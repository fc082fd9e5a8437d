"""``ispfit score``: how close a model is to the camera."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.baseline import comparison_table
from ispfit.cli.common import LeftOut, count, print_json, report_left_out
from ispfit.cli.model_test import load_model_test
from ispfit.cli.options import device_options, json_option, reading_options
from ispfit.errors import printable

if TYPE_CHECKING:
    from ispfit.comparison.shots import ShotMeasures

__all__ = ["score"]

_N_WORST = 3  # shots that are named


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
    """Compare the output of MODEL with the camera's on PAIRS: PSNR in each direction, SSIM, CIEDE2000, the worst shots.

    PAIRS is a pairs.csv or its folder, or RAW files and folders of them, as for `ispfit fit`. Of a table with a split
    "test", that is taken; --split all takes all. The backbone `parametric` is fitted and scored beside the model: to
    the training pairs if the table has a split "train", or else by cross-validation on PAIRS. Of pairs that the model
    was fitted to, the scores are too good.
    """
    from ispfit.comparison.shots import measure_shots

    test = load_model_test(model, pairs, split, device=device, precision=precision, **reading)
    shots = measure_shots(test.model, test.X, test.Y, test.baseline)
    values = {direction: [shot.psnr[direction] for shot in shots] for direction in test.model.networks_}
    if as_json:
        parametric = {"baseline": test.baseline.as_json() if test.baseline else None}
        print_json(_as_json(values, shots, test.left_out) | parametric)
    else:
        click.echo(count(len(shots), "pair"))
        click.echo(comparison_table("PSNR in dB", test.model.backbone_.name, values, test.baseline))
        _print_details(shots)
    return report_left_out(test.left_out, len(shots))


def _print_details(shots: Sequence[ShotMeasures]) -> None:
    """Print mean SSIM and CIEDE2000, and name the worst shots."""
    from ispfit.directions import DIRECTIONS

    means = {
        name: statistics.fmean(known)
        for name in ("ssim", "ciede2000")
        if (known := [value for shot in shots if (value := getattr(shot, name)) is not None])
    }
    if means:
        click.echo(", ".join(f"{name.upper()} {mean:.3f}" for name, mean in means.items()) + " (means, raw to sRGB)")
    if len(shots) > _N_WORST:
        for direction in shots[0].psnr:
            worst = sorted(shots, key=lambda shot: shot.psnr[direction])[:_N_WORST]
            names = ", ".join(f"{printable(shot.name)} {shot.psnr[direction]:.2f}" for shot in worst)
            click.echo(f"worst shots, {DIRECTIONS[direction]}, dB: {names}")


def _as_json(values: dict[str, list[float]], shots: Sequence[ShotMeasures], left_out: LeftOut) -> dict[str, Any]:
    from ispfit.metrics import psnr_summary

    directions: dict[str, Any] = {}
    for direction, psnrs in values.items():
        images = [{"name": shot.shot.name, "psnr": shot.psnr[direction]} for shot in shots]
        if direction == "forward":
            images = [
                image | {"ssim": shot.ssim, "ciede2000": shot.ciede2000}
                for image, shot in zip(images, shots, strict=True)
            ]
        directions[direction] = asdict(psnr_summary(psnrs)) | {"images": images}
    return {"unit": "dB", "directions": directions, "failures": left_out.failed, "rejected": left_out.rejected}
