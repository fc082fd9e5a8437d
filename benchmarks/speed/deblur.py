"""How long blind deblurring takes: against loops over pixels, at 2 megapixels, and by part.

    python benchmarks/speed/deblur.py [--side 512] [--megapixels 2] [--json FILE]

Measured is the restoration of the sharp image with the dark channel, once, against `naive_dark_channel.py`, which must
find the same image; the search for a kernel of 25 pixels with each prior, of which the share of each part is told; and
the last step, the deconvolution.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from measure import machine, markdown
from naive_dark_channel import restore

from ispfit.cli import run
from ispfit.datasets import make_camera_pairs
from ispfit.deblur import blind, blur, deconvolve, estimate_kernel, latent, shake_kernel
from ispfit.deblur.latent import PRIORS, DataTerm

KERNEL_PX = 25
PARTS = {
    "Fourier transforms": [(latent, "spectrum"), (latent, "to_image")],
    "gradients": [(latent, "_large_differences"), (latent, "divergence")],
    "minima": [(latent, "window_minima"), (latent, "patch_minima")],
    "kernel": [(blind, "find_kernel"), (blind, "strong_edges")],
    "boundaries": [(blind, "make_periodic")],
}


def image_of(height: int, width: int) -> Any:
    [srgb] = make_camera_pairs(1, (height, width), random_state=3)[1]
    return blur(srgb, shake_kernel(KERNEL_PX, 1))


def seconds_of(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def against_loops(side: int) -> dict[str, float]:
    """Return the seconds of one restoration with the dark channel in both ways, and the rms of their difference."""
    luma = np.asarray(image_of(side, side)).mean(2, dtype=np.float64)
    blurred = torch.as_tensor(luma, dtype=torch.float32)[None]
    term, prior = DataTerm.of(blurred, shake_kernel(KERNEL_PX, 1)), PRIORS["dark-channel"]
    plane = np.zeros((side, side))
    plane[:KERNEL_PX, :KERNEL_PX] = shake_kernel(KERNEL_PX, 1)
    transfer = np.fft.fft2(np.roll(plane, -(KERNEL_PX // 2), (0, 1)))
    found: dict[str, Any] = {}
    ours = seconds_of(
        lambda: found.update(
            ours=prior.restore(term, blurred, prior.strength, prior.mu, False)
        )  # a warm-up is included
    )
    loops = seconds_of(lambda: found.update(loops=restore(luma, transfer, prior.strength, prior.mu)))
    rms = float(np.sqrt(np.mean((found["ours"][0].numpy() - found["loops"]) ** 2)))
    return {"loops, s": loops, "ispfit, s": ours, "times faster": loops / ours, "rms difference": rms}


@contextmanager
def timed_parts() -> Iterator[dict[str, float]]:
    """Add up the seconds in each part within the block."""
    spent: dict[str, float] = defaultdict(float)
    kept = [(module, name, getattr(module, name)) for places in PARTS.values() for module, name in places]

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments)
            spent[part] += time.perf_counter() - started
            return result

        return call

    try:
        for part, places in PARTS.items():
            for module, name in places:
                setattr(module, name, timed(part, getattr(module, name)))
        yield spent
    finally:
        for module, name, function in kept:
            setattr(module, name, function)


def search(image: Any, prior: str) -> dict[str, float]:
    """Return the seconds of a search for a kernel, and the share of each part."""
    with timed_parts() as spent:
        seconds = seconds_of(lambda: estimate_kernel(image, KERNEL_PX, prior=prior))
    shares = {part: spent[part] / seconds for part in PARTS}
    return {"seconds": seconds} | shares | {"the rest": 1 - sum(shares.values())}


@click.command(help=__doc__)
@click.option(
    "--side", type=click.IntRange(128), default=512, show_default=True, help="Compare with loops at this size."
)
@click.option("--megapixels", type=float, default=2.0, show_default=True, help="Search for a kernel at this size.")
@click.option(
    "--prior", "priors", multiple=True, default=("gradient",), show_default=True, help="Measure these priors."
)
@click.option("--json", "output", type=click.Path(path_type=Path), help="Also write the figures to this file.")
def deblur(side: int, megapixels: float, priors: tuple[str, ...], output: Path | None) -> None:
    print(machine())
    figures: dict[str, Any] = {}
    height = round(np.sqrt(megapixels * 1e6 / 1.5))
    image = image_of(height, round(1.5 * height))
    for prior in priors:
        figures[prior] = search(image, prior)
        shares = [[part, f"{share:.0%}"] for part, share in figures[prior].items() if part != "seconds"]
        print(f"\n{prior}, {image.shape[1]} x {image.shape[0]}: {figures[prior]['seconds']:.0f} s\n", flush=True)
        print(markdown(["part", "share"], shares))
    figures["deconvolution, s"] = seconds_of(lambda: deconvolve(image, shake_kernel(KERNEL_PX, 1)))
    print(f"\ndeconvolution: {figures['deconvolution, s']:.0f} s\n", flush=True)
    figures["against loops"] = against_loops(side)
    print(
        markdown(
            ["dark channel", "value"], [[name, f"{value:.3g}"] for name, value in figures["against loops"].items()]
        )
    )
    if output:
        output.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    run(deblur)
