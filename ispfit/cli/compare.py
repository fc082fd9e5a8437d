"""``ispfit compare``: backbones on equal terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import print_json, report_failures, table
from ispfit.cli.fit import parse_settings

__all__ = ["compare"]


@click.command()
@click.argument("cameras", nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="A folder for all that comes of it."
)
@click.option("--backbones", default="all", show_default=True, help="Names with commas between, or all.")
@click.option(
    "--set", "settings", multiple=True, metavar="BACKBONE.NAME=VALUE", help="A backbone's parameter; repeatable."
)
@click.option("--reference", default="histpyramid", show_default=True, help="Compare the others with it, shot by shot.")
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
def compare(
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
    **budget: Any,
) -> int:
    """Fit backbones to CAMERAS in both directions with one budget, and test them on whole images.

    A camera is a folder of `ispfit pairs`, a pairs.csv, a folder of RAW files, or the name of a dataset such as
    virtual-a. Pairs of the split "test" are tested with; where there is none, one scene in five. A comparison that was
    stopped goes on where it was. OUTPUT gets comparison.csv, .md and .png.
    """
    from ispfit import get_backbone, list_backbones
    from ispfit.comparison import Budget, Comparison, Run, prepare_camera, run_all
    from ispfit.comparison.statistics import TITLES
    from ispfit.displays import ComparisonDisplay
    from ispfit.files import atomic_path

    names = list_backbones() if backbones == "all" else [name.strip() for name in backbones.split(",")]
    given = _by_backbone(parse_settings(settings), names)
    families = [get_backbone(name)().set_params(**given.get(name, {})) for name in names]
    for family in families:
        family.build()  # a parameter out of range is found now
    places = [prepare_camera(camera, output / "data", shots, size) for camera in cameras]
    terms = Budget(**budget)
    runs = [Run(place, family, seed, terms, device) for place in places for family in families for seed in range(seeds)]
    results, failures = run_all(runs, output / "runs", jobs)
    comparison = Comparison(results, reference)
    for name, text in (("comparison.csv", comparison.csv()), ("comparison.md", comparison.markdown())):
        with atomic_path(output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if results:
        ComparisonDisplay(comparison).plot().figure_.savefig(output / "comparison.png", dpi=100)
    if as_json:
        print_json({"unit": "dB", "results": results, "failures": failures})
    else:
        for camera in comparison.cameras:
            for direction in TITLES:
                click.echo(f"\n{camera}\n" + table(*comparison.table(camera, direction)))
        click.echo(f"\n{comparison.parameters()}")
        click.echo(f"\n{output / 'comparison.md'}, .csv, .png")
    return report_failures(failures, len(runs))


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
