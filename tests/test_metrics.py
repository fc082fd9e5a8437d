"""Metrics: PSNR with its cap, its summary, SSIM and CIEDE2000."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio

from ispfit.errors import InputError
from ispfit.images import check_image
from ispfit.metrics import PSNR_CAP, PSNRSummary, ciede2000, psnr, psnr_from_mse, psnr_summary, ssim


@pytest.fixture
def image() -> Any:
    return np.random.default_rng(0).random((16, 20, 3), np.float32)


def test_psnr_is_that_of_scikit_image(image: Any) -> None:
    noisy = np.clip(image + np.random.default_rng(1).normal(0, 0.05, image.shape), 0, 1)
    expected = peak_signal_noise_ratio(image.astype(np.float64), noisy, data_range=1)
    assert psnr(image, noisy) == pytest.approx(expected)


@given(st.floats(1e-4, 0.5))
def test_psnr_follows_its_formula_and_is_symmetric(error: float) -> None:
    black, grey = np.zeros((3, 4, 3)), np.full((3, 4, 3), error)
    assert psnr(black, grey) == pytest.approx(-20 * math.log10(error))
    assert psnr(grey, black) == psnr(black, grey)


def test_identical_images_have_the_cap_and_not_infinity(image: Any) -> None:
    assert psnr(image, image) == PSNR_CAP
    assert psnr(image, image + 1e-7) == PSNR_CAP


def test_nan_is_never_a_good_score(image: Any) -> None:
    broken = image.copy()
    broken[3, 4] = np.nan
    assert math.isnan(psnr(image, broken))
    assert math.isnan(psnr_from_mse(math.nan))
    assert psnr_from_mse(math.inf) == -math.inf


def test_one_code_of_sixteen_bits_lies_below_the_cap() -> None:
    value = psnr(np.zeros((4, 4, 3)), np.full((4, 4, 3), 1 / 65535))
    assert value == pytest.approx(96.33, abs=0.01)
    assert value < PSNR_CAP


def test_summary_has_the_four_statistics_of_table_1() -> None:
    summary = psnr_summary([20.0, 40.0, 30.0, 22.0])
    assert summary == PSNRSummary(mean=28, median=26, min=20, max=40)
    assert asdict(summary) == {"mean": 28, "median": 26, "min": 20, "max": 40}
    assert psnr_summary(value for value in [1.0]) == PSNRSummary(1, 1, 1, 1)


def test_a_summary_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="expected the PSNR of at least one image, got none"):
        psnr_summary([])


def test_ssim_is_one_for_equal_images_and_falls_with_noise(image: Any) -> None:
    noise = np.random.default_rng(1).normal(0, 1, image.shape)
    scores = [ssim(image, np.clip(image + sigma * noise, 0, 1)) for sigma in (0, 0.05, 0.2)]
    assert scores[0] == pytest.approx(1)
    assert scores[0] > scores[1] > scores[2]


def test_ssim_of_a_tiny_image_names_the_least_size() -> None:
    with pytest.raises(InputError, match=r"at least 11 x 11 pixels, got \(10, 40\); use psnr"):
        ssim(np.zeros((10, 40, 3)), np.zeros((10, 40, 3)))


def test_ciede2000_of_white_and_black_is_a_hundred() -> None:
    white, black = np.ones((4, 4, 3)), np.zeros((4, 4, 3))
    assert ciede2000(white, white) == 0
    assert ciede2000(white, black) == pytest.approx(100, abs=0.1)


@pytest.mark.parametrize("metric", [psnr, ssim, ciede2000])
def test_images_of_two_shapes_are_refused(metric: Any) -> None:
    with pytest.raises(InputError, match=r"expected two images of the same shape, got \(12, 12, 3\) and \(12, 13, 3\)"):
        metric(np.zeros((12, 12, 3)), np.zeros((12, 13, 3)))


@pytest.mark.parametrize("metric", [psnr, ciede2000])
def test_images_without_pixels_are_refused(metric: Any) -> None:
    with pytest.raises(InputError, match=r"expected images with pixels, got two of shape \(0, 4, 3\)"):
        metric(np.zeros((0, 4, 3)), np.zeros((0, 4, 3)))


CODES = "expected floats in [0, 1], got dtype uint8; divide 8-bit codes by 255 and 16-bit codes by 65535."


@pytest.mark.parametrize("metric", [psnr, ssim, ciede2000])
@pytest.mark.parametrize("name", ["truth", "estimate"])
def test_codes_are_refused_in_the_words_of_the_model(metric: Any, name: str, image: Any) -> None:
    codes = (image * 255).astype(np.uint8)
    with pytest.raises(InputError) as caught:
        metric(*((codes, image) if name == "truth" else (image, codes)))
    assert str(caught.value) == f"{name}: {CODES}"
    with pytest.raises(InputError) as of_model:
        check_image(codes, name)
    assert str(of_model.value) == str(caught.value)


@pytest.mark.parametrize("metric", [psnr, ssim, ciede2000])
def test_grey_images_are_refused_in_the_words_of_the_model(metric: Any, image: Any) -> None:
    with pytest.raises(InputError, match=r"^truth: expected an image of shape \(H, W, 3\), got \(16, 20\)\.$"):
        metric(image[..., 0], image[..., 0])


@pytest.mark.parametrize("metric", [ssim, ciede2000])
def test_floats_of_another_range_are_refused(metric: Any, image: Any) -> None:
    with pytest.raises(InputError, match=r"^estimate: expected values in \[0, 1\], got \[.*\]; scale it so that 1 is"):
        metric(image, 255 * image)


def test_the_metrics_of_8_bit_images_are_those_of_their_values(image: Any) -> None:
    codes = np.round(255 * image)
    noisy = np.clip(codes + np.random.default_rng(1).integers(-9, 10, codes.shape), 0, 255)
    expected = peak_signal_noise_ratio(codes.astype(np.uint8), noisy.astype(np.uint8))
    assert psnr(codes / 255, noisy / 255) == pytest.approx(expected)


def test_the_psnr_of_a_list_of_colours_is_that_of_the_image(image: Any) -> None:
    assert psnr(image.reshape(-1, 3), 0.9 * image.reshape(-1, 3)) == psnr(image, 0.9 * image)
