"""Damage of a JPEG is what its entropy-coded data tell: what lies around them may be odd or broken."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import ImageDraw

from ispfit.datasets import make_camera_pairs
from ispfit.errors import FileError
from ispfit.io import read_srgb
from ispfit.io.jpeg_damage import check_seams
from ispfit.io.jpeg_scans import first_picture

ODD: dict[str, Callable[[bytes], bytes]] = {
    "padding before a table": lambda data: data.replace(b"\xff\xdb", b"\0\0\xff\xdb", 1),
    "fill bytes before a table": lambda data: data.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1),
    "a JFIF of version 9": lambda data: data.replace(b"JFIF\0\1\1", b"JFIF\0\x09\1", 1),
    "an Adobe marker of an unknown kind": lambda data: data[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x07" + data[2:],
    "a comment of 60,000 bytes": lambda data: data[:2] + b"\xff\xfe\xea\x62" + b"\xff\xd9" * 30000 + data[2:],
    "no spectral selection in the scan header": lambda data: data.replace(b"\x00\x3f\x00", b"\x00\x00\x00", 1),
    "one byte of padding at the end of the scan": lambda data: data[:-2] + b"\0" + data[-2:],
    "zeros at the end of the scan, to a multiple of 512": lambda data: data[:-2] + bytes(-len(data) % 512) + data[-2:],
    "no end marker": lambda data: data[:-2],
    "a second picture that is cut short": lambda data: data + data[: len(data) // 2],
    "bytes after the end": lambda data: data + b"\xff\xda\x00" * 5000,
}


@pytest.fixture(scope="module")
def scene() -> Any:
    """uint8 H x W x 3, like a photograph."""
    _, [srgb] = make_camera_pairs(1, image_size=(96, 144), random_state=5)
    return np.round(np.asarray(srgb) * 255).astype(np.uint8)


def encode(codes: Any, mode: str = "RGB", file_format: str = "JPEG", **options: Any) -> bytes:
    data = io.BytesIO()
    PILImage.fromarray(codes).convert(mode).save(data, file_format, **{"quality": 90} | options)
    return data.getvalue()


def read(folder: Path, data: bytes) -> Any:
    (folder / "a.jpg").write_bytes(data)
    return np.asarray(read_srgb(folder / "a.jpg"))


def decoded(data: bytes) -> Any:
    with PILImage.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB")) / 255


@pytest.mark.parametrize("oddity", ODD)
@pytest.mark.parametrize("options", [{}, {"subsampling": 0, "restart_marker_rows": 1}], ids=["4:2:0", "4:4:4"])
def test_what_lies_around_the_coded_data_is_no_damage(tmp_path: Path, scene: Any, oddity: str, options: Any) -> None:
    whole = encode(scene, **options)
    odd = ODD[oddity](whole)
    assert odd != whole
    np.testing.assert_allclose(read(tmp_path, odd), decoded(whole), atol=1e-6)


@pytest.mark.parametrize("oddity", ODD)
def test_damage_is_found_behind_an_oddity(tmp_path: Path, scene: Any, oddity: str) -> None:
    broken = bytearray(encode(scene))
    middle = len(broken) * 2 // 3
    broken[middle : middle + 200] = bytes(200)
    with pytest.raises(FileError, match=r"a\.jpg: the JPEG is damaged: "):
        read(tmp_path, ODD[oddity](bytes(broken)))


MULTI_PICTURE = {"file_format": "MPO", "save_all": True}


def test_a_multi_picture_file_is_checked_like_any_other(tmp_path: Path, scene: Any) -> None:
    second = PILImage.fromarray(scene[::2, ::2].copy())
    whole = encode(scene, **MULTI_PICTURE, append_images=[second])
    assert whole.count(b"MPF\0") == 1
    with PILImage.open(io.BytesIO(whole)) as file:
        assert (file.format, file.n_frames) == ("MPO", 2)
    np.testing.assert_allclose(read(tmp_path, whole), decoded(whole), atol=1e-6)
    for share in np.linspace(0.1, 0.9, 9):
        scan = whole.index(b"\xff\xda")
        at = scan + int(share * (whole.index(b"\xff\xd9", scan) - scan))
        with pytest.raises(FileError, match=r"a\.jpg: the JPEG is damaged: "):
            read(tmp_path, whole[:at] + bytes(300) + whole[at + 300 :])


def test_damage_of_the_second_picture_is_none_of_the_first(tmp_path: Path, scene: Any) -> None:
    whole = encode(scene, **MULTI_PICTURE, append_images=[PILImage.fromarray(scene)])
    second = whole.rindex(b"\xff\xda") + 500
    broken = whole[:second] + bytes(300) + whole[second + 300 :]
    np.testing.assert_allclose(read(tmp_path, broken), decoded(whole), atol=1e-6)


def test_a_jpeg_that_stores_rgb_is_read_and_checked(tmp_path: Path, scene: Any) -> None:
    whole = encode(scene, keep_rgb=True)
    np.testing.assert_allclose(read(tmp_path, whole), scene / 255, atol=0.15)
    assert np.abs(read(tmp_path, whole) - scene / 255).mean() < 0.015
    broken = whole[:5000] + bytes(300) + whole[5300:]
    with pytest.raises(FileError, match=r"a\.jpg: the JPEG is damaged: "):
        read(tmp_path, broken)


@pytest.mark.parametrize("predictor", [1, 4, 7])
@pytest.mark.parametrize("grey", [False, True])
def test_a_lossless_jpeg_is_read_exactly_and_checked(tmp_path: Path, scene: Any, predictor: int, grey: bool) -> None:
    codes = scene[..., 1].copy() if grey else scene
    whole = imagecodecs.jpeg8_encode(codes, lossless=True, predictor=predictor)
    want = np.repeat(codes[..., None], 3, 2) if grey else codes
    np.testing.assert_allclose(read(tmp_path, whole), want / 255, atol=1e-6)
    with pytest.raises(FileError, match=r"a\.jpg: the JPEG is damaged: "):
        read(tmp_path, whole[:5000] + bytes(300) + whole[5300:])


@pytest.mark.parametrize(("bits", "lossless"), [(12, False), (16, True)])
def test_jpegs_of_more_than_8_bits_are_refused_by_name(tmp_path: Path, scene: Any, bits: int, lossless: bool) -> None:
    codes = scene.astype(np.uint16) << (bits - 8)
    data = imagecodecs.jpeg8_encode(codes, lossless=lossless, bitspersample=bits)
    with pytest.raises(FileError, match=rf"a\.jpg: expected a JPEG of 8 bits per sample, got {bits}, which is not"):
        read(tmp_path, data)


# -- text and frames that are burnt into a picture are not a shift of its colours


@pytest.mark.parametrize("top", [32, 72, 80])
@pytest.mark.parametrize("left", [0, 48, 61])
@pytest.mark.parametrize("shade", [0, 40, 255])
def test_a_caption_that_is_burnt_in_is_no_damage(tmp_path: Path, scene: Any, top: int, left: int, shade: int) -> None:
    for background in (scene, np.full_like(scene, 200)):
        picture = PILImage.fromarray(background)
        draw = ImageDraw.Draw(picture)
        draw.rectangle([left, top, 143, 95], fill=(shade,) * 3)
        draw.rectangle([0, top + 8, 143, 95], fill=(shade,) * 3)
        draw.text((left + 4, top + 2), "2026:01:01 12:00", fill=(255 - shade,) * 3)
        for options in ({}, {"subsampling": 0}, {"mode": "L"}):
            read(tmp_path, encode(np.asarray(picture), **options))


@pytest.mark.parametrize("left", [0, 48, 61])
@pytest.mark.parametrize("shade", [0, 100, 255])
def test_a_bar_of_text_is_no_damage_where_rows_restart(tmp_path: Path, scene: Any, left: int, shade: int) -> None:
    picture = PILImage.fromarray(scene)
    draw = ImageDraw.Draw(picture)
    draw.rectangle([left, 32, 143, 47], fill=(shade,) * 3)
    draw.text((left + 2, 34), "2026:01:01 12:00", fill=(255 - shade,) * 3)
    for options in ({}, {"mode": "L"}):
        read(tmp_path, encode(np.asarray(picture), restart_marker_rows=1, **options))


def test_a_shift_up_to_the_end_of_a_row_is_damage_where_rows_restart(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 2, (128, 192, 3))
    planes = np.round(np.add.outer(np.arange(128), np.arange(192))[..., None] / 2 + 20 + noise).astype(np.uint8)
    check_seams(planes, (8, 8), tmp_path, rows_restart=True)
    planes[56:64, 80:, 1] += 12
    check_seams(planes, (8, 8), tmp_path)
    with pytest.raises(
        FileError, match=r"the JPEG is damaged: its colours are shifted in a part of a row of blocks\.$"
    ):
        check_seams(planes, (8, 8), tmp_path, rows_restart=True)


def test_a_wrong_bit_is_noticed_where_rows_restart(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:96, :144]
    light = 60 + rows / 2 + columns / 3 + np.random.default_rng(0).normal(0, 3, (96, 144))
    whole = encode(light.astype(np.uint8), "L", restart_marker_rows=1)
    read(tmp_path, whole)
    found = set()
    for place in range(whole.index(b"\xff\xd4") + 2, whole.index(b"\xff\xd5")):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        try:
            read(tmp_path, bytes(broken))
        except FileError as error:
            found.add(str(error).split(": ")[-1])
    assert "its colours are shifted in a part of a row of blocks." in found


def test_the_first_picture_holds_what_its_pixels_depend_on_and_no_more(scene: Any) -> None:
    data = encode(scene, comment=b"x" * 1000, icc_profile=b"y" * 1000)
    frame = first_picture(ODD["no end marker"](data))
    assert frame is not None
    assert (frame.coding, frame.bits, frame.sampling, frame.block) == (
        "sequential",
        8,
        ((2, 2), (1, 1), (1, 1)),
        (16, 16),
    )
    assert frame.restart_interval == 0
    assert b"xx" not in frame.data
    assert b"yy" not in frame.data
    assert frame.data.endswith(b"\xff\xd9")
    planes = PILImage.open(io.BytesIO(data))
    planes.draft("YCbCr", planes.size)
    np.testing.assert_array_equal(np.asarray(PILImage.open(io.BytesIO(frame.data))), np.asarray(planes))
    assert first_picture(b"\xff\xd8 no frame at all \xff\xd9") is None
    restarting = first_picture(encode(scene, restart_marker_rows=2))
    assert restarting is not None
    assert restarting.restart_interval == 2 * 144 // 16
