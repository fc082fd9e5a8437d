"""Plugins add backbones, readers and datasets; a broken plugin is reported and left out."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ispfit
from ispfit import get_backbone, list_backbones
from ispfit.datasets import list_datasets, load_dataset
from ispfit.errors import FileError, InputError, PluginError, PluginWarning, UnknownBackboneError
from ispfit.io import raw_suffixes
from ispfit.plugins.manager import forget_plugins, origin_of

Install = Callable[..., None]

BACKBONE = """
    import ispfit

    class Sun(ispfit.Backbone):
        name = "{name}"

    @ispfit.hookimpl
    def ispfit_backbones():
        return [Sun]
"""
READER = """
    import numpy as np
    import ispfit
    from ispfit.images import Image, Shot

    def read(path):
        {body}

    @ispfit.hookimpl
    def ispfit_raw_readers():
        return {{{suffixes!r}: read}}
"""
NPY = READER.format(body="return Image(np.load(path), Shot(model='Numpy'))", suffixes=".npy")


def sun(name: str = "sun") -> str:
    return BACKBONE.format(name=name)


def test_a_plugin_adds_a_backbone(install: Install) -> None:
    install("ispfit-sun", sun())
    assert list_backbones()[-1] == "sun"
    assert get_backbone("sun")().name == "sun"
    assert origin_of("sun") == "ispfit-sun 1.0"


def test_built_in_names_import_no_third_party(install: Install) -> None:
    install("ispfit-sun", sun())
    get_backbone("mlp")
    ispfit.ISPModel("histpyramid").get_params()
    load_dataset("synthetic-manual", n_samples=1, image_size=16, random_state=0)
    assert "ispfit_sun" not in sys.modules
    get_backbone("sun")
    assert "ispfit_sun" in sys.modules


def test_an_unknown_backbone_lists_the_known_and_the_closest(install: Install) -> None:
    install("ispfit-sun", sun("sunshine"))
    with pytest.raises(
        UnknownBackboneError, match=r"'sunshin'; installed are .*, sunshine\. Did you mean 'sunshine'\?"
    ):
        get_backbone("sunshin")


BROKEN = {
    "import ispfit_moon": "ModuleNotFoundError: No module named 'ispfit_moon'",
    "raise SystemExit(3)": "SystemExit: 3",
    "x = 1 +": "SyntaxError: invalid syntax",
    "import ispfit": r"it implements no hook; expected one of ispfit_backbones, ispfit_raw_readers, ispfit_datasets\.",
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_backbone(): return []": (
        r"ispfit_backbone is no hook of ispfit\. Did you mean 'ispfit_backbones'\?"
    ),
    "def ispfit_backbones(): return []": r"ispfit_backbones is not marked; write @ispfit\.hookimpl above it\.",
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_backbones(name): return []": "PluginValidationError",
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_backbones(): return [int]": (
        r"ispfit_backbones returned <class 'int'>, expected subclasses of Backbone\."
    ),
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_backbones(): pass": (
        r"ispfit_backbones returned None, expected a list of subclasses of Backbone\."
    ),
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_backbones(): return [ispfit.Backbone]": (
        r"the backbone Backbone has no name; set name = '\.\.\.' on the class\."
    ),
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_backbones(): return [ispfit.get_backbone('mlp')] * 2": (
        r"2 of its backbones are called 'mlp'; give each its own name\."
    ),
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_raw_readers(): return [print]": (
        r"ispfit_raw_readers returned \[<built-in function print>\], expected a dict from a suffix such as '\.npy' to"
    ),
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_raw_readers(): return {'NPY': print}": (
        r"ispfit_raw_readers returned 'NPY': <built-in function print>, expected a suffix such as '\.npy' and a funct"
    ),
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_datasets(): return {'moon': 3}": (
        r"ispfit_datasets returned 'moon': 3, expected a name and a function\."
    ),
    "import ispfit\n@ispfit.hookimpl\ndef ispfit_datasets(): 1 / 0": "ZeroDivisionError: division by zero",
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_plugin_is_left_out_and_the_others_work(install: Install, code: str) -> None:
    install("ispfit-broken", code, entry="moon")
    install("ispfit-sun", sun())
    with pytest.warns(PluginWarning, match=f"plugin 'moon' of ispfit-broken 1.0 was left out: .*{BROKEN[code]}"):
        assert list_backbones()[-1] == "sun"


def test_a_strict_user_gets_an_error(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISPFIT_STRICT_PLUGINS", "1")
    install("ispfit-broken", "raise SystemExit(3)")
    with pytest.raises(PluginError, match=r"'ispfit-broken' of ispfit-broken 1.0 was left out: SystemExit: 3"):
        list_backbones()


@pytest.mark.parametrize("disabled", ["moon", "ispfit-broken", "other, Ispfit_Broken", "all"])
def test_a_disabled_plugin_is_not_even_imported(
    install: Install, monkeypatch: pytest.MonkeyPatch, disabled: str
) -> None:
    monkeypatch.setenv("ISPFIT_DISABLE_PLUGINS", disabled)
    install("ispfit-broken", "raise SystemExit(3)", entry="moon")
    with warnings.catch_warnings(action="error"):
        assert "mlp" in list_backbones()


def test_a_name_clash_names_both(install: Install) -> None:
    install("ispfit-sun", sun())
    install("ispfit-star", sun())
    with pytest.raises(PluginError, match=r"two plugins claim 'sun': ispfit-s\w+ 1.0 and ispfit-s\w+ 1.0; uninstall"):
        get_backbone("sun")


def test_a_plugin_cannot_take_the_name_of_a_built_in(install: Install) -> None:
    install("ispfit-sun", sun("mlp"))
    with pytest.raises(PluginError, match=rf"'mlp': ispfit {ispfit.__version__} and ispfit-sun 1\.0; uninstall one"):
        list_backbones()
    assert get_backbone("mlp").__module__ == "ispfit.backbones.mlp"


def test_two_plugins_of_one_entry_point_name_are_found_and_both_work(install: Install) -> None:
    install("ispfit-sun", sun(), entry="plugin")
    install("ispfit-star", sun("star"), entry="plugin")
    message = (
        r"the entry-point name 'plugin' in the group 'ispfit' is used by ispfit-\w+ 1.0 and ispfit-\w+ 1.0; rename"
    )
    with pytest.warns(PluginWarning, match=message):
        assert {"sun", "star"} < set(list_backbones())


def test_what_was_found_is_kept_until_it_is_to_be_forgotten(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("ispfit-sun", sun())
    assert "sun" in list_backbones()
    monkeypatch.setenv("ISPFIT_DISABLE_PLUGINS", "all")
    assert "sun" in list_backbones()
    forget_plugins()
    assert "sun" not in list_backbones()


def test_a_plugin_reads_another_kind_of_raw_file(install: Install, tmp_path: Path) -> None:
    install("ispfit-npy", NPY)
    path = tmp_path / "shot.NPY"
    pixels = np.linspace(-0.1, 1.5, 48).reshape(4, 4, 3)
    with path.open("wb") as file:
        np.save(file, pixels)
    image = ispfit.read_raw(path)
    np.testing.assert_allclose(image, pixels.clip(0, 1), rtol=1e-6)
    assert image.shot.model == "Numpy"
    assert ispfit.read_raw(path, highlights="keep").max() == 1.5
    assert ispfit.read_raw(path, half_size=True).shape == (2, 2, 3)
    assert ".npy" in raw_suffixes()


def test_a_camera_with_a_quirk_gets_a_reader_of_its_own(install: Install, tmp_path: Path) -> None:
    install("ispfit-dng", READER.format(body="return np.full((2, 2, 3), 0.5, np.float32)", suffixes=".dng"))
    (tmp_path / "shot.dng").write_bytes(b"what LibRaw cannot read")
    image = ispfit.read_raw(tmp_path / "shot.dng")
    assert image.min() == image.max() == 0.5
    assert image.shot.name == "shot"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 / 0", r"shot\.npy: the reader of ispfit-npy 1\.0 failed: ZeroDivisionError: division by zero"),
        ("import zlib; zlib.decompress(path.read_bytes())", r"the reader of ispfit-npy 1\.0 failed: Error -3 while"),
        ("return None", r"shot\.npy: the reader of ispfit-npy 1\.0 returned a NoneType; expected float32 H x W x 3"),
        ("return np.zeros((2, 2))", r"returned float64 of shape \(2, 2\); expected float32"),
        ("return np.zeros((2, 2, 3), int)", r"returned int64 of shape \(2, 2, 3\); expected float32"),
        ("return np.full((2, 2, 3), np.nan)", r"returned NaN or infinite values; expected float32"),
    ],
)
def test_a_reader_that_fails_is_named(install: Install, tmp_path: Path, body: str, message: str) -> None:
    install("ispfit-npy", READER.format(body=body, suffixes=".npy"))
    (tmp_path / "shot.npy").write_bytes(b"anything")
    with pytest.raises(FileError, match=message):
        ispfit.read_raw(tmp_path / "shot.npy")


def test_white_balance_is_for_raw_files(install: Install, tmp_path: Path) -> None:
    install("ispfit-npy", NPY)
    np.save(tmp_path / "shot.npy", np.zeros((2, 2, 3)))
    with pytest.raises(InputError, match=r"shot\.npy: a \.npy file is white-balanced already"):
        ispfit.read_raw(tmp_path / "shot.npy", white_balance=(2, 1, 2))


def test_linear_tiff_comes_through_the_same_door(tmp_path: Path) -> None:
    ispfit.io.write_linear(tmp_path / "shot.tif", np.full((2, 2, 3), 0.25, np.float32))
    assert ispfit.read_raw(tmp_path / "shot.tif").max() == pytest.approx(0.25, abs=1e-5)
    assert {".tif", ".tiff", ".dng"} < raw_suffixes()


DATASET = """
    import numpy as np
    import ispfit

    @ispfit.hookimpl
    def ispfit_datasets():
        return {"moon": lambda n=2: ([np.zeros((4, 4, 3))] * n, [np.ones((4, 4, 3))] * n), "dark": lambda: None}
"""


def test_a_plugin_adds_a_dataset(install: Install) -> None:
    install("ispfit-moon", DATASET)
    found = list_datasets()
    assert found[:4] == ["synthetic-manual", "virtual-a", "virtual-b", "folder"]
    assert found[-2:] == ["moon", "dark"]  # after the data sets that ispfit has recipes of
    X, Y = load_dataset("moon", n=3)
    assert len(X) == len(Y) == 3
    with pytest.raises(PluginError, match="dataset 'dark': expected two lists of one length, X and Y, got NoneType"):
        load_dataset("dark")


def test_an_unknown_dataset_lists_the_known_and_the_closest() -> None:
    message = r"none is called 'synthetic'; .*folder, .*\. Did you mean 'synthetic-manual'\?"
    with pytest.raises(InputError, match=message):
        load_dataset("synthetic")


def test_a_folder_of_pairs_is_a_dataset_too(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no RAW files here"):
        load_dataset("folder", tmp_path)
