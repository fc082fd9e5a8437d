"""``ispfit demo``: the whole way on data that it makes itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import print_json, table
from ispfit.cli.score import HEADER, psnr_row
from ispfit.directions import DIRECTIONS
from ispfit.jobs import run_jobs

__all__ = ["demo"]

_STEPS = 400
_BACKBONES: dict[str, dict[str, Any]] = {"histpyramid": {"channels": 32}, "mlp": {}}
_TRAINING: dict[str, Any] = {"batch_size": 8, "windows_per_image": 4, "learning_rate": 3e-3}
"""Less work a step than by default, to be done in minutes on two cores; the same for both backbones."""


@click.command()
@click.option("-o", "--output", default="demo", show_default=True, type=click.Path(path_type=Path), help="A folder.")
@click.option("--shots", type=click.IntRange(8), default=60, show_default=True)
@click.option("--steps", type=float, default=1.0, show_default=True, help="Multiplies the training steps.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
def demo(output: Path, shots: int, steps: float, seed: int, as_json: bool) -> None:
    """Write a camera roll, fit the camera, and compare with it on shots that the model has not seen."""
    started = time.monotonic()
    X, Y, files = _roll(output / "roll", shots, seed)
    n_test = max(2, shots // 5)
    train, test = slice(None, -n_test), slice(-n_test, None)
    models = {name: _fit(name, X[train], Y[train], max(1, round(_STEPS * steps)), seed) for name in _BACKBONES}
    values = {
        direction: {name: model.psnr(X[test], Y[test], direction=direction).tolist() for name, model in models.items()}
        for direction in DIRECTIONS
    }
    results = _results(output, models["histpyramid"], X[test], Y[test], files[test])
    seconds = round(time.monotonic() - started)
    if as_json:
        print_json(
            {"unit": "dB", "psnr": values, "results": {what: str(path) for path, what in results}, "seconds": seconds}
        )
        return
    click.echo(f"\n{n_test} held-out shots, PSNR against the camera in dB\n")
    for direction, psnrs in values.items():
        rows = [psnr_row(name, numbers) for name, numbers in psnrs.items()]
        click.echo(table((DIRECTIONS[direction], *HEADER[1:]), rows) + "\n")
    for path, what in results:
        click.echo(f"{what:<22}{path}")
    click.echo(f"\n{seconds} s")


def _roll(folder: Path, shots: int, seed: int) -> tuple[list[Any], list[Any], list[tuple[Path, Path]]]:
    """Write the files, and read them as anybody's files would be."""
    from ispfit.datasets import make_camera_roll

    click.echo(f"writing {shots} RAW and JPEG files to {folder}", err=True)
    files = make_camera_roll(folder, shots, image_size=(512, 768), random_state=seed)
    outcome = run_jobs(_read, files, label="reading", unit="pair")
    X, Y = ([pair[side] for pair in outcome.results] for side in (0, 1))
    return X, Y, files


def _read(pair: tuple[Path, Path]) -> tuple[Any, Any]:
    from ispfit.pairs import read_pair

    return read_pair(*pair, size=256)


def _fit(name: str, X: list[Any], Y: list[Any], steps: int, seed: int) -> Any:
    from ispfit import ISPModel, get_backbone

    click.echo(f"fitting {name}: {len(X)} shots, {steps} steps a direction", err=True)
    backbone = get_backbone(name)(**_BACKBONES[name])
    return ISPModel(backbone, max_steps=steps, verbose=1, random_state=seed, **_TRAINING).fit(X, Y)


def _results(
    output: Path, model: Any, X: list[Any], Y: list[Any], files: list[tuple[Path, Path]]
) -> list[tuple[Path, str]]:
    """Write the model, the renderings and the picture."""
    from ispfit.displays import RenderingDisplay
    from ispfit.io import write_linear, write_srgb

    renderings = output / "rendered"
    renderings.mkdir(parents=True, exist_ok=True)
    model.save(output / "camera.ispfit")
    for (raw, _), srgb, linear in zip(files, model.transform(X), model.inverse_transform(Y), strict=True):
        write_srgb(renderings / f"{raw.stem}.jpg", srgb)
        write_linear(renderings / f"{raw.stem}.tif", linear)
    shown = slice(0, 3)
    RenderingDisplay.from_estimator(model, X[shown], Y[shown]).figure_.savefig(output / "demo.png", dpi=100)
    return [
        (output / "roll", "camera's files"),
        (output / "camera.ispfit", "model"),
        (renderings, "rendered files"),
        (output / "demo.png", "picture"),
    ]
