"""Images per second of `ispfit render` and `ispfit derender` on folders of files, on one core and on all cores.

    python benchmarks/speed/folders.py [--shots 100] [--rounds 2] [--size 768 1024] [--json FILE]

The files are DNGs and JPEGs of a virtual camera. Times are those of whole commands, including their start.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import machine, markdown

from ispfit import ISPModel
from ispfit.datasets import make_camera_pairs, make_camera_roll


def seconds(command: str, suffix: str, model: Path, roll: Path, output: Path, cores: int) -> float:
    """Return the wall time of one command that may use only some of the cores."""
    files = sorted(str(path) for path in roll.iterdir() if path.suffix.lower() == suffix)
    arguments = [sys.executable, "-m", "ispfit", command, str(model), *files, "-o", str(output), "--jobs", str(cores)]
    own = set(sorted(os.sched_getaffinity(0))[:cores])
    started = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True, preexec_fn=lambda: os.sched_setaffinity(0, own))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shots", type=int, default=100, help="Write this number of shots.")
    parser.add_argument("--rounds", type=int, default=2, help="Run each command this often and report medians.")
    parser.add_argument(
        "--size", type=int, nargs=2, default=[768, 1024], help="Set the height and width of the images in pixels."
    )
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    arguments = parser.parse_args()
    rows, result = [], {}
    with tempfile.TemporaryDirectory() as folder:
        roll, model = Path(folder, "roll"), Path(folder, "camera.ispfit")
        make_camera_roll(roll, arguments.shots, image_size=tuple(arguments.size), random_state=0)
        ISPModel(max_steps=1, random_state=0).fit(*make_camera_pairs(2, 64, random_state=0)).save(model)
        for command, suffix in (("render", ".dng"), ("derender", ".jpg")):
            taken: dict[int, list[float]] = {cores: [] for cores in sorted({1, len(os.sched_getaffinity(0))})}
            for number in range(arguments.rounds):
                for cores, times in taken.items():
                    output = Path(folder, f"{command}{cores}-{number}")
                    times.append(seconds(command, suffix, model, roll, output, cores))
            rates = {cores: arguments.shots / statistics.median(times) for cores, times in taken.items()}
            rows += [[command, str(n), f"{rate:.2f}", f"{rate / rates[1]:.2f} x"] for n, rate in rates.items()]
            result[command] = rates
    print(markdown(["command", "cores", "images per second", "relative to one core"], rows))
    print(f"\n{arguments.shots} shots of {arguments.size[0]} x {arguments.size[1]}, {machine()}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "images_per_second": result}, indent=1))


if __name__ == "__main__":
    main()
