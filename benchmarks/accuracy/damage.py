"""How much damage is noticed: files of each kind are damaged at random places and read.

    python benchmarks/accuracy/damage.py [FILE.dng ...] [--n 40]

A damage is noticed if `read_raw` or `read_srgb` raises an error, or warns of bytes behind the last part. Unnoticed, it
is harmless if less than 0.1 % of the pixels are off by more than 0.05, and wrong otherwise. The kinds are made of a
virtual camera's shot; FILES are real RAW files to damage too. Prints a table: noticed / harmless / wrong, of n tries
each.
"""

from __future__ import annotations

import argparse
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import imageio.v3 as iio
import numpy as np
import tifffile
from PIL import Image as PILImage

from ispfit.datasets import make_camera_roll
from ispfit.errors import InputWarning, IspfitError
from ispfit.io import RAW_SUFFIXES, read_raw, read_srgb

WRONG_SHARE, WRONG_ERROR = 1e-3, 0.05
_DIGEST_TAG, _NO_TAG = (struct.pack("<HHL", tag, 1, 16) for tag in (51111, 65000))
SPARED = 4096  # bytes at the start: headers, which are checked otherwise

Damage = Callable[[bytearray, int, np.random.Generator], bytes]


def flip(data: bytearray, place: int, rng: np.random.Generator) -> bytes:
    data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def noise(data: bytearray, place: int, rng: np.random.Generator) -> bytes:
    data[place : place + 16] = rng.bytes(16)
    return bytes(data)


def zeros(data: bytearray, place: int, rng: np.random.Generator) -> bytes:
    data[place : place + 512] = bytes(512)
    return bytes(data)


def insert(data: bytearray, place: int, rng: np.random.Generator) -> bytes:
    return bytes(data[:place] + rng.bytes(64) + data[place:])


def cut(data: bytearray, place: int, rng: np.random.Generator) -> bytes:
    return bytes(data[:place])


DAMAGES: dict[str, Damage] = {
    "a bit": flip,
    "16 bytes of noise": noise,
    "512 zeros": zeros,
    "64 bytes inserted": insert,
    "the end missing": cut,
}


def make_files(folder: Path) -> list[Path]:
    """Write a shot of a virtual camera as a file of each kind."""
    [(raw, jpeg)] = make_camera_roll(folder, 1, image_size=(384, 576), random_state=3)
    plain = folder / "no-digest.dng"
    plain.write_bytes(raw.read_bytes().replace(_DIGEST_TAG, _NO_TAG, 1))  # as of a camera
    lossless = [folder / "lossless-tiles.dng", folder / "lossless-strip.dng"]
    for path, tile in zip(lossless, ((256, 256), None), strict=True):
        write_lossless_dng(path, plain, tile)
    codes = np.round(np.asarray(read_srgb(jpeg)) * 255).astype(np.uint8)
    restarts = folder / "restarts.jpg"
    PILImage.fromarray(codes).save(restarts, quality=92, restart_marker_rows=1)
    iio.imwrite(folder / "picture.png", codes)
    options: list[dict[str, Any]] = [{}, {"compression": "lzw"}, {"compression": "zlib"}]
    for name, option in zip(("plain", "lzw", "zlib"), options, strict=True):
        tifffile.imwrite(folder / f"{name}.tif", codes, photometric="rgb", **option)
    return [raw, plain, *lossless, jpeg, restarts, folder / "picture.png", *sorted(folder.glob("*.tif"))]


def write_lossless_dng(path: Path, plain: Path, tile: tuple[int, int] | None) -> None:
    """Write the samples of an uncompressed DNG as lossless JPEG, in tiles or as one strip."""
    with tifffile.TiffFile(plain) as file:
        page: Any = next(page for page in file.pages if page.photometric == tifffile.PHOTOMETRIC.CFA)
        mosaic = page.asarray()
        tags = [(tag.code, tag.dtype, tag.count, tag.value, True) for tag in page.tags if is_of_dng(tag.code)]
    options: dict[str, Any] = {"tile": tile} if tile else {"rowsperstrip": len(mosaic)}
    how = {"compression": tifffile.COMPRESSION.JPEG, "compressionargs": {"lossless": True, "bitspersample": 16}}
    tifffile.imwrite(path, mosaic, photometric="cfa", metadata=None, extratags=tags, **how, **options)


def is_of_dng(code: int) -> bool:
    return code in (274, 33421, 33422) or 50706 <= code < 51111  # orientation, colour filters, or of DNG


def read(path: Path) -> np.ndarray[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", ".*bytes follow the last part", InputWarning)
        image = read_raw(path) if path.suffix.lower() in RAW_SUFFIXES else read_srgb(path)
    return np.asarray(image)


def outcome(path: Path, truth: np.ndarray[Any, Any]) -> str:
    try:
        found = read(path)
    except (IspfitError, InputWarning):
        return "noticed"
    if found.shape != truth.shape:
        return "wrong"
    return "wrong" if (np.abs(found - truth).max(2) > WRONG_ERROR).mean() > WRONG_SHARE else "harmless"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--n", type=int, default=40)
    arguments = parser.parse_args()
    print("| file | " + " | ".join(DAMAGES) + " |\n" + (len(DAMAGES) + 1) * "|---" + "|")
    with TemporaryDirectory() as folder:
        for path in [*make_files(Path(folder)), *arguments.files]:
            data, truth, cells = path.read_bytes(), read(path), []
            damaged = Path(folder, f"damaged{path.suffix}")
            for damage in DAMAGES.values():
                rng = np.random.default_rng(0)
                found = []
                for _ in range(arguments.n):
                    place = int(rng.integers(min(SPARED, len(data) // 4), len(data)))
                    damaged.write_bytes(damage(bytearray(data), place, rng))
                    found.append(outcome(damaged, truth))
                cells.append(" / ".join(str(found.count(each)) for each in ("noticed", "harmless", "wrong")))
            print(f"| {path.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
