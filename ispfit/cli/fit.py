"""``ispfit fit``: fit a camera to pairs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.common import DONE, load_any_pairs, print_json, report_failures
from ispfit.cli.options import (
    device_options,
    json_option,
    known_settings,
    parse_settings,
    reading_options,
    training_options,
)

if TYPE_CHECKING:
    from ispfit.training import TrainingRecord

__all__ = ["fit"]


@click.command()
@click.argument("pairs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Write the model to this file.")
@click.option(
    "--backbone", default="histpyramid", show_default=True, help="Fit this backbone, one that `ispfit backbones` lists."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter of the backbone. VALUE is JSON (8, true, [16, 4]) or a word. Repeat for more parameters.",
)
@click.option(
    "--direction",
    type=click.Choice(["both", "forward", "inverse"]),
    default="both",
    show_default=True,
    help="Fit this direction: forward is raw to sRGB, inverse is sRGB to raw.",
)
@reading_options
@training_options()
@device_options
@click.option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    help="Seed the initial weights, the held-out pairs and the training windows.",
)
@click.option("--overwrite", is_flag=True, help="Replace the model file if it exists.")
@click.option("--restart", is_flag=True, help="Delete the checkpoint of a stopped run and start from the first step.")
@json_option("Print the training record as JSON.")
def fit(
    pairs: tuple[Path, ...],
    output: Path,
    backbone: str,
    settings: tuple[str, ...],
    split: str | None,
    size: int,
    full_size: bool,
    crop: tuple[float, ...] | None,
    no_register: bool,
    jobs: int | None,
    seed: int,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    **parameters: Any,
) -> int:
    """Fit a camera model to PAIRS and write it to a file.

    PAIRS is a pairs.csv or its folder, or RAW files and folders of them. A RAW file is paired with the JPEG of the same
    name, or with its embedded JPEG if there is none. A stopped run resumes from its checkpoint, OUTPUT.checkpoint.
    Processes started by torchrun share each training step; each uses its own GPU if there are GPUs.
    """
    from ispfit import ISPModel, get_backbone
    from ispfit.training import joined_ranks

    _check_output(output, overwrite)
    family = get_backbone(backbone)()
    family.set_params(**known_settings(parse_settings(settings), family.get_params(), backbone))
    checkpoint = output.with_name(output.name + ".checkpoint")
    with joined_ranks() as ranks:
        with ranks.one_before_others():  # the first of a machine decodes into the cache, the others find it there
            X, Y, failures = load_any_pairs(pairs, split, None if full_size else size, crop, jobs or ranks.cores())
        if restart and ranks.leads:
            shutil.rmtree(checkpoint, ignore_errors=True)
        if ranks.leads and checkpoint.exists():
            click.echo(f"Resuming from {checkpoint}; use --restart to start from the first step.", err=True)
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
            click.echo(f"{direction}: {_describe(record)}")
        click.echo(f"{output}")
    return report_failures(failures, len(X) + len(failures))


def _check_output(output: Path, overwrite: bool) -> None:
    if output.is_dir():
        raise click.UsageError(f"{output}: expected a file to write, got a folder.")
    if output.exists() and not overwrite:
        raise click.UsageError(f"{output} exists; use --overwrite to replace it.")
    if not output.absolute().parent.is_dir():
        raise click.UsageError(f"{output}: there is no folder {output.parent}.")


def _describe(record: TrainingRecord) -> str:
    """Return what the training of one direction did, in one line."""
    ended = " (stopped early: the validation PSNR no longer rose)" if record.stopped_early else ""
    steps = f"{record.steps} steps{ended} on" if record.steps else "fitted to"
    summary = f"{steps} {_count(record.n_train, 'pair')} in {record.seconds:.0f} s"
    if record.best_psnr is None:
        return summary
    return f"{summary}, {record.best_psnr:.2f} dB on {_count(record.n_validation, 'held-out pair')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
