"""Damage in a DNG that carries a digest of its samples."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from ispfit.errors import FileError, InputWarning
from ispfit.io import read_raw
from ispfit.io.dng import write_dng
from ispfit.io.dng_digest import new_raw_image_digest
from tests.io.dng_files import BLACK, LEVELS, RGGB, WHITE, tag, write_tagged_dng


@pytest.fixture(scope="module")
def codes() -> Any:
    return np.random.default_rng(0).integers(BLACK, WHITE, (300, 270)).astype(np.uint16)


def md5(*parts: Any) -> bytes:
    return hashlib.md5(b"".join(np.asarray(part).tobytes() for part in parts)).digest()


def test_new_digest_is_of_the_digests_of_tiles(codes: Any) -> None:
    tiles = [codes[:256, :256], codes[:256, 256:], codes[256:, :256], codes[256:, 256:]]
    assert new_raw_image_digest(codes) == md5(np.frombuffer(b"".join(map(md5, tiles)), np.uint8))


def test_new_digest_is_of_one_plane_after_the_other(codes: Any) -> None:
    pixels = codes[:30, :27].reshape(30, 9, 3)
    inner = md5(*(pixels[..., plane] for plane in range(3)))
    assert new_raw_image_digest(pixels) == md5(np.frombuffer(inner, np.uint8))


@pytest.mark.parametrize("bits", [14, 16])
@pytest.mark.parametrize("shape", [(300, 270), (100, 270, 3)])
def test_a_changed_sample_is_noticed(tmp_path: Path, codes: Any, shape: tuple[int, ...], bits: int) -> None:
    path = tmp_path / "a.dng"
    write_dng(path, codes.reshape(-1)[: np.prod(shape)].reshape(shape), bits=bits)
    read_raw(path)
    data = bytearray(path.read_bytes())
    data[-5000] ^= 1
    path.write_bytes(data)
    message = f"{path}: the file is damaged: its samples do not match its digest (NewRawImageDigest)."
    with pytest.raises(FileError, match=f"^{re.escape(message)}$"):
        read_raw(path)


def test_inserted_bytes_are_noticed(tmp_path: Path, codes: Any) -> None:
    path = tmp_path / "a.dng"
    write_dng(path, codes)
    data = path.read_bytes()
    path.write_bytes(data[:-70001] + bytes(range(64)) + data[-70001:])
    error = pytest.raises(FileError, match=r"samples do not match its digest \(NewRawImageDigest\)")
    with pytest.warns(InputWarning, match=": 64 bytes follow the last part"), error:
        read_raw(path)


LOSSLESS_JPEG = {"compression": 7, "compressionargs": {"lossless": True, "bitspersample": 16}}


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"sub_ifd": True}, LOSSLESS_JPEG])
def test_the_digest_of_older_files(tmp_path: Path, codes: Any, options: dict[str, Any]) -> None:
    path, right = tmp_path / "a.dng", md5(codes)

    def write(digest: bytes) -> None:
        old = tag("RawImageDigest", "byte", digest)
        if options.get("sub_ifd"):
            write_tagged_dng(path, codes, [*RGGB, *LEVELS], first={"RawImageDigest": old}, **options)
        else:
            write_tagged_dng(path, codes, [*RGGB, *LEVELS, old], **options)

    for accepted in (right, b"abcd" + right[4:], b"\x08\0\0\0" + bytes(12), bytes(16)):
        write(accepted)
        read_raw(path)
    write(right[:15] + bytes([right[15] ^ 1]))
    with pytest.raises(FileError, match=r"its samples do not match its digest \(RawImageDigest\)\.$"):
        read_raw(path)


@pytest.mark.parametrize("other", [("LinearizationTable", "short", range(2000)), ("RowInterleaveFactor", "long", [2])])
def test_no_digest_is_checked_against_changed_samples(tmp_path: Path, codes: Any, other: Any) -> None:
    path = tmp_path / "a.dng"
    tags = [*RGGB, *LEVELS, tag("NewRawImageDigest", "byte", md5(codes)), tag(*other)]
    write_tagged_dng(path, codes, tags)
    read_raw(path)


def test_no_digest_is_checked_that_includes_a_mask(tmp_path: Path, codes: Any) -> None:
    path = tmp_path / "a.dng"
    write_tagged_dng(path, codes, [*RGGB, *LEVELS, tag("NewRawImageDigest", "byte", md5(codes))])
    with tifffile.TiffWriter(path, append=True) as file:
        file.write(np.zeros(codes.shape, bool), subfiletype=4, metadata=None)
    read_raw(path)
