"""``ispfit deblur``: take the blur of a moving camera out of a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.common import DONE, count, print_json, warnings_as_notes
from ispfit.cli.options import json_option
from ispfit.files import make_folder

if TYPE_CHECKING:
    from ispfit.deblur import Deblurred
    from ispfit.images import Image

__all__ = ["deblur"]


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), help="Deblur in raw space with this model of the camera.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Write this JPEG or PNG file.")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@click.option(
    "--space",
    type=click.Choice(["raw", "srgb"]),
    show_default="raw with --model, else srgb",
    help="Deblur the derendered raw, or the photograph as it is.",
)
@click.option(
    "--kernel-size",
    type=click.IntRange(3),
    default=25,
    show_default=True,
    metavar="PIXELS",
    help="Look for a kernel of this side, odd; somewhat larger than the blur.",
)
@click.option(
    "--prior",
    type=click.Choice(["gradient", "dark-channel", "pmp"]),
    default="gradient",
    show_default=True,
    help="Assume this of sharp images.",
)
@click.option(
    "--region",
    nargs=4,
    type=click.IntRange(0),
    metavar="TOP LEFT HEIGHT WIDTH",
    help="Find the kernel from this part of the photograph, in pixels.",
)
@click.option(
    "--scene",
    type=click.Choice(["blurred", "deblurred"]),
    default="blurred",
    show_default=True,
    help="Render with the scene of the blurred or of the deblurred raw.",
)
@click.option(
    "--tv",
    type=click.FloatRange(0, min_open=True),
    show_default="0.001, or more if the photograph is noisy",
    help="Weigh the total variation by this.",
)
@click.option(
    "--picture",
    is_flag=True,
    help="Also write a picture of the photograph, the results of both spaces and the kernels beside the output.",
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Set the JPEG quality.")
@click.option("--device", default="auto", show_default=True, help="Compute on this device: auto, cpu, cuda, ...")
@json_option("Print what was found as JSON.")
def deblur(
    photo: Path,
    model: Path | None,
    output: Path,
    overwrite: bool,
    space: str | None,
    picture: bool,
    quality: int,
    device: str,
    as_json: bool,
    **search: Any,
) -> int:
    """Take the blur of a moving camera out of PHOTO, a JPEG, PNG or TIFF file.

    The output keeps camera, exposure, date, place and author in its EXIF.
    """
    from ispfit import load
    from ispfit.deblur import deblur as deblur_image
    from ispfit.io import read_srgb, write_srgb

    _check_paths(photo, output, overwrite)
    space = space or ("raw" if model else "srgb")
    if space == "raw" and model is None:
        raise click.UsageError("--space raw needs --model, a model of the camera that `ispfit fit` has written.")
    camera = load(model, device=device) if model else None
    with warnings_as_notes():
        image = read_srgb(photo)
        result = deblur_image(image, camera, space=space, device=device, verbose=1, **search)
        make_folder(output.parent)
        write_srgb(output, result.image, quality=quality, metadata_of=photo)
    drawn = output.with_name(f"{output.stem}-deblurring.png")
    if picture:
        results = {space: result}
        for other in {"srgb", "raw"} - {space} - (set() if camera else {"raw"}):
            with warnings_as_notes():
                results[other] = deblur_image(image, camera, space=other, device=device, verbose=1, **search)
        _draw(drawn, image, results)
    seconds = sum(scale.seconds for scale in result.record)
    if as_json:
        kernel = result.kernel.tolist()
        print_json({"written": str(output), "space": space, "changed": result.changed, "kernel": kernel})
    else:
        found = f"kernel found in {seconds:.0f} s on {count(len(result.record), 'scale')}, in {space} space"
        click.echo(f"{output}: {found if result.changed else 'no blur was found, the photograph is as it was'}")
        if picture:
            click.echo(f"{drawn}: before, after, kernels")
    return DONE


def _check_paths(photo: Path, output: Path, overwrite: bool) -> None:
    from ispfit.errors import FileError

    if output.exists() and photo.exists() and output.samefile(photo):
        raise FileError(f"{output}: is the photograph itself, and would be replaced; give another -o.")
    if output.exists() and not overwrite:
        raise FileError(f"{output}: exists already; use --overwrite to replace it.")


def _draw(path: Path, image: Image, results: dict[str, Deblurred]) -> None:
    from ispfit.displays import DeblurringDisplay

    titles = {"srgb": "deblurred in sRGB space", "raw": "deblurred in raw space"}
    shown = {title: results[space] for space, title in titles.items() if space in results}
    DeblurringDisplay(image, shown).plot().figure_.savefig(path, dpi=100)
