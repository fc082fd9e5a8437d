"""Training works on pairs that do not fit in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ispfit.io import write_linear, write_srgb
from ispfit.pairs.table import write_pairs_csv

N_PAIRS, SIDE_PX = 24, 512
CACHE_BYTES = N_PAIRS * SIDE_PX * SIDE_PX * 3 * (2 + 1)  # 2 bytes for each value of a raw, 1 of an srgb
ALLOWED_BYTES = CACHE_BYTES // 2

CHILD = """
import resource, sys
from pathlib import Path
import numpy as np
from ispfit import ISPModel
from ispfit.datasets import load_pairs

X, Y = load_pairs(sys.argv[1], lazy=True)

def fit(steps):
    model = ISPModel("mlp", max_steps=steps, windows_per_image=2, direction="forward", device="cpu", random_state=0)
    return model.fit(X, Y).records_["forward"].steps

fit(2)  # loads libraries and starts threads
status = Path("/proc/self/status").read_text()
limit = 1024 * int(status.split("VmSize:")[1].split()[0]) + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(fit(30))
try:
    held = [np.array(image.codes) for image in X + Y]
except MemoryError:
    print("too large to hold")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, which only Linux does")
def test_a_cache_larger_than_the_memory_that_a_process_may_have(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(N_PAIRS):
        pixels = np.kron(rng.random((8, 8, 3), np.float32), np.ones((SIDE_PX // 8, SIDE_PX // 8, 1), np.float32))
        write_linear(tmp_path / f"{index}.tif", pixels)
        write_srgb(tmp_path / f"{index}.png", pixels)
    rows = [{"name": str(i), "raw": f"{i}.tif", "srgb": f"{i}.png", "split": "train"} for i in range(N_PAIRS)]
    write_pairs_csv(tmp_path / "pairs.csv", rows)
    environment = os.environ | {"ISPFIT_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(ALLOWED_BYTES)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == ["30", "too large to hold"], done.stderr
    assert sum(file.stat().st_size for file in (tmp_path / "cache").iterdir()) > 1.9 * ALLOWED_BYTES
