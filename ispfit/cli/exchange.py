"""``ispfit exchange``: a picture with the scene of another one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.common import DONE, check_not_there, print_json, warnings_as_notes
from ispfit.cli.options import device_options, json_option
from ispfit.files import atomic_path

if TYPE_CHECKING:
    from ispfit.analysis import ColorShift

__all__ = ["exchange"]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("picture", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--scene-from",
    metavar="A",
    required=True,
    type=click.Path(path_type=Path),
    help="Take the scene from this RAW file or linear TIFF file.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Write the picture here: .png or .jpg."
)
@click.option(
    "--part",
    "parts",
    metavar="NAME",
    multiple=True,
    help="Exchange only this part of the scene, such as luminance, chrominance or luminance/global. Repeat for more.",
)
@click.option(
    "--share", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="Exchange this share of the scene."
)
@click.option(
    "--figure",
    type=click.Path(path_type=Path),
    help="Also write a figure: A, B before and after, their histograms, and the difference. .png, .svg or .pdf.",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option(
    "--size",
    type=click.IntRange(16),
    metavar="N",
    show_default="full size",
    help="Reduce both pictures by area averaging to N pixels on the longer side.",
)
@click.option("--half-size", is_flag=True, help="Demosaic to half the width and height, four times faster.")
@device_options
@json_option("Print what was changed as JSON.")
def exchange(
    model: Path,
    picture: Path,
    scene_from: Path,
    output: Path,
    parts: tuple[str, ...],
    share: float,
    figure: Path | None,
    overwrite: bool,
    size: int | None,
    half_size: bool,
    device: str,
    precision: str,
    as_json: bool,
) -> int:
    """Render B as the camera of MODEL would if it saw the scene of A.

    B is a RAW file or a linear TIFF file, and so is A. What the model reads from the whole picture is taken from A; the
    pixels are those of B. This shows how the camera reacts to a scene (Nam & Kim 2017, section 5.3).
    """
    import ispfit
    from ispfit.analysis import color_shift, exchange_scene
    from ispfit.io import write_srgb

    _check_outputs([output, *([figure] if figure else [])], [picture, scene_from], overwrite)
    fitted = ispfit.load(model, device=device).set_params(precision=precision)
    with warnings_as_notes():
        raw, other = (ispfit.read_raw(path, size=size, half_size=half_size) for path in (picture, scene_from))
    exchanged = exchange_scene(fitted, raw, other, parts=list(parts) or None, share=share)
    [own] = fitted.transform([raw])
    write_srgb(output, exchanged, metadata_of=picture)
    if figure:
        chrominance = bool(parts) and all(part.startswith("chrominance") for part in parts)
        _write_figure(figure, raw, other, own, exchanged, chrominance)
    shift = color_shift(own, exchanged)
    if as_json:
        print_json({"written": [str(path) for path in (output, figure) if path], "shift": asdict(shift)})
    else:
        click.echo(f"{output}: {_in_words(shift)}")
    return DONE


def _write_figure(path: Path, raw: Any, other: Any, own: Any, exchanged: Any, chrominance: bool) -> None:
    from ispfit.displays import SceneExchangeDisplay

    display = SceneExchangeDisplay.from_predictions(raw, other, own, exchanged, chrominance=chrominance)
    with atomic_path(path) as temporary:
        display.figure_.savefig(temporary, dpi=110, format=path.suffix[1:].lower())


def _in_words(shift: ColorShift) -> str:
    return (
        f"with the scene of A, lightness L* changes by {shift.lightness:+.1f} and chroma C* by {shift.chroma:+.1f} on "
        f"average; CIEDE2000 {shift.ciede2000:.1f}"
    )


def _check_outputs(outputs: list[Path], inputs: list[Path], overwrite: bool) -> None:
    for path, suffixes in zip(outputs, ({".png", ".jpg", ".jpeg"}, {".png", ".svg", ".pdf"}), strict=False):
        if path.suffix.lower() not in suffixes:
            raise click.UsageError(f"{path}: expected a name that ends with {', '.join(sorted(suffixes))}.")
        check_not_there(path, overwrite)
    taken = {path.resolve() for path in inputs}
    if len({path.resolve() for path in outputs} - taken) < len(outputs):
        raise click.UsageError("-o and --figure: expected two names of their own, which are no inputs.")
