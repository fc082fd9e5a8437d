"""``ispfit lut``: a camera's look as a LUT."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.common import check_not_there, count, print_json, report_left_out, table, warnings_as_notes
from ispfit.cli.options import json_option, no_register_option

if TYPE_CHECKING:
    from ispfit.cli.lut_source import LutSource
    from ispfit.formats.bake import LutSpace
    from ispfit.formats.lut import Lut
    from ispfit.formats.lut_report import LutLoss

__all__ = ["lut"]

_ENCODINGS = ["camera", "srgb", "rec709", "linear-srgb", "linear-rec2020", "rec2020", "adobe-rgb", "prophoto"]


@click.command()
@click.argument("source", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="SOURCE...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Write the LUT to this file: look.cube, or look.png for a HaldCLUT.",
)
@click.option(
    "--encoding",
    type=click.Choice(_ENCODINGS),
    default="srgb",
    show_default=True,
    help="Take the input in this encoding and give the output in it, as LUT modules do. camera is the raw itself, "
    "linear and white-balanced; its output is sRGB. In a HaldCLUT, the curve is that of sRGB, as RawTherapee expects.",
)
@click.option(
    "--lut-size",
    type=click.Choice(["17", "33", "65"]),
    default="33",
    show_default=True,
    help="Give a .cube file this number of nodes on each side.",
)
@click.option(
    "--level",
    type=click.Choice(["8", "12"]),
    default="8",
    show_default=True,
    help="Write a HaldCLUT of this level: 64 or 144 nodes on each side.",
)
@click.option(
    "--dialect",
    type=click.Choice(["adobe", "resolve"]),
    default="adobe",
    show_default=True,
    help="Write .cube files of this dialect. resolve has a 1D curve before the table if the input is linear.",
)
@click.option(
    "--scene",
    default="mean",
    show_default=True,
    metavar="mean|IMAGE",
    help="Hold the mean over the scenes of the training shots, or the scene of this image.",
)
@click.option("--inverse", is_flag=True, help="Make the LUT from the camera's sRGB pictures to raw.")
@click.option("--shots", type=click.Path(path_type=Path, exists=True), help="Pairs for a SOURCE that is a model file.")
@click.option(
    "--matrix-of",
    type=click.Path(path_type=Path, exists=True),
    metavar="RAW",
    help="Take the colour matrix of the camera from this RAW file, instead of one among the shots.",
)
@click.option("--backbone", default="photofinish", show_default=True, help="Fit this backbone to the shots.")
@no_register_option
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@json_option("Print the report as JSON.")
def lut(
    source: tuple[Path, ...],
    output: Path,
    encoding: str,
    lut_size: str,
    level: str,
    dialect: str,
    scene: str,
    inverse: bool,
    shots: Path | None,
    matrix_of: Path | None,
    backbone: str,
    no_register: bool,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Write the look of a camera as a 3D LUT, and say what the LUT loses of the model.

    SOURCE is a model file; or a folder of RAW and JPEG files, or pairs, to which a model is fitted first. A fifth of
    the shots (of a pairs.csv, the split "test") is held out for the report. A LUT holds one scene; a model follows it.
    """
    from ispfit.cli.lut_source import lut_source
    from ispfit.formats.bake import bake_lut
    from ispfit.formats.lut_report import measure_lut

    target = _target(output, encoding, overwrite)
    direction = "inverse" if inverse else "forward"
    with warnings_as_notes() as left_out:
        found = lut_source(source, shots, direction, backbone=backbone, register=not no_register)
        space = found.space(encoding, is_haldclut=target.suffix == ".png", matrix_of=matrix_of)
        images = found.scene_images(scene)
    size = int(lut_size) if target.suffix == ".cube" else int(level) ** 2
    shaper = dialect == "resolve" and space.input_is_linear and target.suffix == ".cube"
    baked = bake_lut(found.model, images, space, size=size, shaper=shaper)
    _write(target, baked, found, space, f"scene: {scene}", dialect)
    losses = measure_lut(found.model, baked, space, *found.held_out) if found.held_out[0] else []
    if as_json:
        facts = {"lut": str(target), "encoding": encoding, "nodes": size, "matrix": found.matrix_note}
        print_json(facts | {"shots": len(found.held_out[0]), "losses": [asdict(loss) for loss in losses]})
    else:
        click.echo(f"matrix: {found.matrix_note}")
        click.echo(_report(losses, found, inverse) if losses else "no shots to measure the loss on; give --shots")
        click.echo(f"{target}")
    return report_left_out(left_out, found.n_shots)


def _target(output: Path, encoding: str, overwrite: bool) -> Path:
    """Return the file to write; RawTherapee knows the primaries of a HaldCLUT by the end of its name."""
    from ispfit.formats.haldclut import HALD_PROFILES

    suffix = output.suffix.lower()
    if suffix not in (".cube", ".png"):
        raise click.UsageError(f"-o: expected a name that ends in .cube or .png, got {output.name!r}.")
    target = output
    if suffix == ".png":
        if encoding not in HALD_PROFILES:
            known = ", ".join(HALD_PROFILES)
            raise click.UsageError(f"--encoding {encoding}: a HaldCLUT has one of {known}; or write a .cube file.")
        end = HALD_PROFILES[encoding]
        if not output.stem.endswith(end):
            target = output.with_name(f"{output.stem} {end}.png")
    check_not_there(target, overwrite)
    return target.with_suffix(suffix)


def _write(target: Path, baked: Lut, found: LutSource, space: LutSpace, scene: str, dialect: Any) -> None:
    from ispfit._version import __version__
    from ispfit.formats.cube import write_cube
    from ispfit.formats.haldclut import write_haldclut

    if target.suffix == ".png":
        write_haldclut(target, baked)
        return
    name = found.model.camera_ or "camera"
    lines = [f"ispfit {__version__}, {found.model.backbone_.name}, {scene}", *space.describe()]
    write_cube(target, baked, title=f"{name} by ispfit", dialect=dialect, comment="\n".join(lines))


def _report(losses: list[LutLoss], found: LutSource, inverse: bool) -> str:
    shots = count(len(found.held_out[0]), "held-out shot" if found.trained_here else "shot")
    rows = [
        [
            loss.interpolation,
            *(_number(value) for value in (loss.own_psnr, loss.own_ciede2000, loss.psnr, loss.ciede2000)),
            f"{loss.camera_psnr:.2f}",
        ]
        for loss in losses
    ]
    header = ("interpolation", "own scene, dB", "CIEDE2000", "this scene, dB", "CIEDE2000", "against camera, dB")
    lines = [
        f"LUT against model on {shots}: PSNR and CIEDE2000; the scene of each shot, then that of the LUT",
        table(header, rows),
        f"model against camera: {losses[0].model_camera_psnr:.2f} dB",
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
