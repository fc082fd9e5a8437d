"""The table of backbones in README.md, printed in Markdown.

    python benchmarks/accuracy/readme_table.py D7000 -o OUTPUT

D7000 is the folder of the pairs of the emulated Nikon D7000. All backbones of the table are fitted to it and to
virtual-a, as `ispfit compare` does, with the settings that README names. A stopped run resumes, and what has not
changed since is not repeated. On two CPU cores the first run takes about half an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from ispfit import get_backbone
from ispfit.cli import run
from ispfit.cli.common import report_failures
from ispfit.comparison import Budget, RunResult, markdown_table, plan_runs, prepare_pair_sets, run_all
from ispfit.directions import DIRECTIONS

CAMERAS = ("D7000", "virtual-a")
LOOKS_AT = {
    "histpyramid": "the scene, the image's parts, the neighbourhood, the pixel",
    "photofinish": "the scene, the neighbourhood's brightness, the pixel",
    "mlp": "the pixel",
    "srcnn": "the neighbourhood",
    "hypercolumn": "the neighbourhood, through VGG-16",
    "fcn": "the neighbourhood, through VGG-16",
    "parametric": "the pixel, through a colour model",
    "curve": "one channel of the pixel",
}
BUDGET = Budget({"max_steps": 300, "batch_size": 4, "windows_per_image": 8, "learning_rate": 3e-3})
SMALLER: dict[str, dict[str, Any]] = {
    "histpyramid": {"channels": 32},
    "hypercolumn": {"width": 0.25},
    "fcn": {"width": 0.25},
}


def readme_table(results: Sequence[RunResult]) -> str:
    """Return the table; a backbone without a result on each camera has no row.

    Parameters
    ----------
    results : one for each camera and backbone, camera by camera.
    """
    psnr = [f"{title}, {camera}, dB" for title in DIRECTIONS.values() for camera in CAMERAS]
    header = ["backbone", "looks at", *psnr, "weights", "training, s", "halo, px"]
    of = {name: [result for result in results if result.backbone == name] for name in LOOKS_AT}
    return markdown_table(header, [_row(name, found) for name, found in of.items() if len(found) == len(CAMERAS)])


def _row(name: str, results: Sequence[RunResult]) -> list[str]:
    means = [f"{np.mean(result.psnr[direction]):.2f}" for direction in DIRECTIONS for result in results]
    first, halo = results[0], get_backbone(name)(**results[0].settings).build().halo
    return [f"[`{name}`]", LOOKS_AT[name], *means, f"{first.weights:,}", f"{first.seconds:.0f}", str(halo)]


@click.command(help=__doc__)
@click.argument("d7000")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Keep the results in this folder.")
@click.option("--backbones", default=",".join(LOOKS_AT), metavar="NAMES", help="Print only the rows of these.")
@click.option("--shots", default=60, metavar="N", show_default=True, help="Make N pairs of virtual-a.")
@click.option("--size", default=192, metavar="PIXELS", show_default=True, help="Make them of this size.")
def main(d7000: str, output: Path, backbones: str, shots: int, size: int) -> int:
    names = backbones.split(",")
    if unknown := sorted(set(names) - set(LOOKS_AT)):
        raise click.UsageError(f"--backbones: expected names of {', '.join(LOOKS_AT)}, got {', '.join(unknown)}.")
    families = {name: get_backbone(name)(**SMALLER.get(name, {})) for name in names}
    cameras = prepare_pair_sets([d7000, CAMERAS[1]], output / "data", shots, size, register=False)
    runs = plan_runs(cameras, families, BUDGET, device="cpu")
    results, failures = run_all(runs, output / "runs")
    click.echo(readme_table(results), nl=False)
    return report_failures(failures, len(runs))


if __name__ == "__main__":
    run(main)
