"""Seeds and mutations for the fuzz test: files of every layout that is read, and ways to break them."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from ispfit.datasets import make_camera_pairs
from ispfit.io.dng import XTRANS, make_mosaic, write_dng
from ispfit.io.png_chunks import PNG_SIGNATURE

__all__ = ["FORMATS", "mutate", "write_seeds"]

FORMATS = {"jpeg": ".jpg", "png": ".png", "tiff8": ".tif", "tiff16": ".tif", "dng": ".dng"}
"""Suffix of the files of each format."""

_HEADER_BYTES = 1024
_HEADER_SHARE = 0.6  # of the mutations, that hit the header, or the last bytes, where a TIFF may have its directory
_ODD_NUMBERS = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def write_seeds(folder: Path) -> None:
    """Write whole files of each format, ``FORMAT-NUMBER.SUFFIX``."""
    [raw], [srgb] = make_camera_pairs(1, image_size=(48, 64), random_state=5)
    codes = np.round(np.asarray(srgb) * 255).astype(np.uint8)
    deep = np.round(512 + np.asarray(raw) * 15871).astype(np.uint16)
    seeds = {"jpeg": _jpegs(codes), "png": _pngs(codes), "tiff8": _tiffs(codes), "tiff16": _tiffs(deep)}
    for name, files in seeds.items():
        for number, data in enumerate(files):
            (folder / f"{name}-{number}{FORMATS[name]}").write_bytes(data)
    preview = _jpegs(codes)[0]
    shots: list[dict[str, Any]] = [
        {"mosaic": make_mosaic(deep, "RGGB"), "bits": 16, "preview_jpeg": preview, "orientation": 6},
        {"mosaic": make_mosaic(deep, "GBRG"), "cfa": "GBRG", "bits": 14, "crop": (4, 4, 48, 32)},
        {"mosaic": deep, "bits": 16, "white_level": (16383, 16000, 15000)},
        {"mosaic": make_mosaic(deep, XTRANS), "cfa": XTRANS},
        {"mosaic": make_mosaic(deep, "RGGB") >> 6, "bits": 8, "linearization": np.arange(256) * 64, "black_level": 0},
    ]
    for number, options in enumerate(shots):
        write_dng(folder / f"dng-{number}.dng", as_shot_neutral=(0.6, 1, 0.7), **options)


def _saved(codes: Any, file_format: str, mode: str = "RGB", **options: Any) -> bytes:
    data = io.BytesIO()
    PILImage.fromarray(codes).convert(mode).save(data, file_format, **options)
    return data.getvalue()


def _exif() -> PILImage.Exif:
    exif = PILImage.Exif()
    exif.update({0x010F: "Maker", 0x0110: "Model", 0x0112: 6})
    exif.get_ifd(0x8769).update({0x8827: 400, 0x9003: "2026:01:02 03:04:05"})
    return exif


def _jpegs(codes: Any) -> list[bytes]:
    profile, second = imagecodecs.cms_profile("adobergb"), PILImage.fromarray(codes[::2, ::2].copy())
    return [
        _saved(codes, "JPEG", quality=90, exif=_exif(), icc_profile=profile),
        _saved(codes, "JPEG", progressive=True, comment=b"a comment"),
        _saved(codes, "JPEG", "L", restart_marker_rows=1),
        _saved(codes, "JPEG", "CMYK"),
        _saved(codes, "JPEG", keep_rgb=True, quality=95),
        _saved(codes, "MPO", save_all=True, append_images=[second], exif=_exif()),
        imagecodecs.jpeg8_encode(codes, lossless=True, predictor=4),
    ]


def _pngs(codes: Any) -> list[bytes]:
    text = PngInfo()
    text.add_text("Comment", "a comment", zip=True)
    text.add(b"gAMA", (100000).to_bytes(4, "big"))
    deep = codes[..., 0].astype(np.uint16) * 257
    return [
        _saved(codes, "PNG", exif=_exif(), icc_profile=imagecodecs.cms_profile("adobergb")),
        _saved(codes, "PNG", pnginfo=text),
        _saved(codes, "PNG", "RGBA"),
        _saved(codes, "PNG", "P"),
        _saved(codes, "PNG", "1"),
        imagecodecs.png_encode(deep),
        imagecodecs.png_encode(codes.astype(np.uint16) * 257),
    ]


def _tiffs(codes: Any) -> list[bytes]:
    four = np.concatenate([codes, codes[..., :1]], 2)
    planes = np.ascontiguousarray(np.moveaxis(codes, -1, 0))
    layouts: list[tuple[Any, dict[str, Any]]] = [
        (codes, {"photometric": "rgb", "iccprofile": imagecodecs.cms_profile("adobergb")}),
        (codes, {"photometric": "rgb", "compression": "lzw", "predictor": True, "rowsperstrip": 5}),
        (codes, {"photometric": "rgb", "compression": "zlib", "tile": (32, 32), "byteorder": ">"}),
        (codes, {"photometric": "rgb", "compression": "zstd", "bigtiff": True, "byteorder": ">"}),
        (planes, {"photometric": "rgb", "planarconfig": "separate", "compression": "packbits"}),
        (four, {"photometric": "separated", "compression": "lzma"}),
        (four, {"photometric": "rgb", "extrasamples": ["unassalpha"], "extratags": [(274, 3, 1, 8, True)]}),
        (codes[..., 1], {"photometric": "miniswhite"}),
    ]
    if codes.dtype == np.uint8:
        layouts += [
            (codes, {"photometric": "rgb", "compression": "jpeg"}),
            (codes[..., 0], {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}),
            (codes[..., 0] > 99, {"photometric": "minisblack"}),
        ]
    files = []
    for pixels, options in layouts:
        data = io.BytesIO()
        tifffile.imwrite(data, pixels, **options)
        files.append(data.getvalue())
    return files


def mutate(seeds: list[bytes], rng: random.Random) -> bytes:
    """Return one of the files with one to four mutations."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        if not data:
            break
        rng.choice(_MUTATIONS)(data, _place(data, rng), rng, seeds)
    return _with_checksums(data) if data.startswith(PNG_SIGNATURE) and rng.random() < 0.8 else bytes(data)


