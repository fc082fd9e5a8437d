"""``ispfit score``: how close a model is to the camera."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.baseline import baseline_for_command, comparison_table
from ispfit.cli.common import LeftOut, count, load_for_command, note_other_cameras, print_json, report_left_out
from ispfit.cli.options import device_options, json_option, reading_options
from ispfit.errors import printable

if TYPE_CHECKING:
    from ispfit.comparison.shots import ShotMeasures

__all__ = ["load_test_pairs", "score", "training_pairs"]

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
    "test", that is taken; --split all takes all. The backbone `parametric`
    is fitted and scored beside the model: to the pairs of the split "train", or else by cross-validation on PAIRS.
    """
    import ispfit
    from ispfit.comparison.shots import measure_shots

    fitted = ispfit.load(model, device=device).set_params(precision=precision)
    X, Y, left_out = load_test_pairs(pairs, split, **reading)
    note_other_cameras(fitted.camera_, [image.shot.camera for image in X])
    training = training_pairs(pairs, {image.shot.name for image in X}, **reading)
    baseline = baseline_for_command(fitted, (X, Y), training)
    shots = measure_shots(fitted, X, Y, baseline)
    values = {direction: [shot.psnr[direction] for shot in shots] for direction in fitted.networks_}
    if as_json:
        parametric = {"baseline": baseline.as_json() if baseline else None}
        print_json(_as_json(values, shots, left_out) | parametric)
    else:
        click.echo(count(len(X), "pair"))
        click.echo(comparison_table("PSNR in dB", fitted.backbone_.name, values, baseline))
        _print_details(shots)
    return report_left_out(left_out, len(X))


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


def load_test_pairs(pairs: tuple[Path, ...], split: str | None, **reading: Any) -> tuple[list[Any], list[Any], LeftOut]:
    """Load the pairs of `split`: "all", or without it those of the split "test" if the table has one."""
    from ispfit.datasets import list_splits

    if split is None and (n_test := list_splits(pairs).get("test")):
        click.echo(f"taking {count(n_test, 'pair')} of the split 'test'; --split all takes all", err=True)
        split = "test"
    return load_for_command(pairs, None if split == "all" else split, **reading)


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
