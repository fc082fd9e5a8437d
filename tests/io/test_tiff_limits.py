"""A hostile TIFF makes its decoder allocate the pixels of its page, and nothing more."""

from __future__ import annotations

import io
import lzma
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image as PILImage

from ispfit.errors import FileError
from ispfit.io import read_srgb
from ispfit.jobs import run_jobs

BOMB_BYTES = 300_000_000
MOST_GROWTH = 60_000_000


def growth_of_reading(path: Path) -> tuple[int, str]:
    """Return the bytes by which a worker grew at its peak, and the error of the file."""
    read_srgb(path.with_name("whole.tif"))  # imports the decoders
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read_srgb(path)
        message = ""
    except FileError as error:
        message = str(error)
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before), message


def _replaced_strip(data: bytes, strip: bytes) -> bytes:
    """Return a TIFF whose only strip is replaced."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        offsets, counts = file.pages[0].tags[273], file.pages[0].tags[279]
    broken = bytearray(data)
    struct.pack_into("<L", broken, offsets.offset + 8, len(data))
    struct.pack_into("<HLL", broken, counts.offset + 2, 4, 1, len(strip))
    return bytes(broken) + strip


def _with_tag(data: bytes, code: int, value: int) -> bytes:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags[code]
    broken = bytearray(data)
    struct.pack_into("<HLL", broken, tag.offset + 2, 4, 1, value)
    return bytes(broken)


def _whole(**options: Any) -> bytes:
    data = io.BytesIO()
    tifffile.imwrite(data, np.zeros((64, 96, 3), np.uint8), photometric="rgb", **options)
    return data.getvalue()


def _deflate_bomb() -> bytes:
    return _replaced_strip(_whole(compression="zlib"), zlib.compress(bytes(BOMB_BYTES), 9))


def _lzw_bomb() -> bytes:
    return _replaced_strip(_whole(compression="lzw"), imagecodecs.lzw_encode(bytes(BOMB_BYTES)))


def _zstd_bomb() -> bytes:
    return _replaced_strip(_whole(compression="zstd"), imagecodecs.zstd_encode(bytes(BOMB_BYTES)))


def _predicted_bomb() -> bytes:
    whole = _whole(compression="zlib", predictor=True)
    return _replaced_strip(whole, zlib.compress(bytes(BOMB_BYTES), 9))


def _lzma_bomb() -> bytes:
    return _replaced_strip(_whole(compression="lzma"), lzma.compress(bytes(BOMB_BYTES), preset=0))


def _packbits_bomb() -> bytes:
    return _replaced_strip(_whole(compression="packbits"), b"\x81\x00" * (BOMB_BYTES // 128))


def _jpeg_bomb() -> bytes:
    huge = io.BytesIO()
    PILImage.new("RGB", (65000, 1500)).save(huge, "JPEG", quality=10)
    return _replaced_strip(_whole(compression="jpeg"), huge.getvalue())


def _huge_tile() -> bytes:
    return _with_tag(_with_tag(_whole(tile=(64, 96), compression="zlib"), 322, 32768), 323, 32768)


def _huge_page() -> bytes:
    return _with_tag(_with_tag(_whole(compression="zlib"), 256, 65535), 257, 65535)


def _many_channels() -> bytes:
    return _with_tag(_whole(compression="zlib"), 277, 60000)


def _endless_strip() -> bytes:
    return _with_tag(_whole(compression="zlib"), 279, 0xFFFFFFF0)


HOSTILE = {
    "deflate": (_deflate_bomb, "not a readable TIFF file"),
    "LZW": (_lzw_bomb, "strip or tile 1 holds more than its pixels"),
    "predicted": (_predicted_bomb, "not a readable TIFF file"),
    "LZMA": (_lzma_bomb, ""),
    "PackBits": (_packbits_bomb, ""),
    "Zstandard": (_zstd_bomb, "not a readable TIFF file"),
    "JPEG": (_jpeg_bomb, "a strip or tile of 96 x 64 pixels holds a JPEG of 65000 x 1500"),
    "tile": (_huge_tile, "its header claims tiles of 32768 x 32768 pixels for a picture of 96 x 64"),
    "strip": (_endless_strip, "bytes, but claims a strip of 4294967280"),
    "page": (_huge_page, "its header claims 65535 x 65535 pixels; more than 250 megapixels are not read"),
    "channels": (_many_channels, "its header claims 60000 channels; more than 8 are not read"),
}

ENDLESS = {"LZMA", "PackBits"}


def test_a_hostile_file_takes_no_more_memory_than_its_pixels(tmp_path: Path) -> None:
    (tmp_path / "whole.tif").write_bytes(_whole(compression="zlib"))
    paths = [tmp_path / f"{kind}.tif" for kind in HOSTILE]
    for path in paths:
        path.write_bytes(HOSTILE[path.stem][0]())
        assert path.stat().st_size < 6_000_000
    found = run_jobs(growth_of_reading, paths, n_jobs=1)
    assert found.failures == []
    for path, (growth, message) in zip(paths, found.results, strict=True):
        assert growth < MOST_GROWTH, path.stem
        assert HOSTILE[path.stem][1] in message
        assert message or path.stem in ENDLESS, "their decoder stops when the picture is whole"
