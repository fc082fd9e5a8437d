"""An exported model in onnxruntime against the same model in torch, on one large image: time and memory.

    python benchmarks/speed/onnx_graphs.py [BACKBONE ...] [--megapixels 12] [--threads 2]

Each run is a process of its own, which loads the model, renders once, and says how long that took and the most memory
that it held. Prints a table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from ispfit import ISPModel
from ispfit.cli import run
from ispfit.comparison import markdown_table
from ispfit.datasets import make_camera_pairs
from ispfit.formats import onnx_runner
from ispfit.formats.onnx_export import export_onnx

RUN = """
import json, sys, time
import numpy as np
def held():  # the most memory so far, in MiB
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
kind, path, height, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
image = np.random.default_rng(0).random((height, height * 3 // 2, 3), np.float32)
start = held()
if kind == "torch":
    import torch, ispfit
    torch.set_num_threads(threads)
    model = ispfit.load(path + ".ispfit")
    render = lambda: model.transform([image])[0]
else:
    import runpy
    import onnxruntime
    make = onnxruntime.InferenceSession
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    onnxruntime.InferenceSession = lambda path: make(path, options)
    model = runpy.run_path(sys.argv[5])["OnnxModel"](path + ".onnx")  # alone: ispfit would bring torch
    render = lambda: model(image)
began = time.perf_counter()
render()
seconds = time.perf_counter() - began
print(json.dumps([seconds, held() - start]))
"""


@click.command(help=__doc__)
@click.argument("backbones", nargs=-1)
@click.option("--megapixels", type=float, default=12, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
def onnx_graphs(backbones: tuple[str, ...], megapixels: float, threads: int) -> None:
    X, Y = make_camera_pairs(12, image_size=96, random_state=0)
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    rows = []
    for name in backbones or ("photofinish", "histpyramid", "mlp"):
        with TemporaryDirectory() as folder:
            stem = str(Path(folder, "model"))
            model = ISPModel(name, max_steps=5, random_state=0).fit(X, Y)
            model.save(f"{stem}.ispfit")
            [graphs] = export_onnx(model, f"{stem}.onnx", ("forward",))
            (torch_s, torch_mib), (onnx_s, onnx_mib) = (
                measure(kind, stem, height, threads) for kind in ("torch", "onnx")
            )
        cells = [f"{torch_s:.2f}", f"{onnx_s:.2f}", f"{onnx_s / torch_s:.2f}", f"{torch_mib:.0f}", f"{onnx_mib:.0f}"]
        rows.append([name, f"{graphs.difference:.1e}", *cells])
        print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    header = ["backbone", "difference", "torch, s", "onnxruntime, s", "ratio", "torch, MiB", "onnxruntime, MiB"]
    print(markdown_table(header, rows))


def measure(kind: str, stem: str, height: int, threads: int) -> tuple[float, float]:
    """Return seconds, and MiB above the image, the library included."""
    command = [sys.executable, "-c", RUN, kind, stem, str(height), str(threads), onnx_runner.__file__]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, mib = json.loads(done.stdout.splitlines()[-1])
    return seconds, mib


if __name__ == "__main__":
    run(onnx_graphs)
