"""Images as training holds them: in lossless codes, and on the device if they fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ispfit.cache import cached
from ispfit.codes import to_integer_codes
from ispfit.images import Image, ImageList, Shot
from ispfit.training.device_images import DeviceImages, decode

CPU, META = torch.device("cpu"), torch.device("meta")
CODES = {8: 255, 16: 65535}


def image(bits: int, seed: int = 0) -> Image:
    codes = np.random.default_rng(seed).integers(0, CODES[bits] + 1, (5, 7, 3))
    return Image(codes.astype(np.float32) / np.float32(CODES[bits]))


@given(arrays(np.uint16, (4, 3)))
def test_sixteen_bits_are_given_back_exactly(codes: Any) -> None:
    pixels = codes.astype(np.float32) / np.float32(65535)
    kept = to_integer_codes(pixels)
    np.testing.assert_array_equal(kept.astype(np.float32) / (255 if kept.dtype == np.uint8 else 65535), pixels)
    assert kept.dtype != np.float32


@given(st.floats(0, 1, width=32))
def test_other_values_stay_floats(value: float) -> None:
    kept = to_integer_codes(np.array([value, 1e-7], np.float32))
    assert kept.dtype == np.float32
    assert kept[0] == np.float32(value)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_cached_image_is_read_in_the_codes_of_its_file(tmp_path: Path, monkeypatch: Any, bits: int) -> None:
    monkeypatch.setenv("ISPFIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shot").write_bytes(b"")
    source = cached(tmp_path / "shot", lambda path: image(bits), Shot())
    tensor = DeviceImages(ImageList([source], "X", lambda path: image(bits)), CPU)[0]
    assert tensor.dtype == {8: torch.uint8, 16: torch.int16}[bits]
    np.testing.assert_array_equal(decode(tensor), image(bits))


def test_on_a_cpu_an_array_is_not_copied_even_if_it_is_read_only() -> None:
    pixels = image(8)
    pixels.flags.writeable = False
    tensor = DeviceImages([pixels], CPU)[0]
    assert tensor.data_ptr() == pixels.ctypes.data
    np.testing.assert_array_equal(decode(tensor), pixels)


def test_a_view_that_is_not_contiguous() -> None:
    pixels = image(16)[::-1, ::2]
    np.testing.assert_array_equal(decode(DeviceImages([pixels], CPU)[0]), pixels)


def test_another_device_gets_codes_and_keeps_as_many_as_it_has_room_for() -> None:
    images = DeviceImages([image(8, 0), image(8, 1), image(16, 2)], META, max_bytes=2 * 5 * 7 * 3)
    first = [images[index] for index in range(3)]
    assert [tensor.dtype for tensor in first] == [torch.uint8, torch.uint8, torch.int16]
    assert {tensor.device for tensor in first} == {META}
    again = [images[index] is tensor for index, tensor in enumerate(first)]
    assert again == [True, True, False]
    assert len(images) == 3
