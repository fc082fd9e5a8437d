"""Damage in the JPEG tiles of a DNG: lossless ones, and those of 12 bits."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image as PILImage

from ispfit.errors import FileError
from ispfit.io import read_raw
from ispfit.io.dng_facts import read_dng_facts
from ispfit.io.dng_jpeg import check_jpeg_tiles
from ispfit.io.jpeg_damage import decode_strictly
from ispfit.io.jpeg_precision import as_8_bits
from ispfit.io.jpeg_scans import first_picture
from ispfit.io.tile_borders import torn_tiles
from tests.io.dng_files import RGGB, tag, write_tagged_dng

SIDE, TILE = 256, 64
LEVELS = [tag("BlackLevel", "long", [64]), tag("WhiteLevel", "long", [4095])]


@pytest.fixture(scope="module")
def samples() -> Any:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    light = 1500 + 4 * rows + 2 * columns + np.random.default_rng(0).normal(0, 8, (SIDE, SIDE))
    light[::2, ::2] /= 2  # red
    return light.astype(np.uint16)


def lossless(tile: Any) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(tile, lossless=True, bitspersample=16))


def of_two_components(tile: Any) -> bytes:
    """As Adobe's converter writes a mosaic: even and odd columns have a Huffman table each."""
    return with_own_tables(lossless(tile.reshape(len(tile), -1, 2)), [0, 1])


def with_own_tables(data: bytes, tables: Sequence[int]) -> bytes:
    """Return a lossless JPEG whose components use tables of these numbers, which are that of the given one."""
    start = data.index(b"\xff\xc4")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    content = b"".join(bytes([number]) + data[start + 5 : end] for number in sorted(set(tables)))
    scan = bytearray(data[end:])
    for component, number in enumerate(tables):
        scan[scan.index(b"\xff\xda") + 6 + 2 * component] = number << 4
    return data[:start] + b"\xff\xc4" + (2 + len(content)).to_bytes(2, "big") + content + bytes(scan)


def of_12_bits(tile: Any) -> bytes:
    """As in the DNGs of Blackmagic: even and odd rows stand side by side."""
    return bytes(imagecodecs.jpeg8_encode(np.hstack([tile[::2], tile[1::2]]), level=30, bitspersample=12))


def write(path: Path, samples: Any, encode: Callable[[Any], bytes], side: int = TILE) -> tuple[Path, list[bytes]]:
    blocks = [samples[y : y + side, x : x + side] for y in range(0, SIDE, side) for x in range(0, SIDE, side)]
    tiles = [encode(np.ascontiguousarray(block)) for block in blocks]
    options: dict[str, Any] = {"shape": samples.shape, "dtype": np.uint16, "tile": (side, side), "compression": 7}
    return write_tagged_dng(path, iter(tiles), [*RGGB, *LEVELS], **options), tiles


def overwrite(tile: bytes, at: int, data: bytes) -> bytes:
    return tile[:at] + data + tile[at + len(data) :]


DAMAGES: dict[str, Callable[[bytes, int], bytes]] = {
    "noise": lambda tile, at: overwrite(tile, at, bytes(range(16, 80))),
    "zeros": lambda tile, at: overwrite(tile, at, bytes(64)),
    "inserted": lambda tile, at: (tile[:at] + bytes(32) + tile[at:])[: len(tile)],
}


def check(path: Path, samples: Any) -> None:
    facts = read_dng_facts(path)
    assert facts is not None
    check_jpeg_tiles(samples, facts, path)


