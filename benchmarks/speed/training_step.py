"""A training step in the paper's setting: 4 images of 512 x 512, 16 windows of 32 x 32 each, forward and backward.

    python benchmarks/speed/training_step.py [--rounds 7] [--json FILE]

Ours against `naive`, which computes the same function and the same gradients. Images, windows and weights are the same;
the peaks are of processes of their own that hold the same images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import alone, gemm_rate, interleaved, machine, markdown, report
from naive import RING, NaiveHistPyramid
from torch.utils.flop_counter import FlopCounterMode

from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.training.plan import TrainingPlan
from ispfit.training.resident import ResidentImages
from ispfit.training.sampling import describe_batch, draw_windows, gather

IMAGES, SIDE, WINDOWS, WINDOW, HALO = 4, 512, 16, 32, 8

Step = Callable[[], torch.Tensor]


def pairs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.random((SIDE, SIDE, 3), np.float32) for _ in range(2 * IMAGES)]


def network() -> HistPyramidNetwork:
    torch.manual_seed(0)
    built = HistPyramid.paper().build()
    assert isinstance(built, HistPyramidNetwork)
    return built


def our_step(ours: HistPyramidNetwork, images: list[np.ndarray]) -> Step:
    """As `ispfit.training.loop` does it, its windows away from the border, where alone the two agree."""
    cpu = torch.device("cpu")
    inputs, targets = (ResidentImages(part, cpu) for part in (images[:IMAGES], images[IMAGES:]))
    plan = TrainingPlan(1, 1e-3, IMAGES, WINDOWS, WINDOW, validation_fraction=0.0, seed=0)
    draw = draw_windows(IMAGES, 0, plan)

    def step() -> torch.Tensor:
        batch = gather((inputs, targets), draw, ours, WINDOW, cpu)
        scene = describe_batch(ours, batch.images)
        rendered = ours.render(batch.pixels, scene.rows(batch.rows), batch.window)
        loss = (rendered - batch.targets).square().mean()
        ours.zero_grad()
        loss.backward()
        return loss

    return step


def naive_step(naive: NaiveHistPyramid, images: list[np.ndarray]) -> Step:
    inputs, targets = (
        torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2).contiguous() for part in (images[:IMAGES], images[IMAGES:])
    )
    rng = np.random.default_rng(0)
    rows = torch.arange(IMAGES).repeat_interleave(WINDOWS)
    top, left = torch.from_numpy(rng.integers(RING, SIDE - WINDOW - RING, (2, IMAGES * WINDOWS)))
    y, x = (corner[:, None] + torch.arange(WINDOW) for corner in (top, left))
    target = targets.permute(0, 2, 3, 1)

    def step() -> torch.Tensor:
        rendered = naive.render_windows(inputs, rows, top, left, WINDOW)
        wanted = target[rows[:, None, None], y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
        loss = (rendered - wanted).square().mean()
        naive.zero_grad()
        loss.backward()
        return loss

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak", choices=["ours", "naive"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    images, ours = pairs(), network()
    steps = {"ours": our_step(ours, images), "naive": naive_step(NaiveHistPyramid.of(ours), images)}
    if arguments.peak:
        report(lambda: steps[arguments.peak])
        return
    times = interleaved(steps, arguments.rounds)
    rate = gemm_rate()
    peaks = {name: alone("training_step.py", "--peak", name)["peak_mib"] for name in steps}
    rows = []
    result: dict[str, object] = {"machine": machine(), "gemm_gflops": rate / 1e9, "steps": {}}
    for name, step in steps.items():
        with FlopCounterMode(display=False) as counter:
            step()
        flops = counter.get_total_flops()
        arithmetic = flops / rate / times[name]["wall"]
        figures = times[name] | {"peak_mib": peaks[name], "gflop": flops / 1e9, "share_at_gemm_rate": arithmetic}
        result["steps"] |= {name: figures}  # type: ignore[operator]
        ratios = times["naive"]["cpu"] / times[name]["cpu"], peaks[name] / peaks["naive"]
        cells = (f"{times[name]['cpu']:.3f} s", f"{ratios[0]:.2f} x", f"{times[name]['wall']:.3f} s")
        memory = (f"{peaks[name]:.0f} MiB", f"{ratios[1]:.2f}", f"{flops / 1e9:.1f}", f"{100 * arithmetic:.0f} %")
        rows.append([name, *cells, *memory])
    head = ["step", "CPU", "faster", "wall", "peak", "of naive", "GFLOP", "of the matrix-product rate"]
    print(markdown(head, rows), f"\n{machine()}, {rate / 1e9:.0f} GFLOP/s in a matrix product", sep="\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
