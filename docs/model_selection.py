"""The example of model-selection.md: a search over two parameters with three folds, scored in both directions.

    python docs/model_selection.py [OUTPUT_FOLDER]

Make the data of `make demo`, or use ./demo/roll if it exists, and write model-selection.csv and model-selection.png.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV, GroupKFold

from ispfit import ISPModel, inverse_psnr_scorer, psnr_scorer
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.datasets import make_camera_roll
from ispfit.directions import DIRECTIONS
from ispfit.pairs import match_files, read_pair

SHOTS, SIDE, STEPS = 60, 256, 150


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    roll = Path("demo/roll")
    if not roll.is_dir():
        make_camera_roll(roll, SHOTS, image_size=(2 * SIDE, 3 * SIDE), random_state=0)
    files = match_files(roll)  # the virtual camera's raw and JPEG share one pixel grid: no need to register them
    X, Y = zip(*(read_pair(raw, srgb, size=SIDE, register=False) for raw, srgb in files), strict=True)

    model = ISPModel(
        HistPyramid(channels=32),
        max_steps=STEPS,
        batch_size=8,
        windows_per_image=4,
        validation_fraction=0,
        random_state=0,
    )
    search = GridSearchCV(
        model,
        {"backbone__bins": [3, 6, 12], "learning_rate": [1e-3, 3e-3]},
        scoring={"forward": psnr_scorer, "inverse": inverse_psnr_scorer},
        refit=False,
        cv=GroupKFold(3),
        n_jobs=2,
    ).set_callbacks(ProgressBar())
    search.fit(X, Y, groups=[image.shot.scene or image.shot.name for image in X])
    rows = write_table(search.cv_results_, folder / "model-selection.csv")
    draw(rows, folder / "model-selection.png")


def write_table(results: dict, path: Path) -> list[dict]:
    """Write one row per candidate: mean and standard error over the folds for each direction, in dB."""
    rows = []
    for index, parameters in enumerate(results["params"]):
        row = dict(parameters)
        for name in DIRECTIONS:
            row[name] = round(float(results[f"mean_test_{name}"][index]), 2)
            row[f"{name}_error"] = round(float(results[f"std_test_{name}"][index]) / 3**0.5, 2)
        rows.append(row)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return rows


def draw(rows: list[dict], path: Path) -> None:
    """Plot PSNR over the number of bins: one line per learning rate, one panel per direction."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for panel, (name, title) in zip(panels, DIRECTIONS.items(), strict=True):
        for rate in sorted({row["learning_rate"] for row in rows}):
            line = [row for row in rows if row["learning_rate"] == rate]
            bins = [row["backbone__bins"] for row in line]
            panel.errorbar(
                bins,
                [row[name] for row in line],
                [row[f"{name}_error"] for row in line],
                marker="o",
                capsize=3,
                label=f"learning rate {rate:g}",
            )
        panel.set(title=title, xlabel="bins per channel", ylabel="PSNR on left-out shots, dB", xticks=bins)
    panels[0].legend()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
