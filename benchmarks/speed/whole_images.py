"""Time and peak memory of the paper's network on whole images, by size of the image, compared with `naive`.

    python benchmarks/speed/whole_images.py [--rounds 3] [--largest 45] [--json FILE] [--plot FILE]

Renders with the paper's network as ispfit computes it (float32, and bf16 if the processor has it) and with naive, which
has the same weights. Each peak of memory is that of a process of its own above the interpreter with torch, and includes
input and output image. All backbones: `backbones.py`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from fitted import fit_to_file, load_to_time, picture
from measure import BARE_MIB, alone, gemm_rate, has_bf16, interleaved, machine, markdown, report
from naive import NaiveHistPyramid

from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.rendering import render_image
from ispfit.runtime import resolve_runtime

SIZES = {"512 x 512": (512, 512), "1920 x 2880": (1920, 2880), "24 MP": (4000, 6000), "45 MP": (5464, 8192)}
NAIVE, OURS, BF16 = "naive", "ours", "ours, bf16"
NAIVE_LIMIT_PX = 1920 * 2880  # larger images need more memory than most machines have

Work = Callable[[], object]


def work(name: str, model: Path, pixels: np.ndarray) -> Work:
    """Return a function that renders an image from an array to an array."""
    network = load_to_time(model)
    assert isinstance(network, HistPyramidNetwork)
    if name == NAIVE:
        naive = NaiveHistPyramid.of(network)

        def render() -> np.ndarray:
            with torch.inference_mode():
                whole = naive(torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous())
            return whole[0].permute(1, 2, 0).clamp(0, 1).numpy()

        return render
    runtime = resolve_runtime("cpu", "bf16" if name == BF16 else "fp32")
    return lambda: render_image(network, pixels, runtime)


def measure(label: str, model: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return times and peaks of the variants."""
    figures = {name: alone("whole_images.py", "--peak", name, str(model), label) for name in variants(label)}
    pixels = picture(SIZES[label])
    for name, times in interleaved({name: work(name, model, pixels) for name in figures}, rounds).items():
        figures[name] |= times
    return figures


def variants(label: str) -> list[str]:
    """Return the variants of the network: ours in each supported precision, and naive if memory suffices."""
    return [OURS] + [BF16] * has_bf16() + [NAIVE] * bool(np.prod(SIZES[label]) <= NAIVE_LIMIT_PX)


def rows(label: str, figures: dict[str, dict[str, float]]) -> list[list[str]]:
    megapixels = SIZES[label][0] * SIZES[label][1] / 1e6
    naive = figures.get(NAIVE)
    return [
        [
            label,
            name,
            f"{each['cpu']:.2f} s",
            f"{naive['cpu'] / each['cpu']:.2f} x" if naive else "",
            f"{each['wall']:.2f} s",
            f"{naive['wall'] / each['wall']:.2f} x" if naive else "",
            f"{1000 * each['cpu'] / megapixels:.0f} ms",
            f"{each['peak_mib']:.0f} MiB",
        ]
        for name, each in figures.items()
    ]


HEAD = ["image", "network", "CPU", "faster", "wall", "faster", "CPU per megapixel", "peak"]


def plot(result: dict[str, dict[str, dict[str, float]]], rate: float, path: Path) -> None:
    """Plot wall time against megapixels, and the time of the convolutions at the machine's rate of matrix products."""
    from matplotlib.figure import Figure

    axes = Figure(figsize=(7, 5), layout="constrained").subplots()
    curves: dict[str, list[tuple[float, float]]] = {}
    for label, figures in result.items():
        for name, each in figures.items():
            curves.setdefault(name, []).append((np.prod(SIZES[label]) / 1e6, each["wall"]))
    for name, points in curves.items():
        axes.loglog(*zip(*sorted(points), strict=True), "o-", label=name)
    line = [height * width / 1e6 for height, width in SIZES.values()]
    coarser = {"mix_half": 4, "mix_quarter": 16}  # pixels for each value
    multiplications = sum(
        layer.weight.numel() / coarser.get(name, 1)
        for name, layer in HistPyramid.paper().build().named_modules()
        if isinstance(layer, torch.nn.Conv2d)
    )
    axes.loglog(
        line,
        [2 * multiplications * megapixels * 1e6 / rate for megapixels in line],
        "k--",
        label="convolutions at the rate of a matrix product",
    )
    axes.set(xlabel="megapixels", ylabel="wall time, s", title=machine())
    axes.legend(fontsize=7)
    axes.grid(alpha=0.3, which="both")
    axes.figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="Time this number of rounds; large images get one.")
    parser.add_argument("--largest", type=float, default=45, help="Skip images of more than this many megapixels.")
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    parser.add_argument("--plot", type=Path, help="Draw the times to this PNG file.")
    parser.add_argument("--peak", nargs=3, metavar=("NETWORK", "MODEL", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        name, model, label = arguments.peak
        work(name, Path(model), picture((64, 64)))()  # loads everything that is loaded at the first use
        report(lambda: work(name, Path(model), picture(SIZES[label])), above=BARE_MIB)
        return
    labels = [label for label, (h, w) in SIZES.items() if h * w <= arguments.largest * 1e6]
    with tempfile.TemporaryDirectory() as folder:
        model = fit_to_file(HistPyramid.paper(), Path(folder))
        result = {label: measure(label, model, arguments.rounds if NAIVE in variants(label) else 1) for label in labels}
    rate = gemm_rate()
    print(markdown(HEAD, [row for label in labels for row in rows(label, result[label])]), flush=True)
    print(f"\n{machine()}, {rate / 1e9:.0f} GFLOP/s in a matrix product")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"machine": machine(), "gemm_gflops": rate / 1e9, "sizes": result}, indent=1)
        )
    if arguments.plot:
        plot(result, rate, arguments.plot)


if __name__ == "__main__":
    main()
