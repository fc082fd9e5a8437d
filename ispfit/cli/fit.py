"""``ispfit fit``: fit a camera to pairs."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.baseline import baseline_for_command, comparison_table
from ispfit.cli.common import DONE, LeftOut, count, load_for_command, print_json, report_left_out
from ispfit.cli.options import (
    device_options,
    json_option,
    known_settings,
    parse_settings,
    reading_options,
    training_options,
)

if TYPE_CHECKING:
    from ispfit.resize import Size
    from ispfit.training import TrainingRecord

__all__ = ["fit"]

_FEW_SHOTS = 500
_COMPARED_PAIRS = 20  # training pairs on which a model is compared with a baseline


@click.command()
@click.argument("pairs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Write the model to this file.")
@click.option(
    "--backbone", default="histpyramid", show_default=True, help="Name of the backbone; `ispfit backbones` lists them."
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
@click.option(
    "--budget",
    default=None,
    metavar="TIME",
    help="Train for this time, both directions together, such as 90s, 5min or 1h30min. The speed of this machine is "
    "measured first and sets the number of steps, in place of --max-steps.",
)
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
    size: Size,
    full_size: bool,
    no_register: bool,
    crop: tuple[float, ...] | None,
    jobs: int | None,
    seed: int,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    **parameters: Any,
) -> int:
    """Fit a camera model to PAIRS and write it to a file.

    PAIRS is a pairs.csv or its folder, or RAW files and folders of them. A RAW file is paired with the JPEG of the same
    name, or with its embedded JPEG if there is none, and registered with it. If a pairs.csv has a split "validation",
    training stops early by it, and the split "test" is left out, unless --split asks for another split. A stopped run
    resumes from its checkpoint, OUTPUT.checkpoint.
    Processes started by torchrun share each training step; each uses its own GPU if there are GPUs.
    """
    from ispfit import ISPModel, get_backbone
    from ispfit.estimator.schedule import check_budget
    from ispfit.training import joined_ranks

    _check_output(output, overwrite)
    check_budget(parameters["budget"])  # now, not when all pairs have been read
    family = get_backbone(backbone)()
    family.set_params(**known_settings(parse_settings(settings), family.get_params(), backbone))
    family.check_settings()
    trains_by_steps = not family.build().has_closed_form
    checkpoint = output.with_name(output.name + ".checkpoint")
    with joined_ranks() as processes:
        with processes.main_process_first():  # the first of each machine fills the cache for the others
            reading = {"size": size, "full_size": full_size, "no_register": no_register, "crop": crop}
            holds_out = parameters["validation_fraction"] != 0 and trains_by_steps
            data = _load(pairs, split, holds_out, jobs=jobs or processes.n_cores(), **reading)
        if restart and processes.is_main:
            shutil.rmtree(checkpoint, ignore_errors=True)
        if processes.is_main and checkpoint.exists():
            click.echo(f"Resuming from {checkpoint}; use --restart to start from the first step.", err=True)
        processes.barrier()  # until the old checkpoint is gone
        if processes.is_main and trains_by_steps and len(data.X) < _FEW_SHOTS:
            click.echo(
                f"with fewer than {_FEW_SHOTS} shots, also try --backbone photofinish: it is fitted in seconds, and "
                "closer to cameras in auto mode",
                err=True,
            )
        model = ISPModel(family, random_state=seed, verbose=int(processes.is_main), **parameters)
        model.fit(data.X, data.Y, validation=data.validation, checkpoint=checkpoint)
        if not processes.is_main:
            return DONE
        model.save(output)
        shutil.rmtree(checkpoint, ignore_errors=True)
    compared, title = data.to_compare()
    baseline = baseline_for_command(model, compared, (data.X, data.Y))
    records = {direction: asdict(record) for direction, record in model.records_.items()}
    if as_json:
        left_out = {"failures": data.left_out.failed, "rejected": data.left_out.rejected}
        parametric = {"baseline": baseline.as_json() if baseline else None}
        print_json({"model": str(output), "camera": model.camera_, "records": records} | parametric | left_out)
    else:
        for direction, record in model.records_.items():
            click.echo(f"{direction}: {_describe(record)}")
            for note in record.notes:
                click.echo(f"  {note}")
        if baseline:
            psnrs = {way: model.psnr(*compared, direction=way).tolist() for way in model.networks_}
            click.echo(comparison_table(title, backbone, psnrs, baseline))
        click.echo(f"{output}")
    return report_left_out(data.left_out, data.n_pairs)


@dataclass(frozen=True)
class _Data:
    """What a model is fitted to.

    Parameters
    ----------
    X, Y : pairs to train on.
    validation : pairs to stop early by, as a tuple of two lists; None if the pairs have no such split.
    left_out : pairs that cannot be used.
    """

    X: list[Any]
    Y: list[Any]
    validation: tuple[list[Any], list[Any]] | None
    left_out: LeftOut

    def to_compare(self) -> tuple[tuple[list[Any], list[Any]], str]:
        """Return pairs on which to compare the model with a baseline, and their name: those for validation if any."""
        if self.validation:
            return self.validation, f"PSNR in dB, {count(len(self.validation[0]), 'validation pair')}"
        n = min(len(self.X), _COMPARED_PAIRS)
        return (self.X[:n], self.Y[:n]), f"PSNR in dB, {count(n, 'training pair')}"

    @property
    def n_pairs(self) -> int:
        return len(self.X) + (len(self.validation[0]) if self.validation else 0)


def _load(pairs: tuple[Path, ...], split: str | None, holds_out: bool, **reading: Any) -> _Data:
    """Load the pairs of `split`. Without `split`, leave out those for the test and set apart those for validation."""
    from ispfit.datasets import list_splits
    from ispfit.errors import InputError

    splits = list_splits(pairs)
    validates = holds_out and "validation" in splits and split in (None, "train")
    chosen: str | list[str] | None = split
    if split is None and splits:
        chosen = [name for name in splits if name != "test" and not (validates and name == "validation")]
        if not chosen:
            raise InputError(f"{pairs[0]}: no pairs are left to train on; its splits are {', '.join(splits)}.")
        if "test" in splits:
            click.echo(f"leaving out {count(splits['test'], 'pair')} of the split 'test'", err=True)
    X, Y, left_out = load_for_command(pairs, chosen, **reading)
    if not validates:
        return _Data(X, Y, None, left_out)
    *validation, others = load_for_command(pairs, "validation", **reading)
    left_out = LeftOut(left_out.failed + others.failed, left_out.rejected + others.rejected)
    return _Data(X, Y, (validation[0], validation[1]), left_out)


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
    summary = f"{steps} {count(record.n_train, 'pair')} in {record.seconds:.0f} s"
    if record.best_psnr is None:
        return summary
    return f"{summary}, {record.best_psnr:.2f} dB on {count(record.n_validation, 'held-out pair')}"
