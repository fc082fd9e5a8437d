"""``import ispfit`` costs next to nothing; every public name is there when it is asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import ispfit

HEAVY = ("torch", "sklearn", "scipy", "rawpy", "imagecodecs", "skimage", "PIL", "matplotlib", "imageio", "tifffile")


def imported_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has imported after some code."""
    code += "\nimport sys\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = imported_by("import ispfit; dir(ispfit); ispfit.__version__")
    assert "ispfit" in loaded
    assert loaded.isdisjoint({*HEAVY, "numpy", "pluggy"})


def test_reading_files_imports_no_torch() -> None:
    assert "torch" not in imported_by("import ispfit; ispfit.read_raw; ispfit.read_srgb; ispfit.psnr; ispfit.color")


@pytest.mark.parametrize("command", [[], ["render"], ["fit"], ["pairs"], ["compare"]])
def test_help_waits_for_no_large_package(command: list[str]) -> None:
    arguments = [*command, "--help"]
    code = f"""
import ispfit.cli
try:
    ispfit.cli.main({arguments})
except SystemExit as stop:
    assert stop.code == 0
"""
    loaded = imported_by(code)
    assert {"click", "ispfit", "Usage:"} <= loaded
    assert loaded.isdisjoint({*HEAVY, "numpy", "joblib"})


def test_the_errors_are_imported_without_scikit_learn() -> None:
    assert "sklearn" not in imported_by("import ispfit.errors; ispfit.errors.FileError; import ispfit.jobs")


def test_the_compiler_is_imported_where_it_is_asked_for_alone() -> None:
    """It takes seconds, and 170 MiB in each process."""
    code = "import ispfit, sys; ispfit.get_backbone('histpyramid')().build(); ispfit.ISPModel(); import ispfit.training"
    code += "\nassert 'torch' in sys.modules and 'torch._dynamo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ispfit.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ispfit, name) is not None
    assert name in dir(ispfit)


@pytest.mark.parametrize("name", ispfit._MODULES)
def test_the_public_names_of_modules_exist(name: str) -> None:
    module = importlib.import_module(f"ispfit.{name}")
    assert all(hasattr(module, public) for public in module.__all__)


def test_the_public_surface_is_sorted_and_complete() -> None:
    assert list(ispfit.__all__) == sorted(ispfit.__all__)
    assert set(ispfit.__all__) == {"__version__", *ispfit._HOME, *ispfit._MODULES}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ispfit' has no attribute 'nothing'"):
        ispfit.nothing  # type: ignore[attr-defined]


def test_the_former_name_of_formats_works() -> None:
    from ispfit.published import read_nus_model

    assert read_nus_model is ispfit.formats.read_nus_model
