"""``ispfit compare``: backbones on equal terms."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ispfit.cli.common import print_json, report_failures, table, warnings_as_notes
from ispfit.cli.options import known_settings, parse_settings

if TYPE_CHECKING:
    from ispfit.backbone import Backbone
    from ispfit.comparison import Budget, Camera, Comparison, Published

__all__ = ["compare", "compare_cameras"]

_RATE = "learning_rate"


@click.command()
@click.argument("cameras", nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="A folder for all that comes of it."
)
@click.option("--backbones", default="all", show_default=True, help="Names with commas between, or all.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="BACKBONE.NAME=VALUE",
    help="A backbone's parameter, or its learning_rate; repeatable.",
)
@click.option(
    "--reference",
    default="histpyramid",
    help="Compare the others with it, shot by shot.  [default: histpyramid, or the first where that is not compared]",
)
@click.option("--max-steps", type=click.IntRange(1), default=1000, show_default=True, help="A direction, for each.")
@click.option(
    "--seconds", type=click.FloatRange(0, min_open=True), help="Give each this wall time a direction, not steps."
)
@click.option("--learning-rate", type=float, default=2e-3, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=4, show_default=True, help="Images a step.")
@click.option("--windows-per-image", type=click.IntRange(1), default=16, show_default=True)
@click.option("--window-size", type=click.IntRange(1), default=32, show_default=True, help="Pixels.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="How many, from 0.")
@click.option("--shots", type=click.IntRange(5), default=60, show_default=True, help="Of a dataset that is made.")
@click.option("--size", type=click.IntRange(16), default=192, show_default=True, help="Of its pairs, pixels.")
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at once; they share the cores."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results of all runs as JSON.")
def compare(**options: Any) -> int:
    """Fit backbones to CAMERAS in both directions with one budget, and test them on whole images.

    A camera is a folder of `ispfit pairs`, a pairs.csv, a folder of RAW files, or the name of a dataset such as
    virtual-a. Pairs of the split "test" are tested with; where there is none, one scene in five. A comparison that was
    stopped goes on where it was; what has changed since, pairs or a backbone's code, is done again. OUTPUT gets
    comparison.csv, .md and .png.
    """
    return compare_cameras(**options)


def compare_cameras(
    cameras: tuple[str, ...],
    output: Path,
    backbones: str,
    settings: tuple[str, ...],
    reference: str,
    seeds: int,
    shots: int,
    size: int,
    device: str,
    jobs: int,
    as_json: bool,
    variants: dict[str, Backbone] | None = None,
    published: Published | None = None,
    **budget: Any,
) -> int:
    """What the command does; `variants` are compared too, under names of their own, `published` is set beside."""
    from ispfit.comparison import Budget, Comparison, Run, distinct_names, prepare_camera, run_all
    from ispfit.runtime import resolve_runtime

    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise click.UsageError("torchrun is for `ispfit fit`; compare with --jobs.")
    families, rates = _families(backbones, settings)
    families |= variants or {}
    reference = _known_reference(reference, list(families))
    terms = Budget(**budget)
    each = {
        label: replace(terms, learning_rate=rates.get(family.name, terms.learning_rate))
        for label, family in families.items()
    }
    terms.check()
    for label, rate in rates.items():
        _check_rate(label, replace(terms, learning_rate=rate))
    resolve_runtime(device)
    places = distinct_names([prepare_camera(camera, output / "data", shots, size) for camera in cameras])
    left_out = _load_all(places)
    runs = [
        Run(place, family, seed, each[label], device, label)
        for place in places
        for label, family in families.items()
        for seed in range(seeds)
    ]
    results, failures = run_all(runs, output / "runs", jobs)
    comparison = Comparison(results, reference, published)
    written = _write(comparison, output)
    if as_json:
        print_json({"unit": "dB", "results": results, "failures": left_out + failures})
    else:
        _print(comparison)
        click.echo("\n" + ", ".join(map(str, written)))
    return report_failures(left_out + failures, len(runs) + len(left_out))


def _families(backbones: str, settings: tuple[str, ...]) -> tuple[dict[str, Backbone], dict[str, float]]:
    """The backbones to compare, and the learning rates that some have, by name; what is out of range is found now."""
    from ispfit import get_backbone, list_backbones

    names = list_backbones() if backbones == "all" else [name.strip() for name in backbones.split(",")]
    families = {name: get_backbone(name)() for name in dict.fromkeys(names)}
    rates = {}
    for name, parameters in _by_backbone(parse_settings(settings), list(families)).items():
        if _RATE in parameters and _RATE not in families[name].get_params():
            if families[name].build().has_closed_form:
                raise click.UsageError(f"--set: {name} is not trained by steps and has no {_RATE}.")
            rates[name] = parameters.pop(_RATE)
        known = families[name].get_params()
        families[name].set_params(**known_settings(parameters, known | {_RATE: None}, name))
    for family in families.values():
        family.build()
    return families, rates


def _check_rate(name: str, terms: Budget) -> None:
    from ispfit.errors import InputError

    try:
        terms.check()
    except InputError as error:
        raise click.UsageError(f"--set {name}.{error}") from error


def _known_reference(reference: str, names: list[str]) -> str:
    if reference in names:
        return reference
    source = click.get_current_context().get_parameter_source("reference")
    if source is not ParameterSource.DEFAULT:
        raise click.UsageError(f"--reference: expected one of {', '.join(names)}, got {reference!r}.")
    return names[0]


def _load_all(places: list[Camera]) -> list[str]:
    """Decode all pairs, once; say what cannot be read, or used, before hours are spent on the rest."""
    with warnings_as_notes() as left_out:
        for place in places:
            place.load()
    return left_out


def _write(comparison: Comparison, output: Path) -> list[Path]:
    from ispfit.displays import ComparisonDisplay
    from ispfit.files import atomic_path

    written = []
    for name, text in (("comparison.md", comparison.markdown()), ("comparison.csv", comparison.csv())):
        with atomic_path(output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
        written.append(output / name)
    if comparison.results:
        with atomic_path(output / "comparison.png") as temporary:
            ComparisonDisplay(comparison).plot().figure_.savefig(temporary, dpi=100, format="png")
        written.append(output / "comparison.png")
    return written


def _print(comparison: Comparison) -> None:
    from ispfit.directions import DIRECTIONS

    for camera in comparison.cameras:
        for direction in DIRECTIONS:
            click.echo(f"\n{camera}\n" + table(*comparison.table(camera, direction)))
    click.echo(f"\n{comparison.parameters()}\n{comparison.budget()}")
    for caution in comparison.cautions():
        click.echo(caution)


def _by_backbone(settings: dict[str, Any], names: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for setting, value in settings.items():
        name, dot, parameter = setting.partition(".")
        if not dot or name not in names:
            raise click.UsageError(
                f"--set: expected BACKBONE.NAME=VALUE of one of {', '.join(names)}, got {setting!r}."
            )
        found.setdefault(name, {})[parameter] = value
    return found
