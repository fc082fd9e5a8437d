"""``ispfit render`` and ``ispfit derender``: files in, files out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.common import note_other_cameras, print_json, report_failures, warnings_as_notes
from ispfit.cli.options import combine, device_options, jobs_option, json_option, square_option
from ispfit.cli.render_outputs import Output, OutputPlan, plan_outputs
from ispfit.files import copy_time, file_fingerprint, hash_file, make_folder

if TYPE_CHECKING:
    from ispfit.estimator import ISPModel
    from ispfit.resize import Size

__all__ = ["derender", "render"]

_shared_options = combine(
    click.argument("model", type=click.Path(path_type=Path)),
    click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path)),
    click.option(
        "-o", "--output", required=True, type=click.Path(path_type=Path), help="Write the images to this folder."
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        help="Make outputs again that are there, made from the same file, model and options; else they are kept. Files "
        "of others are never replaced.",
    ),
    click.option("--match", metavar="PATTERN", help="Take only files whose names match, such as 'DSC_01*'."),
    click.option(
        "--size",
        type=click.IntRange(1),
        metavar="N",
        show_default="full size",
        help="Reduce each image by area averaging to N pixels on its longer side. A smaller one keeps its size.",
    ),
    square_option,
    device_options,
    jobs_option("Process files in this number of processes."),
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="Process files on the dask cluster whose scheduler has this address and whose workers see the files.",
    ),
    json_option("Print what was written and what failed as JSON."),
)


@click.command()
@_shared_options
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["jpg", "png", "tif"]),
    default="jpg",
    show_default=True,
    help="Write files of this format: tif has 16 bits per channel, the others 8.",
)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Set the JPEG quality.")
@click.option("--half-size", is_flag=True, help="Demosaic to half the width and height, four times faster.")
def render(suffix: str, quality: int, half_size: bool, **options: Any) -> int:
    """Render RAW files as the camera of MODEL would.

    FILES are RAW files, linear TIFF files, or folders of them.
    """
    from ispfit.io import raw_suffixes

    work = partial(_render_file, half_size=half_size, quality=quality)
    return _convert_files(work, "forward", raw_suffixes(), suffix, **options)


@click.command()
@_shared_options
@click.option(
    "--dtype",
    type=click.Choice(["uint16", "float32"]),
    default="uint16",
    show_default=True,
    help="Write TIFF files of this data type.",
)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["tif", "dng"]),
    default="tif",
    show_default=True,
    help="Write files of this format: dng is a linear DNG of 16 bits, for RAW converters.",
)
@click.option(
    "--matrix-of",
    type=click.Path(path_type=Path),
    metavar="RAW",
    show_default="estimated from each picture",
    help="Take the colour matrix of the DNG files from a RAW file of the camera, not from the model.",
)
def derender(dtype: str, suffix: str, matrix_of: Path | None, **options: Any) -> int:
    """Recover linear raw from a camera's JPEG files and write it as TIFF or DNG files.

    FILES are JPEG, PNG or TIFF files, or folders of them.
    """
    from ispfit.io import SRGB_SUFFIXES, read_color_matrix

    if suffix == "dng" and dtype == "float32":
        raise click.UsageError("--dtype float32: a DNG file has 16 bits; leave --dtype out.")
    if suffix != "dng" and matrix_of is not None:
        raise click.UsageError("--matrix-of is for DNG files; add --format dng.")
    matrix = None if matrix_of is None else read_color_matrix(matrix_of)
    work = partial(_derender_file, dtype=dtype, color_matrix=matrix)
    return _convert_files(work, "inverse", SRGB_SUFFIXES, suffix, **options)


def _convert_files(
    work: partial[Path],
    direction: str,
    suffixes: Iterable[str],
    output_suffix: str,
    *,
    model: Path,
    files: tuple[Path, ...],
    output: Path,
    overwrite: bool,
    match: str | None,
    size: Size | None,
    device: str,
    precision: str,
    jobs: int | None,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Call `work` on each file with one of the `suffixes`, and report what was written."""
    from ispfit.jobs import run_jobs

    if jobs is not None and cluster is not None:
        raise click.UsageError("--jobs: with --cluster its workers decide how many files at once; leave it out.")
    camera = _check_model(model, device, direction)
    files, missing = _existing(files)
    made_from = [hash_file(model), direction, size, precision, sorted(work.keywords.items(), key=str)]
    with warnings_as_notes():
        plan = plan_outputs(files, suffixes, output, output_suffix, made_from, match=match, overwrite=overwrite)
    if camera:
        note_other_cameras(camera, [_camera_of(made.source) for made in plan.todo])
    label = "rendering" if direction == "forward" else "derendering"
    options = {"model": model, "device": device, "precision": precision, "size": size}
    with _cluster(cluster):
        found = run_jobs(partial(work, **options), plan.todo, n_jobs=jobs, label=label, describe=_source_of)
    failures = missing + plan.failures + found.failures
    if as_json:
        written, kept = [str(path) for path in found.results], [str(made.target) for made in plan.kept]
        print_json({"written": written, "kept": kept, "failures": failures})
    else:
        click.echo(_summary(plan, len(found.results), output))
    return report_failures(failures, len(plan.todo) + len(plan.kept) + len(plan.failures) + len(missing))


def _summary(plan: OutputPlan, n_written: int, output: Path) -> str:
    parts = [f"{n_written} written to {output}"]
    if plan.replaced:
        parts.append(f"{len(plan.replaced)} of them made again, for another file, model or option")
    if plan.kept:
        parts.append(f"{len(plan.kept)} up to date")
    return ", ".join(parts)


def _existing(files: tuple[Path, ...]) -> tuple[tuple[Path, ...], list[str]]:
    """Return the arguments that exist, and a failure for each other one; all arguments if none exists."""
    there = tuple(path for path in files if path.exists())
    if not there:
        return files, []
    return there, [f"{path}: no such file or folder." for path in files if path not in there]


def _source_of(made: Output) -> str:
    return str(made.source)


def _camera_of(path: Path) -> str | None:
    from ispfit.io.exif import read_exif

    try:
        return read_exif(path).camera
    except (OSError, ValueError):  # which the work on it will tell
        return None


def _check_model(path: Path, device: str, direction: str) -> str | None:
    """Return the camera of a model, which must have been fitted in the direction."""
    from ispfit.errors import FileError

    fitted = _load(path, device)
    if direction not in fitted.networks_:
        raise FileError(
            f"{path}: it was fitted in the {fitted.direction} direction alone and cannot do this; fit it with "
            "`--direction both`."
        )
    return fitted.camera_


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Let `run_jobs` work on a dask cluster."""
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise click.UsageError("--cluster needs dask: pip install 'ispfit[dask]'.") from error
    from joblib import parallel_config

    try:
        client = Client(address, timeout=30)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--cluster: no scheduler answers at {address}: {error}") from error
    with client, parallel_config(backend="dask"):
        yield


def _render_file(
    made: Output,
    *,
    model: Path,
    device: str,
    precision: str,
    size: Size | None,
    half_size: bool,
    quality: int,
) -> Path:
    from ispfit.io import read_raw, write_srgb

    source, target = made.source, made.target
    fitted = _load(model, device).set_params(precision=precision)
    make_folder(target.parent)
    [srgb] = fitted.transform([read_raw(source, half_size=half_size, size=size)])
    write_srgb(target, srgb, quality=quality, metadata_of=source, unique_id=made.recipe)
    copy_time(source, target)
    return target


def _derender_file(
    made: Output,
    *,
    model: Path,
    device: str,
    precision: str,
    size: Size | None,
    dtype: Any,
    color_matrix: Any,
) -> Path:
    from ispfit.formats.camera_matrix import estimate_color_matrix
    from ispfit.io import read_srgb, write_linear, write_linear_dng

    source, target = made.source, made.target
    fitted = _load(model, device).set_params(precision=precision)
    make_folder(target.parent)
    srgb = read_srgb(source, size=size)
    [raw] = fitted.inverse_transform([srgb])
    if target.suffix == ".dng":
        known = fitted.color_matrix_ if color_matrix is None else color_matrix
        matrix = estimate_color_matrix(raw, srgb) if known is None else known
        write_linear_dng(target, raw, color_matrix=matrix, preview=srgb, metadata_of=source, unique_id=made.recipe)
    else:
        write_linear(target, raw, dtype=dtype, metadata_of=source, unique_id=made.recipe)
    copy_time(source, target)
    return target


def _load(path: Path, device: str) -> ISPModel:
    """Load a model once in each process, unless its file changes."""
    return _load_once(path, device, file_fingerprint(path) if path.exists() else "")


@lru_cache(maxsize=2)
def _load_once(path: Path, device: str, fingerprint: str) -> ISPModel:
    import ispfit

    return ispfit.load(path, device=device)
