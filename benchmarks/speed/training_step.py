"""A training step in the paper's setting: 4 images of 512 x 512, 16 windows of 32 x 32 each, forward and backward.

    python benchmarks/speed/training_step.py [--rounds 7] [--json FILE]

Ours against `naive`, which computes the same function and the same gradients. Images, windows and weights are the same
(but for windows at an image's edge, which naive gets 2 pixels further in, as it has no padding for them); the peaks are
of processes of their own that hold the same images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import CPU, alone, interleaved, machine, markdown, report
from naive import RING, NaiveHistPyramid
from torch.utils.flop_counter import FlopCounterMode

from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.runtime import Runtime, keep_freed_memory
from ispfit.training.device_images import DeviceImages
from ispfit.training.objective import Objective
from ispfit.training.plan import TrainingPlan
from ispfit.training.sampling import Batch, Draw, draw_windows, gather

IMAGES, SIDE, WINDOWS, WINDOW = 4, 512, 16, 32
GEMM = 2048

Step = Callable[[], torch.Tensor]


def pairs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.random((SIDE, SIDE, 3), np.float32) for _ in range(2 * IMAGES)]


def network() -> HistPyramidNetwork:
    torch.manual_seed(0)
    built = HistPyramid.paper().build()
    assert isinstance(built, HistPyramidNetwork)
    return built


def draw() -> Draw:
    """Which images and windows both steps take, as `ispfit.training.loop` draws them."""
    plan = TrainingPlan(1, 1e-3, IMAGES, WINDOWS, WINDOW, validation_fraction=0.0, seed=0)
    return draw_windows(IMAGES, 0, plan)


def cutter(ours: HistPyramidNetwork, images: list[np.ndarray]) -> Callable[[], Batch]:
    """Cuts the windows as `ispfit.training.loop` does."""
    pairs = tuple(DeviceImages(part, CPU) for part in (images[:IMAGES], images[IMAGES:]))
    return lambda: gather(pairs, draw(), ours, WINDOW, CPU)


def our_step(ours: HistPyramidNetwork, images: list[np.ndarray]) -> Step:
    """As `ispfit.training.loop` does it."""
    cut, objective = cutter(ours, images), Objective(ours, Runtime(CPU))

    def step() -> torch.Tensor:
        loss = objective(cut()).mean()
        ours.zero_grad()
        loss.backward()
        return loss

    return step


def naive_step(ours: HistPyramidNetwork, images: list[np.ndarray]) -> Step:
    naive, batch = NaiveHistPyramid.of(ours), cutter(ours, images)()
    inputs, targets = (
        torch.from_numpy(np.stack([part[index] for index in draw().images])).permute(0, 3, 1, 2).contiguous()
        for part in (images[:IMAGES], images[IMAGES:])
    )
    rows = batch.rows
    top, left = (corner.clamp(RING, SIDE - WINDOW - RING) for corner in (batch.window.top, batch.window.left))
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


def share_of_convolutions(step: Step) -> float:
    """Of the CPU time of a step, forward and backward."""
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        step()
    times = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    return sum(time for key, time in times.items() if "convolution" in key) / sum(times.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak", choices=["ours", "naive"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    images, ours = pairs(), network()
    keep_freed_memory()  # for both, as training does
    steps = {"ours": our_step(ours, images), "naive": naive_step(ours, images)}
    if arguments.peak:
        report(lambda: steps[arguments.peak])
        return
    a, b = torch.rand(2, GEMM, GEMM)
    times = interleaved(steps | {"gemm": lambda: a @ b}, arguments.rounds)
    rate = 2 * GEMM**3 / times["gemm"]["wall"]
    peaks = {name: alone("training_step.py", "--peak", name)["peak_mib"] for name in steps}
    rows = []
    result: dict[str, object] = {"machine": machine(), "gemm_gflops": rate / 1e9, "steps": {}}
    for name, step in steps.items():
        with FlopCounterMode(display=False) as counter:
            step()
        flops = counter.get_total_flops()
        arithmetic = flops / rate / times[name]["wall"]
        share = share_of_convolutions(step)
        figures = (
            times[name]
            | {"share_of_convolutions": share}
            | {"peak_mib": peaks[name], "gflop": flops / 1e9, "share_at_gemm_rate": arithmetic}
        )
        result["steps"] |= {name: figures}  # type: ignore[operator]
        ratios = times["naive"]["cpu"] / times[name]["cpu"], peaks[name] / peaks["naive"]
        cells = (f"{times[name]['cpu']:.3f} s", f"{ratios[0]:.2f} x", f"{times[name]['wall']:.3f} s")
        memory = (
            f"{peaks[name]:.0f} MiB",
            f"{ratios[1]:.2f}",
            f"{100 * share:.0f} %",
            f"{flops / 1e9:.1f}",
            f"{100 * arithmetic:.0f} %",
        )
        rows.append([name, *cells, *memory])
    head = [
        "step",
        "CPU",
        "faster",
        "wall",
        "peak",
        "of naive",
        "in convolutions",
        "GFLOP",
        "at the matrix-product rate",
    ]
    print(markdown(head, rows), f"\n{machine()}, {rate / 1e9:.0f} GFLOP/s in a matrix product", sep="\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
