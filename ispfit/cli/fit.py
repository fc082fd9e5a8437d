"""``ispfit fit``: fit a camera to pairs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import DONE, load_any_pairs, print_json, report_failures

__all__ = ["fit", "known_settings", "parse_settings"]


@click.command()
@click.argument("pairs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The model file to write.")
@click.option("--backbone", default="histpyramid", show_default=True, help="A name of `ispfit backbones`.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the backbone; repeatable.")
@click.option("--direction", type=click.Choice(["both", "forward", "inverse"]), default="both", show_default=True)
@click.option("--split", help="Take only these pairs of a pairs.csv, such as train.")
@click.option(
    "--size", type=click.IntRange(16), default=512, show_default=True, help="Reduce RAW files to this many pixels."
)
@click.option("--full-size", is_flag=True, help="Do not reduce RAW files.")
@click.option("--crop", nargs=4, type=float, help="Take only this part: fractions LEFT TOP RIGHT BOTTOM.")
@click.option("--max-steps", type=int, default=4000, show_default=True)
@click.option("--learning-rate", type=float, default=1e-3, show_default=True)
@click.option("--batch-size", type=int, default=4, show_default=True, help="Images a step.")
@click.option("--windows-per-image", type=int, default=16, show_default=True)
@click.option("--window-size", type=int, default=32, show_default=True, help="Pixels.")
@click.option("--validation-fraction", type=float, default=0.1, show_default=True)
@click.option("--device", default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes that read files.  [default: one a core]")
@click.option("--overwrite", is_flag=True, help="Replace the model file if it exists.")
@click.option("--restart", is_flag=True, help="Do not continue from the checkpoint of a run that was stopped.")
@click.option("--json", "as_json", is_flag=True, help="Print the training record as JSON.")
def fit(
    pairs: tuple[Path, ...],
    output: Path,
    backbone: str,
    settings: tuple[str, ...],
    split: str | None,
    size: int,
    full_size: bool,
    crop: tuple[float, ...] | None,
    seed: int,
    jobs: int | None,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    **parameters: Any,
) -> int:
    """Fit a camera model to PAIRS and write it to a file.

    PAIRS is a pairs.csv or its folder, or RAW files and folders of them: then the JPEG of the same name is the camera's
    rendering, or the JPEG embedded in the RAW. A run that was stopped goes on from its checkpoint, OUTPUT.checkpoint.
    Started by torchrun, its processes share each step, a GPU each where there are GPUs.
    """
    from ispfit import ISPModel, get_backbone
    from ispfit.training import joined_ranks

    if output.is_dir():
        raise click.UsageError(f"{output}: expected a file to write, got a folder.")
    if output.exists() and not overwrite:
        raise click.UsageError(f"{output} exists; use --overwrite to replace it.")
    if not output.absolute().parent.is_dir():
        raise click.UsageError(f"{output}: there is no folder {output.parent}.")
    family = get_backbone(backbone)()
    family.set_params(**known_settings(parse_settings(settings), family.get_params(), backbone))
    checkpoint = output.with_name(output.name + ".checkpoint")
    with joined_ranks() as ranks:
        with ranks.one_before_others():  # the first of a machine decodes into the cache, the others find it there
            X, Y, failures = load_any_pairs(pairs, split, None if full_size else size, crop, jobs or ranks.cores())
        if restart and ranks.leads:
            shutil.rmtree(checkpoint, ignore_errors=True)
        if ranks.leads and checkpoint.exists():
            click.echo(f"going on from {checkpoint}; --restart starts anew", err=True)
        ranks.any(False)  # all wait until the old checkpoint is gone
        model = ISPModel(family, random_state=seed, verbose=int(ranks.leads), **parameters)
        model.fit(X, Y, checkpoint=checkpoint)
        if not ranks.leads:
            return DONE
        model.save(output)
        shutil.rmtree(checkpoint, ignore_errors=True)
    records = {direction: record.as_dict() for direction, record in model.records_.items()}
    if as_json:
        print_json({"model": str(output), "camera": model.camera_, "records": records, "failures": failures})
    else:
        for direction, record in model.records_.items():
            held_out = f"{record.n_validation} held-out pair{'s' if record.n_validation > 1 else ''}"
            best = f", {record.best_psnr:.2f} dB on {held_out}" if record.best_psnr else ""
            ended = " (it no longer improved)" if record.stopped_early else ""
            steps = f"{record.steps} steps{ended} on" if record.steps else "fitted to"
            click.echo(f"{direction}: {steps} {record.n_train} pairs in {record.seconds:.0f} s{best}")
        click.echo(f"{output}")
    return report_failures(failures, len(X) + len(failures))


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """``NAME=VALUE`` strings as a dict; values are JSON, or else strings."""
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise click.UsageError(f"--set: expected NAME=VALUE, got {setting!r}.")
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name] = value
    return parsed


def known_settings(settings: dict[str, Any], parameters: dict[str, Any], backbone: str) -> dict[str, Any]:
    """`settings`, if the backbone has parameters of these names."""
    for name in settings:
        if name not in parameters:
            raise click.UsageError(
                f"--set: backbone {backbone} has no parameter {name!r}; it has {', '.join(parameters)}."
            )
    return settings
