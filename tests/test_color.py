"""Colour functions for NumPy and torch alike: the paper's Eq. 4, the sRGB curve, white balance; and colour matrices."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ispfit.color import (
    ADOBE_RGB_TO_SRGB,
    BT601_LUMA,
    BT2020_TO_SRGB,
    EPSILON,
    SRGB_LUMINANCE,
    XYZ_TO_BT2020,
    XYZ_TO_SRGB,
    apply_white_balance,
    linear_to_srgb,
    lrg_to_rgb,
    rgb_to_lrg,
    srgb_to_linear,
)
from ispfit.errors import InputError

PIXELS = arrays(np.float64, (4, 5, 3), elements=st.floats(0, 1))
VALUES = arrays(np.float64, (7,), elements=st.floats(0, 1))


def test_lightness_and_chromaticity_are_those_of_equation_4() -> None:
    rgb = np.array([[0.5, 0.3, 0.2], [0.9, 0.0, 0.0]])
    expected = [[1 / 3, 0.5, 0.3], [0.3, 1.0, 0.0]]
    np.testing.assert_allclose(rgb_to_lrg(rgb), expected, atol=EPSILON)


@given(PIXELS)
def test_chromaticity_stays_in_its_range_and_comes_back(rgb: Any) -> None:
    lrg = rgb_to_lrg(rgb)
    assert lrg.min() >= 0
    assert lrg[..., 1:].sum(-1).max() <= 1 + 1e-12
    np.testing.assert_allclose(lrg_to_rgb(lrg), rgb, atol=1e-12)


def test_black_is_grey_and_its_gradient_is_finite() -> None:
    black = torch.zeros(1, 3, 2, 2, requires_grad=True)
    lrg = rgb_to_lrg(black, axis=1)
    torch.testing.assert_close(lrg[:, 1:], torch.full((1, 2, 2, 2), 1 / 3))
    lrg.sum().backward()
    assert black.grad is not None
    assert black.grad.isfinite().all()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_colour_axis_can_be_any(axis: int) -> None:
    rgb = np.random.default_rng(0).random((3, 3, 3))
    moved = np.moveaxis(rgb_to_lrg(np.moveaxis(rgb, axis, -1)), -1, axis)
    np.testing.assert_array_equal(rgb_to_lrg(rgb, axis=axis), moved)


@pytest.mark.parametrize("function", [rgb_to_lrg, lrg_to_rgb, srgb_to_linear, linear_to_srgb])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_and_arrays_give_their_own_kind(function: Any, dtype: str) -> None:
    pixels = np.random.default_rng(0).random((2, 4, 3)).astype(dtype)
    array, tensor = function(pixels), function(torch.from_numpy(pixels))
    assert array.dtype == dtype
    assert tensor.dtype == getattr(torch, dtype)
    np.testing.assert_allclose(tensor.numpy(), array, rtol=1e-6, atol=1e-7)


@given(VALUES)
def test_the_srgb_curve_comes_back(linear: Any) -> None:
    encoded = linear_to_srgb(linear)
    assert encoded.min() >= 0
    assert encoded.max() <= 1 + 1e-12
    np.testing.assert_allclose(srgb_to_linear(encoded), linear, atol=1e-7)


def test_the_srgb_curve_has_the_values_of_its_standard() -> None:
    assert linear_to_srgb(np.array([0.0, 0.001, 0.18, 1.0])) == pytest.approx([0, 0.01292, 0.461356, 1], abs=1e-6)
    assert srgb_to_linear(np.array([0.04045])) == pytest.approx(0.04045 / 12.92, rel=1e-6)


@pytest.mark.parametrize("function", [srgb_to_linear, linear_to_srgb])
def test_the_srgb_curve_has_a_finite_gradient_at_black(function: Any) -> None:
    value = torch.tensor([0.0, 0.001, 0.5], requires_grad=True)
    function(value).sum().backward()
    assert value.grad is not None
    assert value.grad.isfinite().all()


@given(PIXELS, st.tuples(*[st.floats(0.1, 8)] * 3))
def test_white_balance_is_undone_by_the_inverse_gains(rgb: Any, gains: tuple[float, float, float]) -> None:
    balanced = apply_white_balance(rgb, gains)
    np.testing.assert_allclose(balanced, rgb * np.array(gains))
    np.testing.assert_allclose(apply_white_balance(balanced, [1 / gain for gain in gains]), rgb, atol=1e-12)


def test_white_balance_takes_channels_first_too() -> None:
    rgb = torch.ones(1, 3, 2, 2)
    assert apply_white_balance(rgb, (2, 1, 1.5), axis=1)[0, :, 0, 0].tolist() == [2, 1, 1.5]


@pytest.mark.parametrize("gains", [(1, 1), (1, 0, 1), (1, -2, 1), (1, float("nan"), 1), (1, float("inf"), 1)])
def test_impossible_gains_are_refused(gains: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"gains: expected three positive numbers \(r, g, b\), got \("):
        apply_white_balance(np.ones((2, 2, 3)), gains)


@pytest.mark.parametrize("shape", [(), (4, 4), (3, 4)])
def test_an_array_without_three_channels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match="expected 3 channels along axis -1, got an array of shape " + re.escape(str(shape))
    ):
        rgb_to_lrg(np.ones(shape))


@pytest.mark.parametrize("function", [rgb_to_lrg, lrg_to_rgb, srgb_to_linear, linear_to_srgb])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_codes_are_refused(function: Any, dtype: str) -> None:
    codes = np.full((2, 2, 3), 200).astype(dtype)
    for pixels in (codes, torch.from_numpy(codes)):
        with pytest.raises(InputError) as caught:
            function(pixels)
        assert str(caught.value).endswith(
            f": expected floats in [0, 1], got dtype {dtype}; divide 8-bit codes by 255 and 16-bit codes by 65535."
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floats_of_any_precision_have_a_chromaticity(dtype: torch.dtype) -> None:
    found = rgb_to_lrg(torch.tensor([0.5, 0.25, 0.25], dtype=dtype))
    torch.testing.assert_close(found, torch.tensor([1 / 3, 0.5, 0.25], dtype=dtype), atol=4e-3, rtol=0)


def to_xyz(red: tuple[float, float], green: tuple[float, float], blue: tuple[float, float]) -> Any:
    """Matrix from linear RGB of these primaries (x, y) and white D65 to CIE XYZ."""
    corners, white = (
        np.array([[x / y, 1, (1 - x - y) / y] for x, y in points]).T
        for points in ([red, green, blue], [(0.3127, 0.3290)])
    )
    return corners * np.linalg.solve(corners, white).T


SRGB = to_xyz((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
BT2020 = to_xyz((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
ADOBE_RGB = to_xyz((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (XYZ_TO_SRGB, np.linalg.inv(SRGB)),
        (XYZ_TO_BT2020, np.linalg.inv(BT2020)),
        (BT2020_TO_SRGB, np.linalg.inv(SRGB) @ BT2020),
        (ADOBE_RGB_TO_SRGB, np.linalg.inv(SRGB) @ ADOBE_RGB),
        (SRGB_LUMINANCE, SRGB[1]),
    ],
)
def test_matrices_follow_from_primaries_and_white_point(matrix: Any, expected: Any) -> None:
    np.testing.assert_allclose(matrix, expected, atol=5e-4)


def test_luma_of_white_is_one() -> None:
    assert BT601_LUMA.sum() == pytest.approx(1)
    assert SRGB_LUMINANCE.sum() == pytest.approx(1)
