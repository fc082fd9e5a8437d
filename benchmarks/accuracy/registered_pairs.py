"""What registration costs: a model fitted on registered pairs against one fitted on the perfect pairs.

Each virtual camera shoots a roll twice with one seed: once with its files on one pixel grid, once with a lens that
distorts (the camera corrects it in its JPEG) and a JPEG made smaller. The second roll goes through `ispfit pairs`. Both
models are scored on test shots that neither has seen. Prints a table; about half an hour on two cores.

    python benchmarks/accuracy/registered_pairs.py [--shots 30] [--steps 500] [--size 192]
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np

from ispfit import ISPModel
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.datasets import load_pairs, make_camera_roll
from ispfit.pairs import make_pairs
from ispfit.synthetic.camera import VirtualCamera
from ispfit.synthetic.camera_files import CAMERAS

LENS, SCALE, IMAGE = -0.03, 0.9, (448, 640)


def roll(folder: Path, camera: VirtualCamera, arguments: argparse.Namespace, lens: float, scale: float) -> Path:
    """Write a roll and make its pairs; if its files are on one grid already, only their size changes."""
    options = {"image_size": IMAGE, "camera": camera, "lens": lens, "jpeg_scale": scale, "random_state": 0}
    make_camera_roll(folder / "card", arguments.shots, **options)
    started = time.monotonic()
    report = make_pairs(folder / "card", folder / "pairs", size=arguments.size, n_jobs=arguments.jobs)
    reasons = "; ".join(sorted({row["reason"] for row in report.rejected}))
    took = (time.monotonic() - started) / arguments.shots
    print(f"  {len(report.pairs)} pairs, {len(report.rejected)} rejected, {took:.1f} s each; {reasons}", flush=True)
    return folder / "pairs"


def compare(name: str, camera: VirtualCamera, arguments: argparse.Namespace) -> list[str]:
    """PSNR of both models, each direction, on the test pairs that both rolls have."""
    with tempfile.TemporaryDirectory() as folder:
        print(name, flush=True)
        perfect = roll(Path(folder, "perfect"), camera, arguments, 0.0, 1.0)
        registered = roll(Path(folder, "registered"), camera, arguments, LENS, SCALE)
        residuals = [float(row["residual"]) for row in csv.DictReader((registered / "pairs.csv").open())]
        loaded = {key: load_pairs(path) for key, path in (("perfect", perfect), ("registered", registered))}
        shared = sorted(set.intersection(*({image.shot.name for image in X} for X, _ in loaded.values())))
        test = set(shared[:: max(1, round(len(shared) / max(4, len(shared) // 5)))])
        models = {key: fit(X, Y, set(shared) - test, arguments) for key, (X, Y) in loaded.items()}
        lines = []
        for direction in ("forward", "inverse"):
            X, Y = chosen(*loaded["perfect"], test)
            first, second = (models[key].psnr(X, Y, direction=direction).mean() for key in ("perfect", "registered"))
            X, Y = chosen(*loaded["registered"], test)
            own = models["registered"].psnr(X, Y, direction=direction).mean()
            lines.append(
                f"{name:12} {direction:8} {first:8.2f} {second:11.2f} {second - first:+8.2f} {own:14.2f} "
                f"{np.median(residuals):10.3f} {max(residuals):7.3f}"
            )
        return lines


def chosen(X: list, Y: list, names: set[str]) -> tuple[list, list]:  # type: ignore[type-arg]
    picked = [(raw, srgb) for raw, srgb in zip(X, Y, strict=True) if raw.shot.name in names]
    return [raw for raw, _ in picked], [srgb for _, srgb in picked]


def fit(X: list, Y: list, names: set[str], arguments: argparse.Namespace) -> ISPModel:  # type: ignore[type-arg]
    model = ISPModel(
        HistPyramid(channels=32),
        max_steps=arguments.steps,
        learning_rate=3e-3,
        batch_size=8,
        windows_per_image=4,
        validation_fraction=0,
        random_state=0,
    )
    return model.fit(*chosen(X, Y, names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, default=30, help="Write this number of shots per roll.")
    parser.add_argument("--steps", type=int, default=500, help="Train each direction for this number of steps.")
    parser.add_argument("--size", type=int, default=192, help="Reduce the pairs to this number of pixels.")
    parser.add_argument("--jobs", type=int, help="Make pairs in this number of processes; by default one per core.")
    arguments = parser.parse_args()
    lines = []
    for name, camera in CAMERAS.items():
        lines += compare(name, camera, arguments)
        lines += compare(f"{name} man.", camera.manual(), arguments)
    print("\nPSNR in dB on perfect test pairs (the last of the registered model on registered ones); residuals in px")
    header = ("camera", "", "perfect", "registered", "cost", "on registered", "median", "max")
    print("{:12} {:8} {:>8} {:>11} {:>8} {:>14} {:>10} {:>7}".format(*header))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
