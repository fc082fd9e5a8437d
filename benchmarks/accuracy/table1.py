"""Table 1 of Nam & Kim (ICCV 2017), measured on other cameras, beside the published numbers.

    python benchmarks/accuracy/table1.py -o OUTPUT [CAMERA ...] [--dataset NAME] [options of `ispfit compare`]

Runs `ispfit compare CAMERA ... -o OUTPUT`, by default on two virtual cameras in auto mode and one in manual mode. The
network as published is compared too, and the published numbers stand below ours. The cameras are not those of the
paper: compare the order of the methods, not their numbers. The paper's HCN is our hypercolumn, its "ours" is our
histpyramid.

--dataset NAME adds a set that `ispfit dataset fetch` has fetched, or the folder of one. Published numbers stand beside
it only if the protocol is the same; else a sentence says why they do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ispfit.backbones.histpyramid import HistPyramid
from ispfit.cli import run
from ispfit.cli.compare import chosen_backbones, compare_cameras
from ispfit.cli.compare_options import backbone_options, comparison_options, reference_option
from ispfit.cli.options import json_option
from ispfit.datasets.recipes import dataset_folder, get_recipe

CAMERAS = ("virtual-a", "virtual-b", "synthetic-manual")
PAPER = {
    "Canon 5D Mark III": {
        "forward": {
            "MLP": (25.43, 25.58, 18.08, 32.46),
            "SRCNN": (27.62, 27.52, 18.25, 35.38),
            "FCN": (20.18, 20.40, 12.97, 24.30),
            "HCN": (27.53, 28.04, 18.84, 34.78),
            "ours": (29.63, 29.94, 19.24, 36.32),
        },
        "inverse": {
            "MLP": (34.72, 34.77, 26.35, 44.19),
            "SRCNN": (32.34, 32.98, 21.30, 39.43),
            "FCN": (21.46, 21.02, 17.18, 28.95),
            "HCN": (33.49, 33.46, 25.16, 39.70),
            "ours": (35.16, 35.38, 26.73, 42.80),
        },
    },
    "Nikon D600": {
        "forward": {
            "MLP": (27.63, 27.84, 22.95, 30.93),
            "SRCNN": (27.90, 27.92, 22.81, 32.17),
            "FCN": (20.70, 20.98, 17.05, 23.34),
            "HCN": (27.99, 28.30, 22.73, 33.20),
            "ours": (28.85, 28.93, 22.41, 33.86),
        },
        "inverse": {
            "MLP": (32.77, 32.04, 24.38, 40.77),
            "SRCNN": (30.51, 29.57, 23.00, 38.05),
            "FCN": (20.58, 20.44, 15.67, 25.17),
            "HCN": (32.99, 32.39, 26.63, 39.68),
            "ours": (33.67, 33.35, 27.61, 42.02),
        },
    },
    "Samsung Galaxy S7": {
        "forward": {
            "MLP": (27.62, 27.90, 24.96, 30.56),
            "SRCNN": (30.03, 30.04, 26.21, 34.40),
            "FCN": (20.80, 20.84, 16.27, 26.87),
            "HCN": (29.05, 29.27, 26.02, 32.79),
            "ours": (30.14, 30.63, 22.03, 33.91),
        },
        "inverse": {
            "MLP": (29.56, 29.99, 23.23, 34.28),
            "SRCNN": (30.12, 31.44, 22.45, 35.35),
            "FCN": (21.05, 21.08, 18.06, 26.05),
            "HCN": (30.02, 30.76, 22.95, 34.86),
            "ours": (31.67, 32.66, 25.10, 37.39),
        },
    },
}
"""Mean, median, min and max of the PSNR in dB."""

NOT_THE_SAME = {
    "s7-isp": "the paper measured a camera of this model, on photographs of its own.",
    "fivek-libraw": "published inverse numbers (InvISP and after) are of raws before white balance, whole images; "
    "here the raw is white-balanced and the pairs are reduced.",
    "zrr-test": "published numbers (PyNET and after) are of models trained on 46,839 other patches, on pairs that were "
    "not registered again.",
}
"""Why published numbers of a set are not comparable, by its name."""


@click.command(help=__doc__)
@click.argument("cameras", nargs=-1)
@click.option("--dataset", "datasets", multiple=True, metavar="NAME", help="Measure on this fetched data set.")
@backbone_options()
@reference_option
@comparison_options(max_steps=1000, learning_rate=2e-3)
@json_option("Print the results of all runs as JSON.")
def table1(
    cameras: tuple[str, ...], datasets: tuple[str, ...], backbones: str, settings: tuple[str, ...], **options: Any
) -> int:
    families, rates = chosen_backbones(backbones, settings)
    channels = families.get("histpyramid", HistPyramid()).get_params()["channels"]
    families["histpyramid as published"] = HistPyramid.paper(channels=channels)
    folders = [fetched_folder(name) for name in datasets]
    code = compare_cameras((*cameras, *folders) or CAMERAS, families, rates, published=PAPER, **options)
    for name in datasets:
        reason = NOT_THE_SAME.get(Path(name).name, "no published method reports PSNR on it by a protocol known to us.")
        click.echo(f"{name}: no published numbers beside it: {reason}", err=True)
    return code


def fetched_folder(name: str) -> str:
    """Return the folder of a fetched set, by its name or its folder, or raise a `click.UsageError`."""
    folder = Path(name) if Path(name).is_dir() else dataset_folder(get_recipe(name).name)
    if not (folder / "pairs.csv").exists():
        raise click.UsageError(f"{name}: has not been fetched yet; run `ispfit dataset fetch {name}`.")
    return str(folder)


if __name__ == "__main__":
    run(table1)
