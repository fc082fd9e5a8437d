"""The distribution: its metadata, what the sdist ships, the lowest versions of its dependencies."""

from __future__ import annotations

import email
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOME = "https://github.com/ispfit/ispfit"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked sdist."""
    folder = tmp_path_factory.mktemp("sdist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    [unpacked] = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


@pytest.fixture(scope="module")
def metadata(sdist: Path) -> Message:
    return email.message_from_string((sdist / "PKG-INFO").read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", ["ispfit", "datasets", "tests", "docs", "benchmarks", "plugins"])
def test_the_sdist_ships_what_its_tests_read(sdist: Path, folder: str) -> None:
    patterns = ("*.py", "*.md", "*.toml", "*.svg", "*.csv", "*.jpg", "*.png", "*.safetensors", "*.npz")
    hidden = {".venv", "build", "dist", "__pycache__", "gallery"}
    expected = {
        path.relative_to(ROOT)
        for pattern in patterns
        for path in (ROOT / folder).rglob(pattern)
        if hidden.isdisjoint(path.parts) and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    }
    assert expected
    assert {path for path in expected if not (sdist / path).exists()} == set()


def test_the_sdist_ships_how_to_build_and_test_it(sdist: Path) -> None:
    names = {path.name for path in sdist.iterdir()}
    assert {"Makefile", "constraints.txt", "pyproject.toml", ".ci", "CONTRIBUTING.md", "LICENSE"} <= names
    assert names.isdisjoint({".venv", ".venv-lowest", ".git", "bench", "demo"})


def test_the_wheel_holds_recipes_and_cameras(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = [path.relative_to(ROOT / "datasets") for path in (ROOT / "datasets").glob("*/*.toml")]
    assert len(files) > 10
    assert {f"ispfit/_data/{path.as_posix()}" for path in files} <= names


@pytest.mark.slow
def test_the_tests_of_the_sdist_are_collected(sdist: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", "slow or not slow"]
    found = subprocess.run(command, cwd=sdist, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:] + found.stderr[-2000:]


def test_the_metadata_name_author_pages_and_pythons(metadata: Message) -> None:
    assert metadata["Author"] == "The ispfit developers"
    assert set(metadata.get_all("Project-URL", [])) == {
        f"Homepage, {HOME}",
        f"Documentation, {HOME}/tree/main/docs",
        f"Changelog, {HOME}/blob/main/CHANGELOG.md",
        f"Issues, {HOME}/issues",
    }
    assert "Programming Language :: Python :: 3.11" in metadata.get_all("Classifier", [])
    assert metadata["Requires-Python"] == ">=3.11"


def test_a_package_index_can_follow_every_link(metadata: Message) -> None:
    text = re.sub(r"^```.*?^```", "", str(metadata.get_payload()), flags=re.DOTALL | re.MULTILINE)
    addresses = re.findall(r"^\[.+\]: (\S+)$", text, re.MULTILINE)
    assert len(addresses) > 15
    assert all(address.startswith(f"{HOME}/") for address in addresses)
    assert "](docs/" not in text


# Lowest versions


@pytest.fixture(scope="module")
def lowest() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / ".ci" / "lowest_versions.py"))


def test_the_highest_of_several_lower_bounds_counts(lowest: dict[str, Any]) -> None:
    pyproject = """
    [project]
    dependencies = ["numpy>=2.0.1", "pillow>=11.10"]
    [project.optional-dependencies]
    dev = ["numpy>=99"]
    heif = ["pillow>=11.9", "pillow-heif>=1.6"]
    """
    found = lowest["lowest_versions"](pyproject)
    assert found == {"numpy": "2.0.1", "pillow": "11.10", "pillow-heif": "1.6"}
    constraints = "click==8.5.1\nnumpy==2.4.6\npillow_heif==1.8.1\nPillow==13.0.0"
    lines = lowest["lowered"](constraints, found).splitlines()
    assert lines == ["click==8.5.1", "numpy==2.0.1", "pillow==11.10", "pillow-heif==1.6"]


def test_a_requirement_without_a_lower_bound_is_named(lowest: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected a requirement 'name>=version', got 'numpy<3'"):
        lowest["lowest_versions"]('[project]\ndependencies = ["numpy<3"]')


def test_every_dependency_of_a_user_is_lowered(lowest: dict[str, Any]) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = lowest["lowest_versions"](text)
    assert len(found) == len(tomllib.loads(text)["project"]["dependencies"]) + 9
    assert {"dask", "h5py", "onnxruntime", "pillow-heif", "pillow-jxl-plugin", "torch"} <= set(found)
