"""``ispfit pairs``: registered pairs from folders of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.common import DONE, FAILED, LeftOut, count, print_json, report_left_out, table, warnings_as_notes
from ispfit.cli.options import jobs_option, json_option, size_options

if TYPE_CHECKING:
    from ispfit.pairs import PairsReport
    from ispfit.resize import Size

__all__ = ["pairs", "print_summary"]


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Write the pairs to this folder.")
@size_options
@click.option(
    "--max-residual",
    type=click.FloatRange(0),
    default=0.05,
    show_default=True,
    help="Reject a pair if the expected error of its registration exceeds this many pixels (rms, longer side 768 px).",
)
@click.option(
    "--min-overlap",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Reject a pair if the RAW shows less than this share of the picture.",
)
@click.option("--camera", metavar="TEXT", help="Take only shots whose make and model contain this text.")
@click.option("--style", metavar="TEXT", help="Take only shots whose picture style contains this text.")
@click.option(
    "--white-balance", nargs=3, type=float, metavar="R G B", help="Apply these gains instead of those in the RAW files."
)
@click.option(
    "--n-test",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    metavar="N",
    help="Put at most N shots per camera and style into the test split, and at most one in five.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed the choice of the splits.")
@jobs_option("Make pairs in this number of processes.")
@click.option(
    "--time-limit",
    type=click.FloatRange(1),
    default=600,
    show_default=True,
    help="Give up a shot after this number of seconds.",
)
@click.option("--dry-run", is_flag=True, help="List which files would become pairs, and write nothing.")
@json_option("Print what was done as JSON.")
def pairs(
    folders: tuple[Path, ...],
    output: Path,
    size: Size,
    full_size: bool,
    no_register: bool,
    seed: int,
    jobs: int | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Make registered pairs of the RAW files and pictures in FOLDERS.

    A picture belongs to the RAW file of the same name. A RAW file without a picture is paired with its embedded JPEG.
    `ispfit fit` takes the output folder. A run that was stopped resumes if the command is repeated. Pairs
    of other files that are in the output folder stay, so that several cards can be added one after the other.
    """
    from ispfit.pairs import make_pairs
    from ispfit.pairs.record import left_out

    if dry_run:
        return _list_matches(folders, as_json)
    with warnings_as_notes():
        report = make_pairs(
            folders,
            output,
            size=None if full_size else size,
            register=not no_register,
            random_state=seed,
            n_jobs=jobs,
            **options,
        )
    if as_json:
        print_json(
            {
                "pairs": [row["name"] for row in report.pairs],
                "rejected": {row["name"]: row["reason"] for row in report.rejected},
                "failures": report.failures,
                "kept": report.n_kept,
                "tables": {name: str(path) for name, path in report.tables.items()},
            }
        )
    else:
        print_summary(report)
    rejected = [left_out(row["name"], row["reason"]) for row in report.rejected]
    code = report_left_out(LeftOut(report.failures, rejected), len(report.pairs))
    return code if report.pairs else FAILED


def _list_matches(folders: tuple[Path, ...], as_json: bool) -> int:
    from ispfit.pairs import match_files

    with warnings_as_notes():
        matched = match_files(folders)
    if as_json:
        print_json([{"raw": str(raw), "picture": str(picture)} for raw, picture in matched])
        return DONE
    for raw, picture in matched:
        click.echo(f"{raw}  {'its embedded JPEG' if picture == raw else picture}")
    n_previews = sum(raw == picture for raw, picture in matched)
    click.echo(f"{count(len(matched), 'RAW file')}, {n_previews} of them without a picture beside it")
    return DONE


def print_summary(report: PairsReport) -> None:
    """Print how many pairs of each camera were made, and where."""
    sizes = report.split_sizes()
    if sizes:
        rows = [[name, *map(str, each.values()), str(report.tables[name])] for name, each in sizes.items()]
        click.echo(table(("camera and style", *next(iter(sizes.values())), "table"), rows))
    kept = f" ({report.n_kept} from an earlier run)" if report.n_kept else ""
    failed = f", {len(report.failures)} failed" if report.failures else ""
    click.echo(f"{count(len(report.pairs), 'pair')}, {len(report.rejected)} rejected{failed}{kept}")
    if report.pairs or report.rejected:
        click.echo(f"look at {report.folder / 'contact.png'}")
