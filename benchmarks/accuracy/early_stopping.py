"""What early stopping costs or gains: the default against training to the last step, on the same test shots.

    python benchmarks/accuracy/early_stopping.py -o OUTPUT CAMERA ... [--seeds 3] [--steps 200] [--backbone NAME]

CAMERA is what `ispfit compare` takes. Prints the mean difference in dB over the test shots and the seeds, with its 95 %
interval, in two comparisons for each camera and direction:

- default: `ISPModel()`, which holds out a tenth of the pairs if that is enough to judge by, against
  ``validation_fraction=0`` on the same pairs.
- 20 scenes: `fit(..., validation=...)` with the pairs of 20 training scenes, against ``validation_fraction=0`` on the
  pairs that are left: what the rule itself costs, as both arms train on the same pairs.

Also the numbers of runs that stopped early, and of those that kept earlier weights. Each fit is written to OUTPUT; a
stopped script resumes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ispfit import ISPModel, get_backbone
from ispfit.cli.options import parse_settings
from ispfit.comparison import prepare_pair_sets
from ispfit.comparison.statistics import Statistic
from ispfit.directions import DIRECTIONS
from ispfit.images import shots_of

COMPARISONS = {"default": ("default", "last step"), "20 scenes": ("20 scenes", "without 20 scenes")}
N_SCENES = 20
HEADER = (
    "camera",
    "direction",
    "comparison",
    "held out",
    "to the last step, dB",
    "difference, dB",
    "stopped",
    "earlier weights",
)


def fits_of(X: list[Any], Y: list[Any]) -> dict[str, tuple[list[Any], list[Any], dict[str, Any], dict[str, Any]]]:
    """Return X, Y, parameters of the model and arguments of `fit` of each arm."""
    groups = [shot.scene or str(index) for index, shot in enumerate(shots_of(X))]
    scenes = list(dict.fromkeys(groups))
    chosen = set(np.random.default_rng(0).permutation(scenes)[:N_SCENES].tolist())
    held = [index for index, group in enumerate(groups) if group in chosen]
    rest = [index for index, group in enumerate(groups) if group not in chosen]
    validation = ([X[i] for i in held], [Y[i] for i in held])
    fewer = ([X[i] for i in rest], [Y[i] for i in rest])
    return {
        "default": (X, Y, {}, {}),
        "last step": (X, Y, {"validation_fraction": 0}, {}),
        "20 scenes": (*fewer, {}, {"validation": validation}),
        "without 20 scenes": (*fewer, {"validation_fraction": 0}, {}),
    }


def results_of(camera: Any, arms: list[str], seeds: int, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Fit each arm with each seed, unless its result is in the folder already, and yield the results."""
    (X, Y), test = camera.load()
    backbone = get_backbone(arguments.backbone)(**parse_settings(tuple(arguments.set)))
    common = {"max_steps": arguments.steps, "learning_rate": arguments.learning_rate, "device": "cpu"}
    for seed in range(seeds):
        for arm in arms:
            file = arguments.output / f"{camera.name} {arguments.backbone} {arguments.steps} {arm} {seed}.json"
            if not file.exists():
                *pairs, parameters, extra = fits_of(X, Y)[arm]
                model = ISPModel(backbone, windows_per_image=arguments.windows, random_state=seed, **common)
                model.set_params(**parameters).fit(*pairs, **extra)
                found = {"arm": arm, "seed": seed}
                for way, record in model.records_.items():
                    found[way] = {
                        "psnr": model.psnr(*test, direction=way).tolist(),
                        "held_out": record.n_validation,
                        "steps": record.steps,
                        "best_step": record.best_step,
                        "stopped": record.stopped_early,
                    }
                file.write_text(json.dumps(found))
            yield json.loads(file.read_text())


def lines_of(name: str, results: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a camera: one for each comparison and direction."""
    for title, arms in COMPARISONS.items():
        for way, label in DIRECTIONS.items():
            first, second = ([result[way] for result in results if result["arm"] == arm] for arm in arms)
            if not first or not second:
                continue
            means = [np.mean([each["psnr"] for each in side], axis=0) for side in (first, second)]
            difference = Statistic.of(means[0] - means[1])
            stopped = sum(each["stopped"] for each in first)
            earlier = sum(each["best_step"] < each["steps"] for each in first)
            yield (
                f"| {name} | {label} | {title} | {first[0]['held_out']} | {means[1].mean():.2f} "
                f"| {difference.mean:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}) "
                f"| {stopped} of {len(first)} | {earlier} of {len(first)} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cameras", nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--windows", type=int, default=4, help="Windows per image.")
    parser.add_argument("--backbone", default="histpyramid")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--shots", type=int, default=60, help="Pairs of a synthetic camera.")
    parser.add_argument("--size", type=int, default=192, help="Side of their images in pixels.")
    parser.add_argument("--arms", nargs="+", choices=list(sum(COMPARISONS.values(), ())), help="Fit these arms only.")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    arms = arguments.arms or list(sum(COMPARISONS.values(), ()))
    cameras = prepare_pair_sets(arguments.cameras, arguments.output / "data", arguments.shots, arguments.size)
    for seeds in range(1, arguments.seeds + 1):  # all cameras with one seed first: a table of one seed is a table
        results = {camera.name: list(results_of(camera, arms, seeds, arguments)) for camera in cameras}
    print("| " + " | ".join(HEADER) + " |\n" + len(HEADER) * "|---" + "|")
    for name, found in results.items():
        print("\n".join(lines_of(name, found)))


if __name__ == "__main__":
    main()
