"""Kernels found from blurred images alone, and images deconvolved with known kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ispfit.deblur import blur, deconvolve, estimate_kernel, kernel_similarity, motion_kernel, register_shift
from ispfit.deblur.deconvolution import METHODS
from ispfit.errors import InputError
from ispfit.images import Image
from ispfit.metrics import psnr

KERNEL_PX = 13


@pytest.mark.parametrize(("prior", "least"), [("gradient", 0.85), ("dark-channel", 0.8), ("pmp", 0.7)])
def test_the_kernel_is_found(blurred: Any, prior: str, least: float) -> None:
    found = estimate_kernel(blurred.image, KERNEL_PX, prior=prior)
    assert found.kernel.shape == (KERNEL_PX, KERNEL_PX)
    assert found.kernel.min() >= 0
    assert found.kernel.sum() == pytest.approx(1)
    assert kernel_similarity(blurred.kernel, found.kernel) > least
    assert found.latent.shape == blurred.image.shape[:2]


def test_the_record_tells_how_it_converged(blurred: Any) -> None:
    record = estimate_kernel(blurred.image, KERNEL_PX).record
    assert [entry.kernel_size for entry in record] == [7, 11, 13]
    assert record[-1].shape == blurred.image.shape[:2]
    assert all(len(entry.changes) == len(entry.misfits) == 10 for entry in record)
    assert record[-1].changes[-1] < record[0].changes[0] < 2
    assert record[-1].misfits[-1] < 0.02


def test_a_region_is_enough(blurred: Any) -> None:
    whole = estimate_kernel(blurred.image[20:150, 8:160], KERNEL_PX).kernel
    np.testing.assert_array_equal(estimate_kernel(blurred.image, KERNEL_PX, region=(20, 8, 130, 152)).kernel, whole)


def test_a_flat_image_has_no_kernel() -> None:
    assert estimate_kernel(np.full((40, 50, 3), 0.3, np.float32), 5).kernel[2, 2] == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_known_kernel_is_undone(blurred: Any, method: str) -> None:
    sharp = deconvolve(blurred.image, blurred.kernel, method=method)
    gain = psnr(blurred.sharp, sharp) - psnr(blurred.sharp, blurred.image)
    assert gain > {"tv": 5, "richardson-lucy": 2, "wiener": -3}[method]


def _blocks() -> Any:
    """Light of large blocks in many colours, float32 96 x 96 x 3."""
    rng = np.random.default_rng(0)
    return (0.2 + 0.3 * rng.random((8, 8, 3))).repeat(12, 0).repeat(12, 1).astype(np.float32)


def test_the_removal_of_ringing_helps(blurred: Any) -> None:
    plain, better = (
        psnr(blurred.sharp, deconvolve(blurred.image, blurred.kernel, ringing_removal=removal))
        for removal in (False, True)
    )
    assert better > plain + 0.2


def test_clipped_highlights_do_not_ring() -> None:
    light = _blocks()
    light[40:46, 40:46] = 5
    kernel = motion_kernel(10, 30)
    seen = np.clip(blur(light, kernel), 0, 1)
    truth = np.clip(light, 0, 1)
    aware, naive = (psnr(truth, deconvolve(seen, kernel, clipped=clipped)) for clipped in (0.99, 2.0))
    assert aware > naive + 3


def test_a_shift_of_the_kernel_is_a_shift_of_the_image(blurred: Any) -> None:
    moved = np.pad(blurred.kernel, ((4, 0), (0, 4)))
    sharp = deconvolve(blurred.image, moved)
    truth, back = register_shift(blurred.sharp, sharp, 13)
    assert psnr(truth, back) > psnr(blurred.sharp, blurred.image) + 4
    assert isinstance(sharp, Image)
    assert sharp.shot == blurred.image.shot


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prior": "tv"}, "prior: expected 'dark-channel', 'pmp', 'gradient', got 'tv'."),
        ({"kernel_size": 12}, "kernel_size: expected an odd number of pixels, 3 or more, got 12."),
        (
            {"kernel_size": 99},
            "kernel_size: expected at most half of the shorter side of the image or region, 168 pixels, got 99; take a "
            "smaller kernel or a larger region.",
        ),
        (
            {"region": (0, 100, 50, 100)},
            "region: expected (top, left, height, width) inside the image of 168 x 168 pixels, got (0, 100, 50, 100).",
        ),
    ],
)
def test_errors_of_the_search(blurred: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        estimate_kernel(blurred.image, **{"kernel_size": KERNEL_PX, **change})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "method: expected 'tv', 'richardson-lucy', 'wiener', got 'magic'."),
        ({"tv": 0.0}, "tv: expected a number above 0, got 0.0."),
        (
            {"kernel": motion_kernel(200)},
            "kernel: expected one no larger than the image of 168 x 168 pixels, got 201 x 201.",
        ),
    ],
)
def test_errors_of_the_deconvolution(blurred: Any, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        deconvolve(blurred.image, **{"kernel": blurred.kernel, **change})
    assert str(caught.value) == message
