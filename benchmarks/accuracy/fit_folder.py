"""What registration is worth to `ispfit fit FOLDER`: lens-corrected JPEGs that have the proportions of their RAW files.

A virtual camera shoots one roll twice: once with its files on one pixel grid, once with a lens that distorts, which the
camera corrects in its JPEGs but not in its RAW files. `ispfit fit` is run on both rolls, and on the second one also
with --no-register. All models are scored on test shots of the first roll. Prints a table.

    python benchmarks/accuracy/fit_folder.py [--shots 60] [--steps 300] [--size 256] [--lens 0.04]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ispfit.datasets import make_camera_roll

IMAGE = (512, 768)
TRAINING = [
    *("--learning-rate", "3e-3", "--set", "channels=32", "--batch-size", "8"),
    *("--windows-per-image", "4", "--validation-fraction", "0"),
]


def ispfit(*arguments: str | Path) -> str:
    """Run a command and return what it prints."""
    command = [sys.executable, "-m", "ispfit", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def write_roll(folder: Path, lens: float, n_samples: int, n_test: int) -> tuple[Path, Path]:
    """Write a roll; return the folders of its training and test shots."""
    parts = folder / "train", folder / "test"
    for part in parts:
        part.mkdir(parents=True)
    files = make_camera_roll(folder / "roll", n_samples, image_size=IMAGE, lens=lens, random_state=1)
    for index, pair in enumerate(files):
        for file in pair:
            file.rename(parts[index >= n_samples - n_test] / file.name)
    return parts


def fit_and_score(name: str, pairs: Path, test: Path, arguments: argparse.Namespace, *options: str) -> list[str]:
    """Return a line of the table."""
    model, size = pairs.parent / f"{name.replace(' ', '-')}.ispfit", ["--size", str(arguments.size)]
    ispfit("fit", pairs, "-o", model, *size, "--max-steps", str(arguments.steps), *TRAINING, *options)
    found = json.loads(ispfit("score", model, test, *size, "--json"))["directions"]
    return [name, *(f"{found[direction]['mean']:.2f}" for direction in ("forward", "inverse"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, default=60, help="Photograph this number of scenes.")
    parser.add_argument("--steps", type=int, default=300, help="Train each direction for this number of steps.")
    parser.add_argument("--size", type=int, default=256, help="Reduce pairs to this size in pixels.")
    parser.add_argument(
        "--lens", type=float, default=0.04, help="Distortion at the corner, share of the half diagonal."
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ISPFIT_CACHE"] = str(Path(folder, "cache"))
        n_test = max(2, arguments.shots // 5)
        perfect, test = write_roll(Path(folder, "perfect"), 0.0, arguments.shots, n_test)
        corrected, _ = write_roll(Path(folder, "corrected"), arguments.lens, arguments.shots, n_test)
        lines = [
            fit_and_score("perfect pairs", perfect, test, arguments),
            fit_and_score("lens-corrected", corrected, test, arguments),
            fit_and_score("lens-corrected, not registered", corrected, test, arguments, "--no-register"),
        ]
    print(f"{'mean PSNR on perfect test pairs, dB':36} raw to sRGB  sRGB to raw")
    for name, forward, inverse in lines:
        print(f"{name:36} {forward:>11}  {inverse:>11}")


if __name__ == "__main__":
    main()
