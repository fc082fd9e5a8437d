"""LUTs: interpolation, encodings and files, as OpenColorIO and colour science know them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from ispfit.errors import InputError
from ispfit.formats.cube import write_cube
from ispfit.formats.encodings import ENCODINGS, camera_to_srgb, get_encoding
from ispfit.formats.haldclut import write_haldclut
from ispfit.formats.lut import Lut, lut_nodes

COLORS = np.random.default_rng(0).random((500, 3), np.float32)


def curved(colors: Any) -> Any:
    return np.stack([colors[:, 0] ** 2, colors[:, 1] * colors[:, 2], 1 - colors[:, 2]], 1).astype(np.float32)


def make(size: int = 9, shaper: bool = False) -> Lut:
    curve = np.linspace(0, 1, 256, dtype=np.float32) ** np.float32(0.5) if shaper else None
    return Lut(curved(lut_nodes(size)).reshape(size, size, size, 3), curve)


@pytest.mark.parametrize("interpolation", ["trilinear", "tetrahedral"])
def test_affine_maps_are_exact_and_nodes_are_kept(interpolation: Any) -> None:
    matrix = np.array([[0.5, 0.2, 0.1], [0.1, 0.6, 0.2], [0.3, 0.1, 0.4]], np.float32)
    lut = Lut((lut_nodes(5) @ matrix).reshape(5, 5, 5, 3))
    np.testing.assert_allclose(lut.apply(COLORS, interpolation), COLORS @ matrix, atol=1e-6)
    np.testing.assert_allclose(make(5).apply(lut_nodes(5), interpolation), curved(lut_nodes(5)), atol=1e-6)
    np.testing.assert_allclose(lut.apply(np.array([[2.0, -1.0, 0.5]]), interpolation), [[0.65, 0.25, 0.3]], atol=1e-6)


@pytest.mark.parametrize("shaper", [False, True], ids=["adobe", "resolve"])
@pytest.mark.parametrize("interpolation", ["trilinear", "tetrahedral"])
def test_opencolorio_looks_up_what_the_lut_says(tmp_path: Path, shaper: bool, interpolation: Any) -> None:
    ocio = pytest.importorskip("PyOpenColorIO")
    lut = make(9, shaper)
    write_cube(tmp_path / "a.cube", lut, dialect="resolve" if shaper else "adobe", comment="one\ntwo")
    way = {"trilinear": ocio.INTERP_LINEAR, "tetrahedral": ocio.INTERP_TETRAHEDRAL}[interpolation]
    transform = ocio.FileTransform(src=str(tmp_path / "a.cube"), interpolation=way)
    processor = ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor()
    found = COLORS.copy()
    processor.applyRGB(found)
    np.testing.assert_allclose(found, lut.apply(COLORS, interpolation), atol=2e-4 if shaper else 2e-6)


def test_a_cube_file_of_adobes_dialect_has_no_lines_of_the_domain(tmp_path: Path) -> None:
    write_cube(tmp_path / "a.cube", make(2), title='My "look"', comment="how it was made")
    lines = (tmp_path / "a.cube").read_text().splitlines()
    assert lines[:4] == ["# how it was made", "TITLE \"My 'look'\"", "LUT_3D_SIZE 2", "0.0000000 0.0000000 1.0000000"]
    assert len(lines) == 3 + 8


def test_a_haldclut_has_its_nodes_in_the_order_of_red_green_blue(tmp_path: Path) -> None:
    lut = make(16)
    write_haldclut(tmp_path / "a.png", lut)
    codes = imagecodecs.png_decode((tmp_path / "a.png").read_bytes())
    assert (codes.shape, codes.dtype) == ((64, 64, 3), np.uint16)
    np.testing.assert_array_equal(codes.reshape(-1, 3), np.round(curved(lut_nodes(16)) * 65535))


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings_come_back(name: str) -> None:
    encoding, camera = get_encoding(name), camera_to_srgb(None) @ [[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0, 0.1, 0.9]]
    light = encoding.to_srgb_light(COLORS, camera)
    np.testing.assert_allclose(encoding.from_srgb_light(light, camera), COLORS, atol=2e-5)


def test_values_of_encodings() -> None:
    """Those of linear sRGB (0.18, 0.3, 0.6) by colour-science 0.4.7: RGB_to_RGB, Bradford, with the transfer curve."""
    known = {
        "srgb": [0.46137096, 0.58384146, 0.79774115],
        "rec709": [0.40908242, 0.54029142, 0.77428822],
        "linear-rec2020": [0.23773956, 0.29511602, 0.56668969],
        "adobe-rgb": [0.49629853, 0.57841981, 0.78524979],
        "prophoto": [0.49178307, 0.50907796, 0.72298861],
    }
    light = np.array([[0.18, 0.3, 0.6]], np.float32)
    for name, expected in known.items():
        np.testing.assert_allclose(get_encoding(name).from_srgb_light(light)[0], expected, atol=2e-4, err_msg=name)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: write_cube(path / "a.lut", make()), r"path: expected a name that ends in \.cube, got 'a\.lut'"),
        (lambda path: write_cube(path / "a.cube", make(), dialect="iridas"), "dialect: expected adobe or resolve"),  # type: ignore[arg-type]
        (lambda path: write_cube(path / "a.cube", make(shaper=True)), "Adobe's dialect has no shaper"),
        (lambda path: write_haldclut(path / "a.png", make(17)), "the square of a whole number .* got one of 17 nodes"),
        (lambda path: write_haldclut(path / "a.jpg", make(16)), r"path: expected a name that ends in \.png"),
        (lambda path: get_encoding("log"), "encoding: expected one of camera, srgb, .* got 'log'"),
        (lambda path: get_encoding("camera").to_srgb_light(COLORS), "encoding 'camera': needs the matrix"),
        (lambda path: make().apply(COLORS, "cubic"), "interpolation: expected trilinear or tetrahedral, got 'cubic'"),  # type: ignore[arg-type]
    ],
)
def test_wrong_use_is_told(tmp_path: Path, call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []
