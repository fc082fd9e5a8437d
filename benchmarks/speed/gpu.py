"""Speed on a GPU: a whole training, each stage of a step against the limits of the device, and every backbone.

    python benchmarks/speed/gpu.py [--device cuda] [--pairs 476] [--size 512] [--epochs 100] [--megapixels 24]

Training: the default network, raw to sRGB, on a synthetic camera (as in the paper, 476 pairs of 512 x 512 for 100
epochs), in float32, in mixed precision, and in compiled mixed precision, with the PSNR on validation windows.
Step: for each stage of a step that is not compiled, the time, the FLOPs relative to the rate of a matrix product, and
the bytes that its operations read and write relative to the bandwidth of a copy. Rate and bandwidth are measured here.
Backbones: the time of a training step at default settings, raw to sRGB, and of rendering an image from page-locked
memory and back, with the share of the two transfers.
The script also runs on a CPU, as a test of itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from fitted import fit, network_to_time
from joblib import Parallel, delayed
from measure import gemm_rate, interleaved, machine, markdown, synchronised
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ispfit import Network, get_backbone, list_backbones
from ispfit.backbones.histpyramid import HistPyramid
from ispfit.datasets import make_camera_pairs
from ispfit.rendering import render_image
from ispfit.runtime import Runtime, resolve_runtime
from ispfit.training import TrainingPlan, train
from ispfit.training.device_images import DeviceImages, usable_bytes
from ispfit.training.objective import Objective
from ispfit.training.sampling import Batch, draw_windows, gather

MATRIX_SIDE, COPIED_FLOATS = 4096, 1 << 26
BATCH, WINDOWS, WINDOW = 4, 16, 32
PAIRS_PER_SEED, TIMED_STEPS = 8, 200

Work = Callable[[], object]
Pairs = tuple[list[Any], list[Any]]


def make_pairs(n_pairs: int, size: int) -> Pairs:
    """Make the pairs in several processes; each makes eight pairs of its own seed."""
    starts = range(0, n_pairs, PAIRS_PER_SEED)
    made = Parallel(n_jobs=-1)(
        delayed(make_camera_pairs)(min(PAIRS_PER_SEED, n_pairs - start), size, random_state=start) for start in starts
    )
    return [raw for raws, _ in made for raw in raws], [srgb for _, srgbs in made for srgb in srgbs]


def milliseconds(works: dict[str, Work], device: torch.device, rounds: int = 5) -> dict[str, float]:
    times = interleaved({name: synchronised(work, device) for name, work in works.items()}, rounds)
    return {name: 1000 * each["wall"] for name, each in times.items()}


def limits(device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Return the FLOPs and the bytes per second of which the device is capable."""
    scale = 1 if device.type == "cuda" else 8  # a CPU takes smaller problems
    source = torch.rand(COPIED_FLOATS // scale, device=device)
    target = torch.empty_like(source)
    took = milliseconds({"copy": lambda: target.copy_(source)}, device)["copy"]
    return {
        "flop": gemm_rate(MATRIX_SIDE // scale, dtype=dtype, device=device),
        "bytes": 2 * source.nbytes / took * 1000,
    }


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write: arguments and results, of an indexed read only the result."""

    _indexed = (torch.ops.aten.index.Tensor, torch.ops.aten.gather.default)
    _nothing = (torch.ops.aten.empty.memory_format, torch.ops.aten.empty_like.default, torch.ops.aten.new_empty.default)

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view and func not in self._nothing:
            moved = (result, result, args[1:]) if func in self._indexed else (args, kwargs, result)
            self.bytes += sum(x.nbytes for x in tree_leaves(moved) if isinstance(x, Tensor))
        return result


class Step:
    """A training step in stages, each of which uses the results of the stages before."""

    def __init__(self, pairs: Pairs, runtime: Runtime) -> None:
        torch.manual_seed(0)
        self.runtime, self.network = runtime, HistPyramid().build().to(runtime.device)
        self.objective = Objective(self.network, runtime)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3, fused=runtime.device.type == "cuda")
        max_bytes = usable_bytes(runtime.device) // 2
        self.pairs = tuple(DeviceImages(side, runtime.device, max_bytes) for side in pairs)
        self.draw = draw_windows(len(pairs[0]), 0, plan_of(1, 0.0))
        self.batch = self.cut()
        self.loss = self.forward()

    def cut(self) -> Batch:
        self.batch = gather(self.pairs, self.draw, self.network, WINDOW, self.runtime.device)
        return self.batch

    def forward(self) -> Tensor:
        self.loss = self.objective(self.batch).sum()
        return self.loss

    def backward(self) -> None:
        self.forward()
        self.optimizer.zero_grad()
        self.loss.backward()

    def stages(self) -> dict[str, Work]:
        return {
            "cut windows": self.cut,
            "forward": self.forward,
            "forward and backward": self.backward,
            "optimiser": self.optimizer.step,
        }


def plan_of(max_steps: int, validation_fraction: float) -> TrainingPlan:
    return TrainingPlan(max_steps, 3e-3, BATCH, WINDOWS, WINDOW, validation_fraction, seed=0)


def step_table(pairs: Pairs, runtime: Runtime) -> list[dict[str, Any]]:
    """Return the time of each stage, and the shares of it that the arithmetic and the traffic need at least."""
    step, limit = Step(pairs, runtime), limits(runtime.device, runtime.dtype or torch.float32)
    step.backward()
    rows = []
    for name, took in milliseconds(step.stages(), runtime.device).items():
        with FlopCounterMode(display=False) as counter, Traffic() as traffic:
            step.stages()[name]()
        flop, moved = counter.get_total_flops(), traffic.bytes
        rows.append(
            {"stage": name, "ms": took, "gflop": flop / 1e9, "mb": moved / 1e6}
            | {"share_flop": flop / limit["flop"] / took * 1000, "share_bytes": moved / limit["bytes"] / took * 1000}
        )
    return rows


def training(pairs: Pairs, runtime: Runtime, steps: int) -> dict[str, Any]:
    """Train the default network; the time includes that of the compiler."""
    torch.manual_seed(0)
    backbone = HistPyramid()
    network = backbone.build()
    backbone.initialise(network, list(zip(*pairs, strict=True)))
    started = time.perf_counter()
    record = train(network, *pairs, plan_of(steps, 0.1), runtime)
    took = time.perf_counter() - started
    print(f"{record.steps} steps: {took:.1f} s", file=sys.stderr, flush=True)
    return {"seconds": took, "steps": record.steps, "psnr": record.best_psnr}


def trainings(pairs: Pairs, device: str, steps: int) -> dict[str, dict[str, Any]]:
    mixed = resolve_runtime(device)
    low = f"convolutions in {str(mixed.dtype or torch.float32).partition('.')[2]}"
    runtimes = {"float32": replace(mixed, dtype=None), low: mixed}
    runtimes[f"{low}, compiled"] = replace(mixed, compiler="inductor" if mixed.device.type == "cuda" else "aot_eager")
    training(pairs, mixed, 2)  # warms up: starts the device and uses each operation once
    return {name: training(pairs, runtime, steps) for name, runtime in runtimes.items()}


def backbones(names: list[str], pairs: Pairs, megapixels: float, runtime: Runtime) -> list[dict[str, Any]]:
    """Return for each backbone the milliseconds of a training step, of rendering, and of its transfers."""
    rows = []
    for name in names:
        network = network_to_time(fit(name)).to(runtime.device)
        step = None if network.has_closed_form else step_time(name, pairs, runtime)
        rows.append({"backbone": name, "step": step} | rendering(network, megapixels, runtime))
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def step_time(name: str, pairs: Pairs, runtime: Runtime) -> float:
    """Return the milliseconds of a step within a training."""
    network, few = get_backbone(name)().build(), [side[:PAIRS_PER_SEED] for side in pairs]

    def steps() -> None:
        train(network, *few, plan_of(TIMED_STEPS, 0.0), runtime)

    return milliseconds({"steps": steps}, runtime.device, rounds=1)["steps"] / TIMED_STEPS


def rendering(network: Network, megapixels: float, runtime: Runtime) -> dict[str, float]:
    """Return the milliseconds to render an image from and to pinned memory, and those of the two transfers alone."""
    on_gpu = runtime.device.type == "cuda"
    side = (round((megapixels * 1e6 / 1.5) ** 0.5), round((megapixels * 1e6 * 1.5) ** 0.5))
    source, out = (torch.rand(*side, 3, pin_memory=on_gpu) for _ in range(2))
    on_device = source.to(runtime.device)
    works: dict[str, Work] = {
        "rendering": lambda: render_image(network, source.numpy(), runtime, out=out.numpy()),
        "transfers": lambda: (on_device.copy_(source, non_blocking=on_gpu), out.copy_(on_device, non_blocking=on_gpu)),
    }
    return milliseconds(works, runtime.device, rounds=3)


def training_text(found: dict[str, dict[str, Any]]) -> str:
    rows = [
        [
            name,
            f"{took['seconds']:.1f} s",
            f"{took['steps']}",
            f"{1000 * took['seconds'] / took['steps']:.1f} ms",
            "no validation" if took["psnr"] is None else f"{took['psnr']:.2f} dB",
        ]
        for name, took in found.items()
    ]
    return markdown(["training", "time", "steps", "per step", "validation PSNR"], rows)


def step_text(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            row["stage"],
            f"{row['ms']:.2f} ms",
            f"{row['gflop']:.1f}",
            f"{100 * row['share_flop']:.0f} %",
            f"{row['mb']:.0f}",
            f"{100 * row['share_bytes']:.0f} %",
        ]
        for row in found
    ]
    return markdown(["stage of a step", "time", "GFLOP", "needed at matrix rate", "MB", "needed at copy rate"], rows)


def backbones_text(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"`{row['backbone']}`",
            "closed form" if row["step"] is None else f"{row['step']:.1f} ms",
            f"{row['rendering']:.0f} ms",
            f"{100 * row['transfers'] / row['rendering']:.0f} %",
        ]
        for row in found
    ]
    return markdown(["backbone", "training step", "rendering", "of it, transfers"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="Compute on this device, such as cuda or cpu.")
    parser.add_argument("--pairs", type=int, default=476, help="Make this number of pairs.")
    parser.add_argument("--size", type=int, default=512, help="Set the side of the square pairs in pixels.")
    parser.add_argument("--epochs", type=float, default=100, help="Train for this number of passes over the pairs.")
    parser.add_argument("--megapixels", type=float, default=24, help="Render an image of this size.")
    parser.add_argument(
        "--backbones", nargs="+", default=list_backbones(), metavar="NAME", help="Time these backbones (all)."
    )
    parser.add_argument("--json", type=Path, help="Write the figures to this file.")
    arguments = parser.parse_args()
    runtime = resolve_runtime(arguments.device)
    device = torch.cuda.get_device_name(runtime.device) if runtime.device.type == "cuda" else "no GPU"
    pairs = make_pairs(arguments.pairs, arguments.size)
    steps = max(1, round(arguments.epochs * arguments.pairs / BATCH))
    sections: dict[str, tuple[Callable[[], Any], Callable[[Any], str]]] = {
        "training": (lambda: trainings(pairs, runtime.device.type, steps), training_text),
        "step": (lambda: step_table(pairs, runtime), step_text),
        f"backbones, {arguments.megapixels:g} megapixels": (
            lambda: backbones(arguments.backbones, pairs, arguments.megapixels, runtime),
            backbones_text,
        ),
    }
    result: dict[str, Any] = {"machine": f"{device}; {machine()}"}
    print(result["machine"])
    for name, (measure, text) in sections.items():
        result[name] = measure()
        print("", f"{name}:", "", text(result[name]), sep="\n", flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
