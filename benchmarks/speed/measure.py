"""Measure times by interleaved runs in one process, and peaks of memory by one process each."""

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
    """Return processor, threads and torch version in one line."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = next((line.split(": ")[1] for line in info.read_text().splitlines() if "model name" in line), model)
    return f"{model}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def interleaved(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Return the median CPU and wall seconds of each work; all works take turns, and a first round warms up."""
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


def synchronised(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Return a function that does the work and waits until the device has finished it."""

    def work_and_wait() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return work_and_wait


def gemm_rate(
    size: int = 2048, rounds: int = 5, dtype: torch.dtype = torch.float32, device: torch.device = CPU
) -> float:
    """Return the FLOPs per second (wall time) of a square matrix product, as a measure of the device's limit."""
    a, b = torch.rand(2, size, size, device=device).to(dtype)
    seconds = interleaved({"gemm": synchronised(lambda: a @ b, device)}, rounds)["gemm"]["wall"]
    return 2 * size**3 / seconds


def has_bf16() -> bool:
    """Return whether the processor multiplies bfloat16; others emulate it, slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def alone(script: str, *arguments: str) -> dict[str, float]:
    """Run a script of this folder in a process of its own and return the JSON that it prints last, as by `report`."""
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, str(HERE / script), *arguments], env=environment, check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def resident_mib() -> float:
    """Return this process's peak of resident memory; Linux only (`getrusage` reports the parent's after a fork)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


BARE_MIB = resident_mib() if Path("/proc").exists() else 0.0  # the interpreter with torch, before ispfit is imported


def report(prepare: Callable[[], Callable[[], object]], above: float | None = None) -> None:
    """Do some work and print its times and its peak of memory as JSON.

    Parameters
    ----------
    prepare : returns the work; its memory counts, its time does not.
    above : MiB to subtract from the peak; by default the peak before `prepare`.
    """
    before = resident_mib() if above is None else above
    work = prepare()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    times = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({"peak_mib": resident_mib() - before} | times))


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    first, *others = ["| " + " | ".join(line) + " |" for line in [head, *rows]]
    return "\n".join([first, "|" + "---|" * len(head), *others])