def _with_checksums(data: bytearray) -> bytes:
    """Return a PNG whose checksums are right, or the mutations would reach no further than these."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    if rng.random() < _HEADER_SHARE:
        near = rng.randrange(min(len(data), _HEADER_BYTES))
        return near if rng.random() < 0.7 else len(data) - 1 - near
    return rng.randrange(len(data))


def _flip(data: bytearray, at: int, rng: random.Random, seeds: list[bytes]) -> None:
    data[at] ^= 1 << rng.randrange(8)


def _byte(data: bytearray, at: int, rng: random.Random, seeds: list[bytes]) -> None:
    data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))


def _number(data: bytearray, at: int, rng: random.Random, seeds: list[bytes]) -> None:
    size, order = rng.choice((2, 4, 4, 8)), rng.choice(("little", "big"))
    at -= at % 2
    value = rng.choice(_ODD_NUMBERS) if rng.random() < 0.8 else rng.getrandbits(8 * size)
    data[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)  # type: ignore[arg-type]


def _noise(data: bytearray, at: int, rng: random.Random, seeds: list[bytes]) -> None:
    length = min(rng.randrange(1, 200), len(data) - at)
    data[at : at + length] = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))


def _cut(data: bytearray, at: int, rng: random.Random, seeds: list[bytes]) -> None:
    del data[at:]


def _delete(data: bytearray, at: int, rng: random.Random, seeds: list[bytes]) -> None:
    del data[at : at + rng.randrange(1, 64)]


def _repeat(data: bytearray, at: int, rng: random.Random, seeds: list[bytes]) -> None:
    part = data[at : at + rng.randrange(1, 300)]
    data[at:at] = part * rng.randrange(1, 4)


def _splice(data: bytearray, at: int, rng: random.Random, seeds: list[bytes]) -> None:
    other = rng.choice(seeds)
    data[at:] = other[rng.randrange(len(other)) :]


_MUTATIONS: tuple[Callable[[bytearray, int, random.Random, list[bytes]], None], ...] = (
    *(_flip, _flip, _byte, _byte, _number, _number, _number, _noise, _noise),
    *(_cut, _delete, _repeat, _splice),
)
