"""Make a pair set of a single shot: the left half of a RAW file and of its JPEG trains, the right half tests.

    python benchmarks/accuracy/light_halves.py light.crw -o light [--tiles 2]
    ispfit compare light -o comparison

The pair is registered as `ispfit.datasets.load_pairs` does it, and keeps the size of the JPEG. Each half is cut into
2 x 2 tiles, or as many as asked. All are of one scene: a backbone cannot learn from them what follows the scene, and
should do as well as one that ignores it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from ispfit.cli import run
from ispfit.comparison import write_pair_set
from ispfit.datasets import load_pairs
from ispfit.images import Image

SPLITS = {"left": "train", "right": "test"}


def tiles_of(image: npt.NDArray[Any], tiles: int) -> dict[str, npt.NDArray[Any]]:
    """Cut the halves of an image into tiles x tiles parts, by name: ``left-0-0`` and so on."""
    return {
        f"{half}-{row}-{column}": part
        for half, side in zip(SPLITS, np.array_split(image, 2, axis=1), strict=True)
        for row, line in enumerate(np.array_split(side, tiles, axis=0))
        for column, part in enumerate(np.array_split(line, tiles, axis=1))
    }


def write_halves(file: Path, folder: Path, tiles: int) -> None:
    """Write the pair set of one RAW file, whose JPEG lies beside it or is embedded."""
    [raw], [srgb] = load_pairs(file, size=None)
    shot = replace(raw.shot, scene=file.stem)
    raws, srgbs = tiles_of(raw, tiles), tiles_of(srgb, tiles)
    names = list(raws)
    X, Y = ([Image(part, shot) for part in parts.values()] for parts in (raws, srgbs))
    write_pair_set(folder, names, X, Y, [SPLITS[name.partition("-")[0]] for name in names])
    print(f"{folder}: {len(names)} pairs of {X[0].shape[1]} x {X[0].shape[0]} pixels, half of them for training.")


@click.command(help=__doc__)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Write the pairs to this folder.")
@click.option("--tiles", type=click.IntRange(1), default=2, show_default=True, help="Cut each half into N x N tiles.")
def light_halves(file: Path, output: Path, tiles: int) -> None:
    write_halves(file, output, tiles)


if __name__ == "__main__":
    run(light_halves)
