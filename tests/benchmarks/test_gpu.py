"""The GPU benchmark also runs on a CPU, and its three trainings agree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "speed" / "gpu.py"


@pytest.mark.slow  # a script that is made for a GPU
def test_it_runs_on_a_cpu(tmp_path: Path) -> None:
    small = ["--device=cpu", "--pairs=8", "--size=48", "--epochs=2", "--megapixels=0.02", "--backbones", "mlp", "curve"]
    subprocess.run([sys.executable, str(SCRIPT), *small, "--json", str(tmp_path / "gpu.json")], check=True, timeout=300)
    found = json.loads((tmp_path / "gpu.json").read_text())
    plain = found["training"].pop("float32")
    assert plain["psnr"] > 15
    for other in found["training"].values():
        assert other["psnr"] == pytest.approx(plain["psnr"], abs=0.05)
        assert other["steps"] == plain["steps"] == 4
    stages = {row["stage"]: row for row in found["step"]}
    assert stages["forward and backward"]["gflop"] > 2.5 * stages["forward"]["gflop"] > 0
    assert stages["forward and backward"]["mb"] > stages["forward"]["mb"] > stages["cut windows"]["mb"] > 0
    assert found.keys() == {"machine", "training", "step", "backbones, 0.02 megapixels"}
    network, closed_form = found["backbones, 0.02 megapixels"]
    assert network["step"] > 0
    assert closed_form["step"] is None
    assert network["rendering"] > 0
    assert network["transfers"] > 0
