"""``ispfit pairs``: registered pairs from folders of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import print_json, report_failures, table

__all__ = ["pairs"]


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The folder to write to.")
@click.option("--size", type=click.IntRange(16), default=512, show_default=True, help="Of the pairs, pixels, square.")
@click.option("--full-size", is_flag=True, help="Keep the resolution of the files.")
@click.option(
    "--max-residual",
    type=click.FloatRange(0),
    default=0.05,
    show_default=True,
    help="Expected error of the registration, px rms at 768 px.",
)
@click.option(
    "--min-overlap",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the picture in the RAW.",
)
@click.option("--camera", metavar="TEXT", help="Take only shots whose make and model contain this.")
@click.option("--style", metavar="TEXT", help="Take only shots whose picture style contains this.")
@click.option("--white-balance", nargs=3, type=float, metavar="R G B", help="Gains for all files instead of their own.")
@click.option("--n-test", type=click.IntRange(0), default=50, show_default=True, help="Shots to test with, at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the splits.")
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one a core]")
@click.option("--time-limit", type=click.FloatRange(1), default=600, show_default=True, help="Seconds a shot may take.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def pairs(
    folders: tuple[Path, ...], output: Path, size: int, full_size: bool, seed: int, as_json: bool, **options: Any
) -> int:
    """Make registered pairs of the RAW files and pictures in FOLDERS.

    A picture belongs to the RAW file of the same name; where there is none, the JPEG embedded in the RAW is taken. The
    output folder is what `ispfit fit` takes. A run that was stopped goes on where it was.
    """
    from ispfit.pairs import make_pairs
    from ispfit.pairs.make import summary

    report = make_pairs(folders, output, size=None if full_size else size, random_state=seed, **options)
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
        groups = summary(report)
        rows = [[name, *map(str, splits.values()), str(report.tables[name])] for name, splits in groups]
        if rows:
            click.echo(table(("camera and style", *groups[0][1], "table"), rows))
        kept = f" ({report.n_kept} from before)" if report.n_kept else ""
        click.echo(f"{len(report.pairs)} pairs, {len(report.rejected)} rejected{kept}")
        click.echo(
            "\n".join(f"  {row['name']}: {row['reason']}" for row in report.rejected[:10]), nl=bool(report.rejected)
        )
        click.echo(f"look at {output / 'contact.png'}")
    total = len(report.pairs) + len(report.rejected) + len(report.failures)
    return report_failures(report.failures, total)
