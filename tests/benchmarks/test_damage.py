"""The benchmark of damage tells what was noticed from what was wrong."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "accuracy" / "damage.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT), run_name="damage")


def test_outcomes(script: dict[str, Any], tmp_path: Path) -> None:
    files = {path.name: path for path in script["make_files"](tmp_path)}
    assert {path.suffix for path in files.values()} == {".dng", ".jpg", ".png", ".tif"}
    plain = files["plain.tif"]
    truth, data, rng = script["read"](plain), plain.read_bytes(), np.random.default_rng(0)
    assert script["outcome"](plain, truth) == "harmless"
    for damage, expected in (("a bit", "harmless"), ("64 bytes inserted", "noticed"), ("the end missing", "noticed")):
        plain.write_bytes(script["DAMAGES"][damage](bytearray(data), len(data) // 2, rng))
        assert script["outcome"](plain, truth) == expected
