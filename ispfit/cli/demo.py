"""``ispfit demo``: from files to a fitted camera, on data that it makes itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import print_json, psnr_table, report_left_out, warnings_as_notes
from ispfit.cli.options import json_option
from ispfit.directions import DIRECTIONS
from ispfit.files import claim_folder, make_folder

__all__ = ["demo"]

_STEPS = 400
_SHOT_PX, _SIZE_PX = (512, 768), 256  # height and width of a shot; the longer side of what is fitted
_BACKBONES: dict[str, dict[str, Any]] = {"histpyramid": {"channels": 32}, "photofinish": {}, "mlp": {}}
_TRAINING: dict[str, Any] = {"batch_size": 8, "windows_per_image": 4, "learning_rate": 3e-3}
"""Less work per step than the defaults, so that the demo takes minutes on two cores. photofinish takes no steps."""


@click.command()
@click.option(
    "-o",
    "--output",
    default="demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Write files, model and pictures to this folder.",
)
@click.option(
    "--shots", type=click.IntRange(8), default=60, show_default=True, help="Photograph this number of scenes."
)
@click.option(
    "--steps",
    type=float,
    default=1.0,
    show_default=True,
    help=f"Scale the default {_STEPS} steps by this factor.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed the scenes and the training.")
@json_option("Print the figures as JSON.")
def demo(output: Path, shots: int, steps: float, seed: int, as_json: bool) -> int:
    """Write a camera roll, fit the camera, and compare the model with the camera on shots that it has not seen."""
    from ispfit.datasets import load_pairs, make_camera_roll

    started = time.monotonic()
    claim_folder(output, ["roll", "rendered", "camera.ispfit", "demo.png"], "demo")
    roll = output / "roll"
    click.echo(f"writing {shots} RAW and JPEG files to {roll}", err=True)
    files = make_camera_roll(roll, shots, image_size=_SHOT_PX, random_state=seed)
    with warnings_as_notes() as left_out:
        X, Y = load_pairs([raw for raw, _ in files], size=_SIZE_PX)
    n_test = max(2, len(X) // 5)
    fit, test = (X[:-n_test], Y[:-n_test]), (X[-n_test:], Y[-n_test:])
    models = {name: _fit(name, *fit, max(1, round(_STEPS * steps)), seed) for name in _BACKBONES}
    values = {
        direction: {name: model.psnr(*test, direction=direction).tolist() for name, model in models.items()}
        for direction in DIRECTIONS
    }
    results = {"camera's files": roll} | _write_results(output, models["histpyramid"], *test)
    seconds = round(time.monotonic() - started)
    if as_json:
        paths = {what: str(path) for what, path in results.items()}
        print_json({"unit": "dB", "psnr": values, "results": paths, "seconds": seconds})
    else:
        _print_results(values, results, n_test, seconds)
    return report_left_out(left_out, len(X))


def _fit(name: str, X: list[Any], Y: list[Any], steps: int, seed: int) -> Any:
    from ispfit import ISPModel, get_backbone

    backbone = get_backbone(name)(**_BACKBONES[name])
    amount = "in closed form" if backbone.build().has_closed_form else f"{steps} steps per direction"
    click.echo(f"fitting {name}: {len(X)} shots, {amount}", err=True)
    return ISPModel(backbone, max_steps=steps, verbose=1, random_state=seed, **_TRAINING).fit(X, Y)


def _write_results(output: Path, model: Any, X: list[Any], Y: list[Any]) -> dict[str, Path]:
    """Write the model, the renderings of the test shots and a picture of three of them."""
    from ispfit.displays import RenderingDisplay
    from ispfit.io import write_linear, write_srgb

    renderings = make_folder(output / "rendered")
    model.save(output / "camera.ispfit")
    for srgb, linear in zip(model.transform(X), model.inverse_transform(Y), strict=True):
        write_srgb(renderings / f"{srgb.shot.name}.jpg", srgb)
        write_linear(renderings / f"{linear.shot.name}.tif", linear)
    RenderingDisplay.from_estimator(model, X[:3], Y[:3]).figure_.savefig(output / "demo.png", dpi=100)
    return {"model": output / "camera.ispfit", "rendered files": renderings, "picture": output / "demo.png"}


def _print_results(
    values: dict[str, dict[str, list[float]]], results: dict[str, Path], n_test: int, seconds: float
) -> None:
    click.echo(f"\n{n_test} held-out shots, PSNR against the camera in dB\n")
    for direction, psnrs in values.items():
        click.echo(psnr_table(DIRECTIONS[direction], psnrs) + "\n")
    for what, path in results.items():
        click.echo(f"{what:<22}{path}")
    click.echo(f"\n{seconds} s")
