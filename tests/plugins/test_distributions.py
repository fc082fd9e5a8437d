"""The plugins of this repository are built, installed, tested and used through their entry points."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ispfit
from ispfit.errors import ModelFileError

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"

USE = """
import sys
import pytest
import ispfit
from ispfit.cli import main
from ispfit.datasets import make_camera_pairs

name, model, tests = sys.argv[1:]
X, Y = make_camera_pairs(3, image_size=24, random_state=0)
ispfit.ISPModel(name, max_steps=3, windows_per_image=2, device="cpu", random_state=0).fit(X, Y).save(model)
options = ["-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", tests, "-c", "/dev/null"]
if pytest.main([*options, tests]):
    sys.exit("its tests failed")
print("LISTED")
main(["backbones", "--json"])
"""


_QUICK = ("affine",)  # the simplest of the plugins


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow)
        for name in sorted(folder.name.removeprefix("ispfit-") for folder in PLUGINS.glob("ispfit-*"))
    ],
)
def test_a_plugin_is_installed_found_tested_and_used(name: str, tmp_path: Path) -> None:
    distribution, site, model = f"ispfit-{name}", tmp_path / "site", tmp_path / "camera.ispfit"
    shutil.copytree(PLUGINS / distribution, tmp_path / "source")
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    run("-m", "pip", "install", *options, "--target", str(site), str(tmp_path / "source"))
    output = run("-c", USE, name, str(model), str(tmp_path / "source" / "tests"), path=site)
    [entry] = [entry for entry in json.loads(output.split("LISTED")[1]) if entry["name"] == name]
    assert entry["origin"] == f"{distribution} 0.1.0"
    assert entry["summary"].endswith(".")
    with pytest.raises(ModelFileError, match=rf"needs the backbone '{name}', .* '{distribution} 0\.1\.0'"):
        ispfit.load(model)


def run(*arguments: str, path: Path | None = None) -> str:
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {}) | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_affine_is_a_model_of_brevity() -> None:
    assert len((PLUGINS / "ispfit-affine" / "ispfit_affine.py").read_text().splitlines()) < 70
