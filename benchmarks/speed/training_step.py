"""Forward and backward pass of a training step as in the paper: 4 images of 512 x 512, 16 windows of 32 x 32 each.

    python benchmarks/speed/training_step.py [--rounds 7] [--json FILE]

Compares ours with `naive`, which computes the same function and the same gradients, on the same images, windows and
weights. Windows at the edge of an image are the exception: naive, which does not pad, takes them 2 pixels further
inside. Peaks of memory are measured in processes of their own that hold the same images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from measure import CPU, alone, interleaved, machine, markdown, report
from naive import RING_PX, NaiveHistPyramid
from torch.utils.flop_counter import FlopCounterMode

from ispfit.backbones.histpyramid import HistPyramid, HistPyramidNetwork
from ispfit.runtime import Runtime, keep_freed_memory
from ispfit.training.device_images import DeviceImages
from ispfit.training.objective import Objective
from ispfit.training.plan import TrainingPlan
from ispfit.training.sampling import Batch, Draw, draw_windows, gather

N_IMAGES, SIDE_PX, N_WINDOWS, WINDOW_PX = 4, 512, 16, 32
MATRIX_SIDE = 2048

Step = Callable[[], torch.Tensor]


def pairs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.random((SIDE_PX, SIDE_PX, 3), np.float32) for _ in range(2 * N_IMAGES)]


def network() -> HistPyramidNetwork:
    torch.manual_seed(0)
    built = HistPyramid.paper().build()
    assert isinstance(built, HistPyramidNetwork)
    return built


def draw() -> Draw:
    """Draw the images and windows of both steps as `ispfit.training.run` does."""
    plan = TrainingPlan(1, 1e-3, N_IMAGES, N_WINDOWS, WINDOW_PX, validation_fraction=0.0, seed=0)
    return draw_windows(N_IMAGES, 0, plan)


def cutter(ours: HistPyramidNetwork, images: list[np.ndarray]) -> Callable[[], Batch]:
    """Return a function that cuts the windows as `ispfit.training.run` does."""
    pairs = tuple(DeviceImages(part, CPU) for part in (images[:N_IMAGES], images[N_IMAGES:]))
    return lambda: gather(pairs, draw(), ours, WINDOW_PX, CPU)


def our_step(ours: HistPyramidNetwork, images: list[np.ndarray]) -> Step:
    """Return the step of `ispfit.training.run`."""
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
        for part in (images[:N_IMAGES], images[N_IMAGES:])
    )
    image_index, largest = batch.image_index, SIDE_PX - WINDOW_PX - RING_PX
    top, left = (corner.clamp(RING_PX, largest) for corner in (batch.window.top, batch.window.left))
    y, x = (corner[:, None] + torch.arange(WINDOW_PX) for corner in (top, left))
    channels_last = targets.permute(0, 2, 3, 1)

    def step() -> torch.Tensor:
        rendered = naive.render_windows(inputs, image_index, top, left, WINDOW_PX)
        target = channels_last[image_index[:, None, None], y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
        loss = (rendered - target).square().mean()
        naive.zero_grad()
        loss.backward()
        return loss

    return step


def share_of_convolutions(step: Step) -> float:
    """Return the share of convolutions in the CPU time of a step."""
    step()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        step()
    times = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    return sum(time for key, time in times.items() if "convolution" in key) / sum(times.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="Time each step this often.")
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    parser.add_argument("--peak", choices=["ours", "naive"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    images, ours = pairs(), network()
    keep_freed_memory()  # as in training; both steps profit
    steps = {"ours": our_step(ours, images), "naive": naive_step(ours, images)}
    if arguments.peak:
        report(lambda: steps[arguments.peak])
        return
    a, b = torch.rand(2, MATRIX_SIDE, MATRIX_SIDE)
    times = interleaved(steps | {"gemm": lambda: a @ b}, arguments.rounds)
    rate = 2 * MATRIX_SIDE**3 / times["gemm"]["wall"]
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
        "relative to naive",
        "in convolutions",
        "GFLOP",
        "needed at matrix rate",
    ]
    print(markdown(head, rows), f"\n{machine()}, {rate / 1e9:.0f} GFLOP/s in a matrix product", sep="\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
