"""Synthetic files for the tests of `ispfit.io`."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PILImage

from ispfit.io.dng import make_mosaic, write_dng

WriteShot = Callable[..., Path]


@pytest.fixture
def patches() -> npt.NDArray[np.float32]:
    """A picture whose colours show its orientation: red on the left, green at the top right, blue below it."""
    rgb = np.full((64, 96, 3), 0.1, np.float32)
    rgb[:, :48, 0], rgb[:32, 48:, 1], rgb[32:, 48:, 2] = 0.4, 0.5, 0.6
    return rgb


@pytest.fixture
def write_shot(tmp_path: Path) -> WriteShot:
    """Write camera RGB as a DNG file and return its path."""

    def write(rgb: npt.NDArray[np.float32], name: str = "shot.dng", **options: Any) -> Path:
        cfa = options.setdefault("cfa", "RGGB")
        black = options.setdefault("black_level", 512)
        white = options.setdefault("white_level", 16383)
        cells = np.broadcast_to(black, 4).reshape(2, 2)
        blacks = np.tile(cells, (rgb.shape[0] // 2, rgb.shape[1] // 2))
        codes = blacks + make_mosaic(rgb, cfa) * (white - blacks)
        write_dng(tmp_path / name, np.round(codes).astype(np.uint16), **options)
        return tmp_path / name

    return write


@pytest.fixture
def jpeg() -> Callable[..., bytes]:
    """Encode an image in [0, 1] as JPEG bytes; options go to Pillow."""

    def encode(image: npt.NDArray[np.floating[Any]], **options: Any) -> bytes:
        data = io.BytesIO()
        codes = PILImage.fromarray(np.round(np.asarray(image) * 255).astype(np.uint8))
        codes.save(data, "JPEG", **{"quality": 95, "subsampling": 0} | options)
        return data.getvalue()

    return encode


SRGB_COLORANTS = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
P3_COLORANTS = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
ADOBE_COLORANTS = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))


def _srgb_curve() -> bytes:
    codes = np.linspace(0, 1, 256)
    linear = np.where(codes > 0.04045, ((codes + 0.055) / 1.055) ** 2.4, codes / 12.92)
    return struct.pack(">4sxxxxL256H", b"curv", 256, *np.round(linear * 65535).astype(int))


@pytest.fixture(params=["sRGB", "Display P3", "Adobe RGB"])
def profile_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_profile() -> Callable[[str], bytes]:
    """Build the ICC profile (version 2, matrix and curves) of a colour space."""

    def make(name: str) -> bytes:
        colorants = {"sRGB": SRGB_COLORANTS, "Display P3": P3_COLORANTS, "Adobe RGB": ADOBE_COLORANTS}[name]
        gamma = struct.pack(">4sxxxxLHxx", b"curv", 1, 563)
        curve = gamma if name == "Adobe RGB" else _srgb_curve()
        text = name.encode() + b"\0"
        tags = {
            b"desc": struct.pack(f">4sxxxxL{len(text)}s", b"desc", len(text), text) + bytes(78),
            b"cprt": b"text\0\0\0\0none\0\0\0\0",
            b"wtpt": _xyz(0.9642, 1.0, 0.8249),
            **{
                letter + b"XYZ": _xyz(*colorant) for letter, colorant in zip((b"r", b"g", b"b"), colorants, strict=True)
            },
            **{letter + b"TRC": curve for letter in (b"r", b"g", b"b")},
        }
        return _assemble_profile(tags)

    return make


def _xyz(*values: float) -> bytes:
    return struct.pack(">4sxxxx3l", b"XYZ ", *(round(value * 65536) for value in values))


def _assemble_profile(tags: dict[bytes, bytes]) -> bytes:
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table += struct.pack(">4sLL", name, start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    body = struct.pack(">L", len(tags)) + table + data
    header = struct.pack(">L4xL4s4s4s12x4s28x3l", 128 + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp", *D50)
    return header.ljust(128, b"\0") + body


D50 = (63190, 65536, 54061)
