"""``ispfit render`` and ``ispfit derender``: files in, files out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from joblib import parallel_config

from ispfit.cli.common import DONE, print_json, report_failures
from ispfit.jobs import run_jobs

if TYPE_CHECKING:
    from ispfit.estimator import ISPModel

__all__ = ["derender", "render"]

_SHARED = [
    click.argument("model", type=click.Path(path_type=Path)),
    click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path)),
    click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder to write to."),
    click.option("--overwrite", is_flag=True, help="Replace outputs that exist; else they are kept."),
    click.option(
        "--size", type=click.IntRange(1), help="Reduce images to this many pixels, square.  [default: full size]"
    ),
    click.option("--device", default="auto", show_default=True),
    click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto", show_default=True),
    click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one a core]"),
    click.option("--cluster", metavar="ADDRESS", help="Of a dask scheduler, whose workers see the same files."),
    click.option("--json", "as_json", is_flag=True, help="Print what was written and what failed as JSON."),
]


def _shared(command: Any) -> Any:
    for decorate in reversed(_SHARED):
        command = decorate(command)
    return command


@click.command()
@_shared
@click.option("--format", "suffix", type=click.Choice(["jpg", "png"]), default="jpg", show_default=True)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of a JPEG.")
@click.option("--half-size", is_flag=True, help="Demosaic to half the size: four times faster.")
def render(suffix: str, quality: int, half_size: bool, **options: Any) -> int:
    """Render RAW files as the camera of MODEL would.

    FILES are RAW files, linear TIFF files, or folders of them.
    """
    from ispfit.io import raw_suffixes

    reading = {"half_size": half_size}
    return _convert("forward", raw_suffixes(), suffix, reading, {"quality": quality}, **options)


@click.command()
@_shared
@click.option(
    "--dtype", type=click.Choice(["uint16", "float32"]), default="uint16", show_default=True, help="Of the TIFF."
)
def derender(dtype: str, **options: Any) -> int:
    """Recover linear raw from a camera's JPEG files, as 16-bit or float TIFF files.

    FILES are JPEG, PNG or TIFF files, or folders of them.
    """
    from ispfit.io import SRGB_SUFFIXES

    return _convert("inverse", SRGB_SUFFIXES, "tif", {}, {"dtype": dtype}, **options)


def _convert(
    direction: str,
    suffixes: Iterable[str],
    suffix: str,
    reading: dict[str, Any],
    writing: dict[str, Any],
    *,
    model: Path,
    files: tuple[Path, ...],
    output: Path,
    overwrite: bool,
    size: int | None,
    device: str,
    precision: str,
    jobs: int | None,
    cluster: str | None,
    as_json: bool,
) -> int:
    from ispfit.errors import FileError

    if jobs is not None and cluster is not None:
        raise click.UsageError("--jobs: with --cluster its workers decide how many files at once; leave it out.")
    if output.exists() and not output.is_dir():
        raise FileError(f"{output}: expected a folder to write to, got a file.")
    fitted = _load(model, device)
    if direction not in fitted.networks_:
        raise FileError(
            f"{model}: it was fitted in the {fitted.direction} direction alone and cannot do this; fit it with "
            "`--direction both`."
        )
    jobs_list = list(_plan(files, suffixes, output, suffix))
    sources = {source.resolve() for source, _ in jobs_list}
    for _, target in jobs_list:
        if target.resolve() in sources:
            raise FileError(f"{target}: is one of the files to read, and would be replaced; give another -o.")
    if not jobs_list:
        raise FileError(f"{', '.join(map(str, files))}: no files to work on; expected {', '.join(sorted(suffixes))}.")
    kept = [job for job in jobs_list if job[1].exists() and not overwrite]
    todo = [job for job in jobs_list if job not in kept]
    work = _Conversion(model, device, precision, direction, reading | {"size": size}, writing)
    label = "rendering" if direction == "forward" else "derendering"
    with _cluster(cluster):
        outcome = run_jobs(work, todo, n_jobs=jobs, label=label, describe=lambda job: str(job[0]))
    if as_json:
        print_json(
            {
                "written": [str(path) for path in outcome.results],
                "kept": [str(path) for _, path in kept],
                "failures": outcome.failures,
            }
        )
    else:
        also = f", {len(kept)} kept that were there" if kept else ""
        click.echo(f"{len(outcome.results)} written to {output}{also}")
    return report_failures(outcome.failures, len(jobs_list)) if outcome.failures else DONE


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
    try:
        client = Client(address, timeout=30)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--cluster: no scheduler answers at {address}: {error}") from error
    with client, parallel_config(backend="dask"):
        yield


def _plan(files: tuple[Path, ...], suffixes: Iterable[str], output: Path, suffix: str) -> Iterable[tuple[Path, Path]]:
    """Each input with its output, in the folders below `output` that it had below its argument; no two collide."""
    from ispfit.io import find_files

    taken: set[Path] = set()
    sources: set[Path] = set()
    for argument in files:
        for path in find_files([argument], suffixes):
            if path.resolve() in sources:
                continue
            sources.add(path.resolve())
            folder = output / path.parent.relative_to(argument) if argument.is_dir() else output
            names = chain([path.stem, path.name], (f"{path.stem}-{number}" for number in count(2)))
            target = next(target for name in names if (target := folder / f"{name}.{suffix}") not in taken)
            taken.add(target)
            yield path, target


@dataclass(frozen=True)
class _Conversion:
    """Reads, renders and writes one file."""

    model: Path
    device: str
    precision: str
    direction: str
    reading: dict[str, Any]
    writing: dict[str, Any]

    def __call__(self, job: tuple[Path, Path]) -> Path:
        from ispfit.io import read_raw, read_srgb, write_linear, write_srgb

        source, target = job
        model = _load(self.model, self.device).set_params(precision=self.precision)
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.direction == "forward":
            [image] = model.transform([read_raw(source, **self.reading)])
            write_srgb(target, image, **self.writing)
        else:
            [image] = model.inverse_transform([read_srgb(source, **self.reading)])
            write_linear(target, image, **self.writing)
        return target


def _load(path: Path, device: str) -> ISPModel:
    return _load_once(path, device, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=2)
def _load_once(path: Path, device: str, changed: int) -> ISPModel:
    import ispfit

    return ispfit.load(path, device=device)
