"""Virtual cameras as TOML files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ispfit.datasets import CAMERAS, VirtualCamera, make_camera_pairs, read_camera
from ispfit.errors import FileError
from ispfit.files import data_folder
from ispfit.synthetic.auto_mode import AutoMode


def write(folder: Path, text: str) -> Path:
    path = folder / "camera.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_cameras_are_those_of_the_folder() -> None:
    files = sorted((data_folder() / "cameras").glob("*.toml"))
    assert [read_camera(path) for path in files] == list(CAMERAS.values())
    assert list(CAMERAS) == ["Virtual A", "Virtual B"]
    assert CAMERAS["Virtual A"] == VirtualCamera()  # the defaults are those of the first camera
    assert CAMERAS["Virtual B"].matrix[0] == (1.85, -0.75, -0.1)
    assert CAMERAS["Virtual B"].auto_mode == AutoMode(0.55, 1.3, 0.5, 0.35, 0.45)


def test_a_new_camera_is_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'model = "Mine"\ntoe = 2.0\nshot_noise = 0.0\n[auto_mode]\nbrightness = 0.0\n')
    _, Y = make_camera_pairs(1, image_size=16, camera=str(path), random_state=0)
    _, other = make_camera_pairs(1, image_size=16, random_state=0)
    assert Y[0].shot.model == "Mine"
    assert np.abs(Y[0] - other[0]).max() > 0.05


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = ", r"camera.toml: expected a virtual camera as TOML: Invalid value"),
        ("sharpness = 1", r"VirtualCamera got an unexpected keyword argument 'sharpness'"),
        ('bits = "12"', r"expected bits to be a whole number from 8 to 16, got '12'"),
        ("bits = 24", r"expected bits to be a whole number from 8 to 16, got 24"),
        ("shoulder = 0.0", r"expected shoulder to be a number from 0.01 to 100, got 0"),
        ("matrix = [[1.0, 0.0], [0.0, 1.0]]", r"expected 3 rows of 3 numbers"),
        ("matrix = [[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]", r"rows that sum to one"),
        ("[auto_mode]\nlift = -1.0", r"AutoMode: expected lift to be a number from 0 to 10, got -1"),
        ('cfa = "RGB"', r"expected four letters"),
        ("bits = 8\nblack_level = 255", r"a black level below the largest code 255"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read_camera(write(tmp_path, text))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none.toml: cannot be read: No such file"):
        read_camera(tmp_path / "none.toml")
