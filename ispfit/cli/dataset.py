"""``ispfit dataset``: the field's data sets, by one command each."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.common import DONE, LeftOut, count, print_json, report_left_out, table, warnings_as_notes
from ispfit.cli.options import jobs_option, json_option, size_options
from ispfit.cli.pairs import print_summary

if TYPE_CHECKING:
    from ispfit.datasets.fetch import FetchPlan, FetchReport
    from ispfit.datasets.recipe import Recipe
    from ispfit.resize import Size

__all__ = ["dataset"]

_MADE_BY = {"camera": "a camera", "pipeline": "software", "person": "a person", "nobody": "-"}
_WIDTH = 100


@click.group()
def dataset() -> None:
    """List, describe and fetch data sets with RAW and sRGB of one shot."""


@dataset.command("list")
@json_option("Print the recipes as JSON.")
def list_command(as_json: bool) -> int:
    """List the data sets that there are recipes of."""
    from ispfit.datasets import list_recipes

    recipes = list_recipes()
    if as_json:
        print_json({name: recipe.model_dump(mode="json") for name, recipe in recipes.items()})
        return DONE
    header = ("name", "shots", "size", "first run", "srgb by", "fetched by")
    head, *rows = table(header, [_row(recipe) for recipe in recipes.values()]).splitlines()
    click.echo(f"{head}  good for")
    for row, recipe in zip(rows, recipes.values(), strict=True):
        click.echo(f"{row}  {recipe.good_for}")
    click.echo("`ispfit dataset show NAME` tells all; `ispfit dataset fetch NAME -o FOLDER --only 20` is a first run.")
    return DONE


def _row(recipe: Recipe) -> list[str]:
    by = "ispfit" if recipe.is_fetched else "ispfit, with a list" if recipe.listings else "hand"
    first, about = recipe.first_run, "about " if recipe.estimated else ""
    return [
        recipe.name,
        str(recipe.shots),
        f"{about}{_bytes(recipe.bytes)}",
        f"{count(first.shots, 'shot')}, {_bytes(first.bytes)}",
        _MADE_BY[recipe.made_by],
        by,
    ]


@dataset.command()
@click.argument("name")
@json_option("Print the recipe as JSON.")
def show(name: str, as_json: bool) -> int:
    """Show what there is to know of the data set NAME (or of a recipe's .toml file)."""
    from ispfit.datasets.recipes import get_recipe

    recipe = get_recipe(name)
    if as_json:
        print_json(recipe.model_dump(mode="json"))
        return DONE
    click.echo(f"{recipe.name}: {recipe.title}")
    for label, text in _facts(recipe):
        click.echo(textwrap.fill(f"{label:<12}{text}", _WIDTH, subsequent_indent=" " * 12))
    for quirk in recipe.quirks:
        click.echo(textwrap.fill(f"- {quirk.what} {quirk.done}", _WIDTH, subsequent_indent="  "))
    for exclusion in recipe.exclusions:
        text = f"- left out: {', '.join(exclusion.shots)}. {exclusion.reason}"
        click.echo(textwrap.fill(text, _WIDTH, subsequent_indent="  "))
    return DONE


def _facts(recipe: Recipe) -> list[tuple[str, str]]:
    licence = recipe.licence
    passed_on = {
        True: "may be passed on",
        False: "may not be passed on",
        None: "whether it may be passed on is unknown",
    }
    splits = recipe.splits
    first = recipe.first_run.shots
    return [
        ("home page", recipe.home_page),
        ("cite", " ".join(recipe.citation.split())),
        ("licence", f"{licence.name}; {passed_on[licence.redistribution]}. {licence.note}".rstrip()),
        ("camera", recipe.camera),
        ("raw", recipe.raw),
        ("srgb", f"{recipe.srgb} (made by {_MADE_BY[recipe.made_by]})"),
        ("good for", recipe.good_for),
        ("splits", f"{splits.rule}: {splits.source}"),
        ("all of it", f"{count(recipe.shots, 'shot')}: {needs_text(recipe)}"),
        ("first run", f"{count(first, 'shot')}: {needs_text(recipe, first)}"),
        ("get it", " ".join(recipe.manual.split()) or f"ispfit dataset fetch {recipe.name} -o FOLDER --only {first}"),
    ]


def needs_text(recipe: Recipe, shots: int | None = None) -> str:
    """Return the disk and the time that shots of a data set need, as computed from its recipe."""
    disk, seconds = recipe.needs(shots)
    hours = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{max(1, round(seconds / 60))} min"
    return f"{'about ' if recipe.estimated else ''}{_bytes(disk)} of disk, {hours} at 10 MB/s"


def _bytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{max(1, round(number / 1e6))} MB"


@dataset.command()
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder of the set.  [default: in $ISPFIT_DATA]")
@click.option("--only", type=click.IntRange(1), metavar="N", help="Fetch N shots, evenly spaced among all.")
@click.option("--yes", is_flag=True, help="Do not ask before the download.")
@click.option("--raw-only", is_flag=True, help="Leave the files as they came, and make no pairs.")
@click.option(
    "--from", "source", type=click.Path(path_type=Path), help="Folder with the files that you have got by hand."
)
@size_options
@click.option("--camera", metavar="TEXT", help="Make pairs only of shots whose make and model contain this text.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed the choice of the splits.")
@jobs_option("Make pairs in this number of processes.")
@json_option("Print what was done as JSON.")
def fetch(
    name: str,
    output: Path | None,
    only: int | None,
    yes: bool,
    raw_only: bool,
    source: Path | None,
    size: Size,
    full_size: bool,
    no_register: bool,
    camera: str | None,
    seed: int,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Fetch the data set NAME (or that of a recipe's .toml file), and make registered pairs of it.

    The files go to the folder `files` of the set, the pairs beside it, so that `ispfit fit FOLDER` takes it. If the
    command is repeated, it resumes: what is there is neither fetched nor made again.
    """
    from ispfit.datasets.fetch import plan_fetch, run_fetch
    from ispfit.datasets.recipes import dataset_folder, get_recipe

    recipe = get_recipe(name)
    plan = plan_fetch(recipe, output or dataset_folder(recipe.name), only=only, source=source)
    if plan.n_bytes and not yes:
        _ask(plan)
    with warnings_as_notes():
        report = run_fetch(
            plan,
            raw_only=raw_only,
            size=None if full_size else size,
            register=None if not no_register else False,
            camera=camera,
            random_state=seed,
            n_jobs=jobs,
            tell=lambda sentence: click.echo(sentence, err=True),
        )
    return _report(report, as_json)


def _ask(plan: FetchPlan) -> None:
    """Tell size and licence, and go on only if the user says so."""
    licence = plan.recipe.licence
    click.echo(plan.recipe.title, err=True)
    click.echo(f"{_bytes(plan.n_bytes)} at most go to {plan.folder}", err=True)
    click.echo(f"licence: {licence.name}. {licence.note}".rstrip(), err=True)
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: add --yes to fetch it.")
    click.confirm("Fetch it?", abort=True, err=True)


def _report(report: FetchReport, as_json: bool) -> int:
    pairs = report.pairs
    if as_json:
        print_json(
            {
                "folder": str(report.folder),
                "files": str(report.files),
                "shots": report.shots,
                "pairs": None if pairs is None else [row["name"] for row in pairs.pairs],
                "rejected": {} if pairs is None else {row["name"]: row["reason"] for row in pairs.rejected},
                "failures": [*report.failures, *(pairs.failures if pairs else [])],
            }
        )
    elif pairs is None:
        click.echo(f"{report.files}: {count(report.shots, 'shot')}" if report.shots else f"{report.files}")
    else:
        print_summary(pairs)
        click.echo(f"next: ispfit fit {report.folder} -o camera.ispfit")
    if pairs is None:
        return DONE
    rejected: list[Any] = [f"pair {row['name']!r} was left out: {row['reason']}" for row in pairs.rejected]
    return report_left_out(LeftOut([*report.failures, *pairs.failures], rejected), len(pairs.pairs))
