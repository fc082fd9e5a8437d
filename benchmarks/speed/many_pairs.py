"""Time per step and resident memory of training for growing numbers of pairs in the memory-mapped cache.

    python benchmarks/speed/many_pairs.py [--counts 100 1000 10000] [--steps 200] [--json FILE]

The pairs are small and synthetic, and the cache is filled beforehand. Each number of pairs is trained on in processes
of its own. A step uses four pairs whatever their number.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
from measure import alone, machine, markdown, resident_mib

from ispfit import ISPModel
from ispfit.datasets import load_pairs
from ispfit.io import write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv

SIDE_PX = 64


def write_pairs(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for index in range(count):
        pixels = rng.random((SIDE_PX, SIDE_PX, 3), np.float32)
        write_linear(folder / f"{index}.tif", pixels)
        write_srgb(folder / f"{index}.png", pixels)


def train(folder: Path, steps: int) -> None:
    """Fit in the child process and print time and memory as JSON."""
    X, Y = load_pairs(folder, lazy=True)
    model = ISPModel(
        direction="forward", max_steps=steps, windows_per_image=4, validation_fraction=0.0, device="cpu", random_state=0
    )
    model.fit(X[:8], Y[:8])  # loads libraries and starts threads
    before = resident_mib()
    seconds = model.fit(X, Y).records_["forward"].seconds
    print(json.dumps({"pairs": len(X), "step_ms": 1000 * seconds / steps, "grown_mib": resident_mib() - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[100, 1000, 10000], help="Train on each of these numbers of pairs."
    )
    parser.add_argument("--steps", type=int, default=200, help="Train for this number of steps.")
    parser.add_argument(
        "--rounds", type=int, default=3, help="Train in this number of processes per number of pairs; report medians."
    )
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train, arguments.steps)
        return
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(folder, max(arguments.counts))
        os.environ["ISPFIT_CACHE"] = str(folder / "cache")  # for the child processes
        for count in sorted(arguments.counts):
            rows = [{"name": str(i), "raw": f"{i}.tif", "srgb": f"{i}.png", "split": "train"} for i in range(count)]
            write_pairs_csv(folder / "pairs.csv", rows)
            arguments_of_child = ("--train", name, "--steps")
            alone("many_pairs.py", *arguments_of_child, "1")  # fills the cache
            runs = [alone("many_pairs.py", *arguments_of_child, str(arguments.steps)) for _ in range(arguments.rounds)]
            found.append({name: statistics.median(run[name] for run in runs) for name in runs[0]})
    rows = [
        [
            f"{each['pairs']:,}",
            f"{each['step_ms']:.1f} ms",
            f"{each['step_ms'] / found[0]['step_ms']:.2f}",
            f"{each['grown_mib']:.1f} MiB",
        ]
        for each in found
    ]
    print(markdown(["pairs", "per step", "relative to the first", "resident memory added by training"], rows))
    print(f"\n{machine()}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "counts": found}, indent=1))


if __name__ == "__main__":
    main()