@pytest.fixture(scope="module")
def shifted(samples: Any) -> Any:
    """A reason to look at the codes of tile 6, as LibRaw decodes it if it is damaged."""
    changed = samples.copy()
    changed[TILE : 2 * TILE, TILE : 2 * TILE] += 200
    return changed


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("encode", [lossless, of_two_components, of_12_bits])
def test_a_damaged_tile_is_named(
    tmp_path: Path, samples: Any, shifted: Any, encode: Callable[[Any], bytes], damage: str
) -> None:
    path, tiles = write(tmp_path / "a.dng", samples, encode)
    check(path, shifted)
    tile = tiles[5]
    path.write_bytes(path.read_bytes().replace(tile, DAMAGES[damage](tile, len(tile) // 2)))
    with pytest.raises(FileError, match=rf"^{re.escape(str(path))}: the DNG is damaged: tile 6 of 16: [^.]+\.$"):
        check(path, shifted)
    if encode is not of_12_bits:
        check(path, samples)  # no jump, no look


def test_a_tile_that_claims_more_than_the_image_is_not_decoded(tmp_path: Path, samples: Any, shifted: Any) -> None:
    path, tiles = write(tmp_path / "a.dng", samples, lossless)
    size = TILE.to_bytes(2, "big") * 2
    path.write_bytes(path.read_bytes().replace(tiles[5], tiles[5].replace(size, b"\xf0\xf0\xf0\xf0", 1)))
    check(path, shifted)


@pytest.mark.parametrize("encode", [lossless, of_two_components])
def test_read_raw_notices_what_libraw_decodes(tmp_path: Path, samples: Any, encode: Callable[[Any], bytes]) -> None:
    path, tiles = write(tmp_path / "a.dng", samples, encode)
    read_raw(path)
    path.write_bytes(path.read_bytes().replace(tiles[5], DAMAGES["zeros"](tiles[5], len(tiles[5]) // 2)))
    with pytest.raises(FileError, match="tile 6 of 16"):
        read_raw(path)


def test_codes_that_are_left_over_are_noticed_unless_the_camera_adds_some(
    tmp_path: Path, samples: Any, shifted: Any
) -> None:
    def padded(tile: bytes) -> bytes:
        return tile.removesuffix(b"\xff\xd9") + b"\x5a\x5a\xff\xd9"

    path, _ = write(tmp_path / "a.dng", samples, lambda tile: padded(lossless(tile)))
    check(path, shifted)
    numbers = iter(range(16))
    path, _ = write(tmp_path / "b.dng", samples, lambda tile: (padded if next(numbers) == 5 else bytes)(lossless(tile)))
    with pytest.raises(FileError, match=r"tile 6 of 16: it holds more codes than its pixels need\.$"):
        check(path, shifted)


def test_values_beyond_the_bits_are_noticed(tmp_path: Path, samples: Any) -> None:
    """One wrong bit in the first difference shifts all blocks, and no code is invalid."""
    path, [tile] = write(tmp_path / "a.dng", samples, of_12_bits, SIDE)
    whole = path.read_bytes()
    start = whole.index(tile) + tile.index(b"\xff\xda") + 10
    found = set()
    for bit in range(24):
        data = bytearray(whole)
        data[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            check(path, samples)
        except FileError as error:
            found.add(str(error))
    assert f"{path}: the DNG is damaged: tile 1 of 1: its values are shifted beyond 12 bits." in found


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("own", [False, True])
def test_components_of_more_bits_are_relabelled(samples: Any, n: int, own: bool) -> None:
    data = lossless(np.ascontiguousarray(np.squeeze(samples.reshape(-1, 64, 4)[..., :n])))
    frame = first_picture(with_own_tables(data, (1, 2, 3, 1)[:n]) if own else data)
    assert frame is not None
    found = as_8_bits(frame)
    assert found is not None
    relabelled, step = found
    times = 2 if n == 2 else 1
    assert (step, relabelled.bits, relabelled.size) == (1, 8, (SIDE, 64 // times))
    assert len(relabelled.sampling) == n * times
    decode_strictly(relabelled)
    cut = replace(frame, data=frame.data[:-6] + frame.data[-2:])
    shorter = as_8_bits(cut)
    assert shorter is not None
    with pytest.raises(ValueError, match="premature end of data segment"):
        decode_strictly(shorter[0])


def test_the_coded_differences_stay(samples: Any) -> None:
    frame = first_picture(lossless(samples))
    assert frame is not None
    found = as_8_bits(frame)
    assert found is not None
    _, decoded = decode_strictly(found[0])
    np.testing.assert_array_equal(decoded[..., 0] - decoded[..., :1, 0], (samples - samples[:, :1]) % 256)


def test_two_components_of_an_odd_width_are_not_relabelled(samples: Any) -> None:
    frame = first_picture(lossless(np.ascontiguousarray(samples[:, :254]).reshape(SIDE, 127, 2)))
    assert frame is not None
    assert as_8_bits(frame) is None


def test_means_are_divided_by_the_first_step(samples: Any) -> None:
    frame = first_picture(of_12_bits(samples))
    assert frame is not None
    found = as_8_bits(frame)
    assert found is not None
    relabelled, step = found
    _, means = decode_strictly(relabelled)
    sides = np.hstack([samples[::2], samples[1::2]]).astype(float)
    expected = sides.reshape(SIDE // 16, 8, SIDE // 4, 8).mean((1, 3))
    np.testing.assert_allclose(2048 + (means[..., 0].astype(int) - 128) * step, expected, atol=step)


def test_a_progressive_jpeg_is_not_relabelled(samples: Any) -> None:
    data = io.BytesIO()
    PILImage.fromarray((samples >> 4).astype(np.uint8)).save(data, "JPEG", progressive=True)
    frame = first_picture(data.getvalue())
    assert frame is not None
    assert as_8_bits(frame) is None


def test_jumps_at_borders_tell_a_tile(samples: Any) -> None:
    assert not torn_tiles(samples, (TILE, TILE), (2, 2)).any()
    shifted = samples.copy()
    shifted[100 : 2 * TILE, TILE : 2 * TILE] += 100  # from some row of tile 5 on
    assert np.flatnonzero(torn_tiles(shifted, (TILE, TILE), (2, 2))).tolist() == [4, 5, 6, 9]


def test_rows_that_are_shifted_tell_a_single_tile(samples: Any) -> None:
    single = (SIDE, SIDE)
    assert torn_tiles(samples, single, (2, 2)).tolist() == [False]
    shifts = np.random.default_rng(0).normal(0, 30, SIDE).astype(int)
    assert torn_tiles((samples + shifts[:, None]).astype(np.uint16), single, (2, 2)).tolist() == [True]


def test_damage_in_a_single_lossless_tile_is_noticed(tmp_path: Path) -> None:
    noisy = np.random.default_rng(0).normal(2000, 100, (SIDE, SIDE)).astype(np.uint16)
    path, [tile] = write(tmp_path / "a.dng", noisy, lossless, SIDE)
    read_raw(path)
    path.write_bytes(path.read_bytes().replace(tile, DAMAGES["zeros"](tile, len(tile) // 3)))
    with pytest.raises(FileError, match="tile 1 of 1: "):
        read_raw(path)
