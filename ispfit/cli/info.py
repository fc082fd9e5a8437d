"""``ispfit info``: what a model file holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.common import DONE, count, covers_both, print_json
from ispfit.cli.options import json_option
from ispfit.errors import printable

if TYPE_CHECKING:
    from ispfit.estimator.persistence import ModelFile
    from ispfit.training import TrainingRecord

__all__ = ["info"]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@json_option("Print the facts as JSON, with the course of training.")
def info(model: Path, as_json: bool) -> int:
    """Show what the model file MODEL holds: camera, backbone, and how it was fitted.

    A PSNR is that of the validation pairs which `ispfit fit` held out. To measure the model on other pairs, use `ispfit
    score`.
    """
    from ispfit.estimator.persistence import read_model

    file = read_model(model)
    if as_json:
        print_json(_facts(model, file))
        return DONE
    click.echo(printable(str(model)))
    for name, text in _lines(_facts(model, file), file).items():
        click.echo(f"  {name:<10}{printable(text)}")
    return DONE


def _facts(path: Path, file: ModelFile) -> dict[str, Any]:
    from ispfit.plugins.manager import origin_of

    about = path.stat()
    return {
        "file": str(path),
        "bytes": about.st_size,
        "written": datetime.fromtimestamp(about.st_mtime).astimezone().isoformat(timespec="seconds"),
        "version": file.version,
        "camera": file.camera,
        "color_matrix": file.color_matrix,
        "backbone": {
            "name": file.backbone.name,
            "origin": origin_of(file.backbone.name),
            "parameters": file.backbone.settings(),
        },
        "weights": sum(p.numel() for network in file.networks.values() for p in network.state_dict().values()),
        "parameters": file.parameters,
        "directions": {
            direction: vars(record) | {"psnr": record.best_psnr} for direction, record in file.records.items()
        },
    }


def _lines(facts: dict[str, Any], file: ModelFile) -> dict[str, str]:
    """Return the facts as text by name."""
    backbone = facts["backbone"]
    settings = ", ".join(f"{name}={value!r}" for name, value in backbone["parameters"].items())
    both = covers_both(file.backbone, file.records)
    return {
        "camera": facts["camera"] or "unknown",
        "backbone": f"{backbone['name']}({settings}), {backbone['origin']}",
        "written": f"{facts['written'][:16].replace('T', ' ')} by ispfit {facts['version']}",
        "size": f"{facts['weights']:,} weights, {facts['bytes'] / 1e6:.2f} MB",
    } | {"both" if both else direction: _course(record) for direction, record in file.records.items()}


def _course(record: TrainingRecord) -> str:
    from ispfit.training.progress import duration_text

    pairs, steps, time = count(record.n_train, "pair"), count(record.steps, "step"), duration_text(record.seconds)
    parts = [pairs, f"{steps} in {time}"] if record.steps else [f"{pairs}, fitted in {time}"]
    if record.best_psnr is not None:
        parts.append(f"{record.best_psnr:.2f} dB on {count(record.n_validation, 'validation pair')}")
    if record.best_step != record.steps:
        parts.append(f"weights of step {record.best_step}")
    if record.stopped_early:
        parts.append("stopped early")
    return "\n            ".join([", ".join(parts), *record.notes])
