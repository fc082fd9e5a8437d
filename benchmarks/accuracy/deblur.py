"""How well blur is found and undone: 32 images, each blurred by a kernel of its own, deblurred with each prior.

    python benchmarks/accuracy/deblur.py -o OUTPUT [IMAGE ...] [--pairs 32] [--size 256]

IMAGES are picture files or folders of them; by default a virtual camera makes them. Half of the kernels are straight
motions, half are camera shakes, of 13 to 31 pixels. Blurred images have noise of 0.3 % and 8 bits; their borders are
true ones. Prints a table and writes it to OUTPUT/deblur.md; OUTPUT/deblur.png shows true and found kernels, and
OUTPUT/deblur.csv has the figures of each pair.

With --levin FOLDER the pairs are the 32 of Levin et al. (CVPR 2009), which `ispfit dataset fetch levin -o FOLDER`
fetches.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from ispfit import psnr, read_srgb
from ispfit.cli import run
from ispfit.comparison import markdown_table
from ispfit.datasets import make_camera_pairs
from ispfit.deblur import (
    blur,
    deconvolve,
    estimate_kernel,
    kernel_similarity,
    motion_kernel,
    register_shift,
    shake_kernel,
)
from ispfit.io import SRGB_SUFFIXES, find_files
from ispfit.metrics import ssim

PRIORS = ("gradient", "dark-channel", "pmp")
SIZES = (13, 19, 25, 31)
MARGIN = 31  # that is cut off, so that borders are true ones
NOISE = 0.003
ENLARGED = 4  # pixels per pixel of a kernel in the picture

_Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Pair:
    """An image and what a kernel makes of it."""

    sharp: _Array
    blurred: _Array
    kernel: _Array
    size: int


def make_kernel(number: int) -> tuple[_Array, int]:
    """Return kernel number 0, 1, ... of the benchmark, and the size to ask for."""
    size = SIZES[number // 2 % len(SIZES)]
    angle = 37 * number % 180
    return (motion_kernel(0.9 * (size - 1), angle) if number % 2 else shake_kernel(size, number)), size


def make_pair(image: _Array, number: int) -> Pair:
    kernel, size = make_kernel(number)
    noise = np.random.default_rng(number).normal(0, NOISE, image.shape)
    seen = np.rint(np.clip(blur(image, kernel) + noise, 0, 1) * 255) / 255
    inside = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    return Pair(np.asarray(image)[inside], seen[inside].astype(np.float32), kernel, size)


def make_pairs(images: Sequence[Path], n_pairs: int, size: int) -> list[Pair]:
    """Return the pairs; of each image its middle is used."""
    side = size + 2 * MARGIN
    if not images:
        return [make_pair(srgb, i) for i, srgb in enumerate(make_camera_pairs(n_pairs, side, random_state=7)[1])]
    files = find_files(images, SRGB_SUFFIXES)
    chosen = [files[i * len(files) // n_pairs] for i in range(n_pairs)]
    return [make_pair(middle(read_srgb(path), side), i) for i, path in enumerate(chosen)]


def levin_pairs(folder: Path) -> list[Pair]:
    """Return Levin's pairs: 4 images, each blurred by 8 kernels, grey pictures as they are in the fetched folder."""
    files = folder / "files" if (folder / "files").is_dir() else folder
    pairs = []
    for image in range(1, 5):
        sharp = read_srgb(files / f"gt/im{image}.png")
        for number in range(1, 9):
            blurred = read_srgb(files / f"im{image}_kernel{number}_img.png")
            kernel = np.asarray(read_srgb(files / f"gt/kernel{number}.png"))[..., 0]
            kernel = as_convolution(sharp, blurred, kernel / kernel.sum())
            pairs.append(Pair(np.asarray(sharp), np.asarray(blurred), kernel, max(kernel.shape) // 2 * 2 + 1))
    return pairs


def as_convolution(sharp: _Array, blurred: _Array, kernel: _Array) -> _Array:
    """Return the kernel or the kernel turned by half, whichever makes the blurred image: conventions differ."""
    inside = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    both = (kernel, kernel[::-1, ::-1].copy())
    errors = [np.abs(blur(sharp, each)[inside] - blurred[inside]).mean() for each in both]
    return both[int(np.argmin(errors))]


def middle(image: _Array, side: int) -> _Array:
    top, left = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def scores(truth: _Array, estimate: _Array, margin: int = 16) -> tuple[float, float]:
    """Return PSNR and SSIM after the shift is undone."""
    registered = register_shift(truth, estimate, margin)
    return psnr(*registered), ssim(*registered)


def measure(pair: Pair, prior: str) -> tuple[dict[str, float], _Array]:
    """Return the figures of a pair, and the kernel that was found."""
    started = time.process_time()
    kernel = estimate_kernel(pair.blurred, pair.size, prior=prior).kernel
    seconds = time.process_time() - started
    before, after = scores(pair.sharp, pair.blurred), scores(pair.sharp, deconvolve(pair.blurred, kernel))
    best = scores(pair.sharp, deconvolve(pair.blurred, pair.kernel))
    names = ("similarity", "blurred dB", "blurred SSIM", "dB", "SSIM", "dB, true kernel", "seconds")
    similarity = kernel_similarity(pair.kernel, kernel)
    return dict(zip(names, (similarity, *before, *after, best[0], seconds), strict=True)), kernel


def table(found: dict[str, list[dict[str, float]]]) -> str:
    header = ["prior", "similarity, median", "quartile", "PSNR blurred, dB", "deblurred", "with the true kernel"]
    rows = []
    for prior, figures in found.items():
        column = {name: np.array([each[name] for each in figures]) for name in figures[0]}
        worse = int((column["dB"] < column["blurred dB"]).sum())
        cells = [f"{np.median(column['similarity']):.3f}", f"{np.quantile(column['similarity'], 0.25):.3f}"]
        cells += [f"{column[name].mean():.2f}" for name in ("blurred dB", "dB", "dB, true kernel")]
        cells += [f"{column[name].mean():.3f}" for name in ("blurred SSIM", "SSIM")]
        rows.append([prior, *cells, f"{worse} of {len(figures)}", f"{column['seconds'].mean():.1f}"])
    return markdown_table([*header, "SSIM blurred", "deblurred", "worse than blurred", "CPU s"], rows)


def sheet(kernels: list[list[_Array]]) -> PILImage.Image:
    """Return a picture: a column for each pair, the true kernel on top."""

    def tile(kernel: _Array) -> _Array:
        frame = np.zeros((max(SIZES) + 2,) * 2)
        top, left = ((len(frame) - side) // 2 for side in kernel.shape)
        frame[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel / kernel.max()
        return np.kron(frame, np.ones((ENLARGED, ENLARGED)))

    return PILImage.fromarray(
        (np.hstack([np.vstack([*map(tile, column)]) for column in kernels]) * 255).astype(np.uint8)
    )


@click.command(help=__doc__)
@click.argument("images", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Write the results to this folder."
)
@click.option("--pairs", "n_pairs", type=click.IntRange(1), default=32, show_default=True, help="Blur so many images.")
@click.option("--size", type=click.IntRange(96), default=256, show_default=True, help="Side of the images in pixels.")
@click.option("--levin", type=click.Path(exists=True, path_type=Path), help="Measure Levin's pairs, of this folder.")
@click.option("--prior", "priors", multiple=True, default=PRIORS, show_default=True, help="Measure these priors.")
def deblur(
    images: Sequence[Path], output: Path, n_pairs: int, size: int, levin: Path | None, priors: Sequence[str]
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, float]]] = {prior: [] for prior in priors}
    kernels = []
    for pair in levin_pairs(levin) if levin else make_pairs(images, n_pairs, size):
        results = {prior: measure(pair, prior) for prior in priors}
        for prior, (figures, _) in results.items():
            found[prior].append(figures)
        kernels.append([pair.kernel, *(kernel for _, kernel in results.values())])
        print(*(f"{prior} {figures['similarity']:.3f}" for prior, (figures, _) in results.items()), flush=True)
    text = table(found)
    print(text)
    (output / "deblur.md").write_text(text, encoding="utf-8")
    sheet(kernels).save(output / "deblur.png")
    with (output / "deblur.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["pair", "prior", *found[priors[0]][0]])
        for prior, rows in found.items():
            writer.writerows([number, prior, *row.values()] for number, row in enumerate(rows))


if __name__ == "__main__":
    run(deblur)
