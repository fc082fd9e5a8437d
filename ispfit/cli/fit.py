"""``ispfit fit``: fit a camera to pairs."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.baseline import baseline_for_command, comparison_table
from ispfit.cli.common import DONE, check_not_there, count, covers_both, print_json, report_left_out
from ispfit.cli.fit_data import FitData, by_camera, check_one_camera, load_fit_data
from ispfit.cli.options import (
    device_options,
    json_option,
    known_settings,
    parse_settings,
    reading_options,
    training_options,
)
from ispfit.errors import MixedCamerasWarning

if TYPE_CHECKING:
    from ispfit import ISPModel
    from ispfit.resize import Size
    from ispfit.training import TrainingRecord

__all__ = ["fit"]

_FEW_SHOTS = 500


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
    help="Set a parameter of the backbone; VALUE is written as `ispfit backbones` prints it. Repeat for others.",
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
@click.option(
    "--per-camera", is_flag=True, help="Fit a model to each camera and picture style; its name is added to OUTPUT."
)
@click.option("--mixed", is_flag=True, help="Fit one model to shots of several cameras or picture styles.")
@click.option(
    "--tensorboard",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write losses, PSNR and pictures for TensorBoard to this folder.",
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
    per_camera: bool,
    mixed: bool,
    tensorboard: Path | None,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    **parameters: Any,
) -> int:
    """Fit a camera model to PAIRS and write it to a file.

    PAIRS is a pairs.csv or its folder, or RAW files and folders of them. A RAW file is paired with the JPEG of the same
    name, or with its embedded JPEG if there is none, and registered with it. If a pairs.csv has a split "validation",
    training stops early by it, and the split "test" is left out, unless --split asks for another split. Shots of
    several cameras or picture styles are refused, unless --per-camera or --mixed is given. A stopped run resumes from
    its checkpoint, OUTPUT.checkpoint.
    Processes started by torchrun share each training step; each uses its own GPU if there are GPUs.
    """
    from sklearn.base import clone

    from ispfit import ISPModel, get_backbone
    from ispfit.callbacks import TensorBoard
    from ispfit.estimator.schedule import check_budget
    from ispfit.training import joined_ranks

    _check_output(output, overwrite)
    check_budget(parameters["budget"])  # now, not when all pairs have been read
    family = get_backbone(backbone)()
    family.set_params(**known_settings(parse_settings(settings), family.get_params(), backbone))
    family.check_settings()
    trains_by_steps = not family.build().has_closed_form
    with joined_ranks() as processes:
        with processes.main_process_first():  # the first of each machine fills the cache for the others
            reading = {"size": size, "full_size": full_size, "no_register": no_register, "crop": crop}
            holds_out = parameters["validation_fraction"] != 0 and trains_by_steps
            data = load_fit_data(pairs, split, holds_out, jobs=jobs or processes.n_cores(), **reading)
        groups = by_camera(data)
        if not (per_camera or mixed):
            check_one_camera(groups, pairs)
        if processes.is_main and trains_by_steps and len(data.X) < _FEW_SHOTS:
            click.echo(
                f"with fewer than {_FEW_SHOTS} shots, also try --backbone photofinish: it is fitted in seconds, and "
                "closer to cameras in auto mode",
                err=True,
            )
        verbose = int(processes.is_main)
        fitted = {}
        for path, part in _outputs(output, groups if per_camera and len(groups) > 1 else {"": data}, overwrite).items():
            model = ISPModel(clone(family), random_state=seed, verbose=verbose, **parameters)
            if tensorboard and processes.is_main:
                model.set_callbacks(TensorBoard(tensorboard, part.validation or (part.X, part.Y)))
            _fit_to(model, part, path, pairs, restart, processes)
            fitted[path] = (model, part)
        if not processes.is_main:
            return DONE
    results = [_tell(path, model, part, as_json) for path, (model, part) in fitted.items()]
    if as_json:
        print_json(results if per_camera else results[0])
    return report_left_out(data.left_out, data.n_pairs)


def _outputs(output: Path, groups: Mapping[str, FitData], overwrite: bool) -> dict[Path, FitData]:
    """Return the model file of each group: `output` itself, or one with the group's name before the suffix."""
    named = {output.with_stem(f"{output.stem}-{name}") if name else output: data for name, data in groups.items()}
    for path in named:
        _check_output(path, overwrite)
    return named


def _color_matrix(pairs: tuple[Path, ...], camera: str | None) -> Any:
    """Return the camera's colour matrix from one of the RAW files, those of a table of pairs included, or None."""
    from ispfit.io.color_matrix import find_color_matrix
    from ispfit.pairs.table import raw_sources

    return find_color_matrix(raw_sources(pairs), camera)[0]


def _fit_to(
    model: ISPModel, data: FitData, output: Path, pairs: tuple[Path, ...], restart: bool, processes: Any
) -> None:
    """Fit a model, with checkpoints beside the model file, and write the file."""
    checkpoint = output.with_name(output.name + ".checkpoint")
    if restart and processes.is_main:
        shutil.rmtree(checkpoint, ignore_errors=True)
    if processes.is_main and checkpoint.exists():
        click.echo(f"Resuming from {checkpoint}; use --restart to start from the first step.", err=True)
    processes.barrier()  # until the old checkpoint is gone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedCamerasWarning)  # which --mixed asked for
        model.fit(data.X, data.Y, validation=data.validation, checkpoint=checkpoint)
    if processes.is_main:
        model.color_matrix_ = _color_matrix(pairs, model.camera_)
        model.save(output)
        shutil.rmtree(checkpoint, ignore_errors=True)


def _tell(output: Path, model: ISPModel, data: FitData, as_json: bool) -> dict[str, Any]:
    """Print how a model was fitted, unless `as_json`, and return it as JSON."""
    compared, title = data.to_compare()
    baseline = baseline_for_command(model, compared, (data.X, data.Y))
    if not as_json:
        both = covers_both(model.backbone_, model.records_)
        for direction, record in model.records_.items():
            click.echo(f"{'both directions' if both else direction}: {_describe(record)}")
            for note in record.notes:
                click.echo(f"  {note}")
        if baseline:
            psnrs = {way: model.psnr(*compared, direction=way).tolist() for way in model.networks_}
            click.echo(comparison_table(title, model.backbone_.name, psnrs, baseline))
        click.echo(f"{output}")
    return {
        "model": str(output),
        "camera": model.camera_,
        "records": {direction: asdict(record) for direction, record in model.records_.items()},
        "baseline": baseline.as_json() if baseline else None,
        "failures": data.left_out.failed,
        "rejected": data.left_out.rejected,
    }


def _check_output(output: Path, overwrite: bool) -> None:
    if output.is_dir():
        raise click.UsageError(f"{output}: expected a file to write, got a folder.")
    check_not_there(output, overwrite)
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
