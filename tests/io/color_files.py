"""Colours in many spaces, and the PNG and RAW files that hold them, for the tests of colour conversion."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from containers import add_chunks, app1, chunk, directory, insert, numbers, tiff
from dng_files import RGGB, encode, write_tagged_dng

from ispfit.io.dng import make_mosaic

# x and y of red, green, blue and white.
D65 = (0.3127, 0.3290)
SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *D65)
ADOBE = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, *D65)
P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65)
BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65)
DCI = (*P3[:6], 0.314, 0.351)


def linear(codes: Any) -> Any:
    return codes


def srgb_curve(light: Any) -> Any:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def bt709_curve(light: Any) -> Any:
    return np.where(light < 0.018, 4.5 * light, 1.099 * np.maximum(light, 0.018) ** 0.45 - 0.099)


def gamma(exponent: float) -> Any:
    return lambda light: light ** (1 / exponent)


def to_xyz(corners: Any) -> Any:
    """The matrix from linear RGB to XYZ, white at Y = 1."""
    x, y = np.array(corners[:6]).reshape(3, 2).T
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    x, y = corners[6:]
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def in_space(light: Any, corners: Any, curve: Any) -> Any:
    """Encode linear sRGB in another space of the same white."""
    moved = light @ (np.linalg.inv(to_xyz(corners)) @ to_xyz(SRGB)).T
    return curve(np.clip(moved, 0, 1))


def some_light() -> Any:
    """Linear sRGB colours that all wider spaces contain, and a grey ramp."""
    colors = np.random.default_rng(0).uniform(0.02, 1, (24, 32, 3))
    colors[:4] = np.linspace(0, 1, 4 * 32).reshape(4, 32, 1)
    return colors


def png(codes: Any, *chunks: bytes) -> bytes:
    return add_chunks(imagecodecs.png_encode(codes), *chunks)


def gama(exponent: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">L", round(1e5 / exponent)))


def chrm(corners: Any) -> bytes:
    white_first = (*corners[6:], *corners[:6])
    return chunk(b"cHRM", struct.pack(">8L", *(round(value * 1e5) for value in white_first)))


def cicp(primaries: int, transfer: int, matrix: int = 0, full_range: int = 1) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, matrix, full_range]))


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"name\0\0" + zlib.compress(profile))


def photo(light: Any, corners: Any, curve: Any, jpeg: Any, exif: bytes) -> bytes:
    blocks = np.repeat(np.repeat(in_space(light, corners, curve), 8, 0), 8, 1)
    return insert(jpeg(blocks, quality=100), app1(exif))


def exif_of(space: int | None, interoperability: str | None = None, **image: Any) -> bytes:
    tags: dict[int, Any] = {0x9000: b"0232"} | ({} if space is None else {0xA001: space})
    if interoperability:
        tags[0xA005] = {1: interoperability}
    return tiff({int(name[1:], 16): value for name, value in image.items()} | {0x8769: tags})


def write_raw(path: Path, preview: bytes, size: tuple[int, int], *, exif: Any = None, told: int | None = None) -> Path:
    """Write a DNG whose first directory is its raw image, followed by that of a preview."""
    rgb = np.full((64, 96, 3), 0.2, np.float32)
    write_tagged_dng(path, encode(make_mosaic(rgb, "RGGB")), RGGB)
    data = bytearray(path.read_bytes())
    first = 8
    n_entries = struct.unpack_from("<H", data, first)[0]
    entries = data[first + 2 : first + 2 + 12 * n_entries]
    strip, at = len(data), len(data) + len(preview) + len(preview) % 2
    tags: dict[int, Any] = {254: (4, [1]), 256: size[1], 257: size[0], 258: numbers(8, 8, 8), 259: 7, 262: 6}
    tags |= {273: (4, [strip]), 277: 3, 278: size[0], 279: (4, [len(preview)])}
    tags |= {} if told is None else {0xC71A: (4, [told])}
    block = directory(tags, at)
    at_exif = at + len(block)
    exif_block = directory(exif, at_exif) if exif else b""
    at_first = at_exif + len(exif_block)
    extra = [struct.pack("<HHLL", 330, 4, 1, at)] + ([struct.pack("<HHLL", 0x8769, 4, 1, at_exif)] if exif else [])
    kept = [bytes(entries[place : place + 12]) for place in range(0, len(entries), 12)]
    merged = sorted([*kept, *extra], key=lambda entry: struct.unpack_from("<H", entry)[0])
    data[4:8] = struct.pack("<L", at_first)
    end = struct.pack("<H", len(merged)) + b"".join(merged) + bytes(4)
    path.write_bytes(bytes(data) + preview.ljust(at - strip, b"\0") + block + exif_block + end)
    return path
