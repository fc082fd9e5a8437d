"""Measuring: interleaved runs in one process for times, one process each for peaks of memory."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

HERE = Path(__file__).parent
CPU = torch.device("cpu")


def machine() -> str:
    """One line on what was measured on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((line.split(": ")[1] for line in info.read_text().splitlines() if "model name" in line), model)
    return f"{model}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def interleaved(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Median CPU and wall seconds of each, the rounds of all in turns, after one round that does not count."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            if number:
                times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: {"cpu": statistics.median(c for c, _ in each), "wall": statistics.median(w for _, w in each)}
        for name, each in times.items()
    }


def waited(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """The work, and waiting until the device has done it."""

    def do() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return do


def gemm_rate(
    size: int = 2048, rounds: int = 5, dtype: torch.dtype = torch.float32, device: torch.device = CPU
) -> float:
    """FLOP a second of wall time of a square matrix product: what this machine, or a device of it, can do."""
    a, b = torch.rand(2, size, size, device=device).to(dtype)
    seconds = interleaved({"gemm": waited(lambda: a @ b, device)}, rounds)["gemm"]["wall"]
    return 2 * size**3 / seconds


def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16; others imitate it, slower than float32."""
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def alone(script: str, *arguments: str) -> dict[str, float]:
    """What a script of this folder did in a process of its own, as `report` tells it: MiB, CPU and wall seconds."""
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], env=environment, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def resident_mib() -> float:
    """The peak of resident memory until now; Linux only (after a fork, `getrusage` tells the parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


BARE = resident_mib() if Path("/proc").exists() else 0.0  # the interpreter with torch, before ispfit is imported


def report(prepare: Callable[[], Callable[[], object]], above: float | None = None) -> None:
    """Prepare something and do it; print what both added to the peak, or their peak above some MiB, and the time."""
    before = resident_mib() if above is None else above
    work = prepare()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    times = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({"peak_mib": resident_mib() - before} | times))


def markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
