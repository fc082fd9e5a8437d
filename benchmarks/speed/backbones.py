"""Time and peak memory of rendering with every installed backbone, fitted; the rows are those of docs/speed.md.

    python benchmarks/speed/backbones.py [--backbones NAME ...] [--rounds 3] [--json FILE]

24 megapixels are rendered in processes of their own, medians of several runs (one if a run takes longer than a
minute). The first large image of a process is timed, and with it what a network computes only once. 512 x 512 pixels
are rendered by turns with `naive` in one process. Peaks of memory are those above the interpreter with torch, input and
output image included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from fitted import fit_to_file, load_to_time, picture
from measure import BARE_MIB, alone, interleaved, machine, markdown, report
from naive import NaiveHistPyramid

from ispfit import list_backbones
from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.rendering import render_image
from ispfit.runtime import resolve_runtime

LARGE, SMALL = (4000, 6000), (512, 512)
REFERENCE, NAIVE = "histpyramid", "naive"
MAX_REPEATED_S = 60.0
HEAD = [
    "backbone",
    "24 megapixels: wall time, s",
    "CPU time, s",
    f"CPU time, ratio to `{REFERENCE}`",
    "peak memory, MiB",
    "512 x 512: CPU time, ratio to `naive`",
]

Work = Callable[[], object]
Figures = dict[str, float]


def work(model: Path, pixels: np.ndarray) -> Work:
    """Return a function that renders an image from an array to an array."""
    network, runtime = load_to_time(model), resolve_runtime("cpu", "fp32")
    return lambda: render_image(network, pixels, runtime)


def naive_work(pixels: np.ndarray) -> Work:
    """Return the same for `naive`, whose time does not depend on its weights."""
    torch.manual_seed(0)
    network = HistPyramid.paper().build()
    assert isinstance(network, HistPyramidNetwork)
    naive, image = NaiveHistPyramid.of(network), torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()

    def render() -> np.ndarray:
        with torch.inference_mode():
            return naive(image)[0].permute(1, 2, 0).clamp(0, 1).numpy()

    return render


def measure_large(model: Path, rounds: int) -> Figures:
    """Return the medians of the times and the largest peak."""
    runs = [alone("backbones.py", "--peak", str(model))]
    while len(runs) < rounds and runs[0]["wall"] < MAX_REPEATED_S:
        runs.append(alone("backbones.py", "--peak", str(model)))
    times = {name: statistics.median(run[name] for run in runs) for name in ("wall", "cpu")}
    return times | {"peak_mib": max(run["peak_mib"] for run in runs)}


def measure_small(models: dict[str, Path], rounds: int) -> dict[str, Figures]:
    pixels = picture(SMALL)
    works = {name: work(model, pixels) for name, model in models.items()}
    return interleaved(works | {NAIVE: naive_work(pixels)}, rounds)


def rows(large: dict[str, Figures], small: dict[str, Figures]) -> list[list[str]]:
    """Return the rows of the table, the fastest backbone first."""
    return [
        [
            f"`{name}`",
            f"{each['wall']:.1f}",
            f"{each['cpu']:.1f}",
            f"{each['cpu'] / large[REFERENCE]['cpu']:.2f}" if REFERENCE in large else "",
            f"{each['peak_mib']:.0f}",
            f"{small[name]['cpu'] / small[NAIVE]['cpu']:.2f}",
        ]
        for name, each in sorted(large.items(), key=lambda item: item[1]["cpu"])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--backbones", nargs="+", metavar="NAME", help="Measure these; all installed ones if not given."
    )
    parser.add_argument("--rounds", type=int, default=3, help="Time this number of runs.")
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    parser.add_argument("--peak", type=Path, metavar="MODEL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        work(arguments.peak, picture((64, 64)))()  # loads everything that is loaded at the first use
        report(lambda: work(arguments.peak, picture(LARGE)), above=BARE_MIB)
        return
    with tempfile.TemporaryDirectory() as folder:
        models = {name: fit_to_file(name, Path(folder)) for name in arguments.backbones or list_backbones()}
        large = {name: measure_large(model, arguments.rounds) for name, model in models.items()}
        small = measure_small(models, arguments.rounds)
    print(markdown(HEAD, rows(large, small)), f"\n{machine()}", sep="\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "24 MP": large, "512 x 512": small}, indent=1))


if __name__ == "__main__":
    main()
