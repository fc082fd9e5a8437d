"""Generated kernels, blur, similarity and shifts, on values that are known."""

from __future__ import annotations

import numpy as np
import pytest

from ispfit.datasets import make_camera_pairs
from ispfit.deblur import blur, kernel_similarity, motion_kernel, register_shift, shake_kernel
from ispfit.errors import InputError
from ispfit.images import Image, Shot


def test_motion_spreads_time_evenly_along_the_path() -> None:
    kernel = motion_kernel(10)
    assert kernel.shape == (11, 11)
    np.testing.assert_allclose(kernel[5], [0.05, *[0.1] * 9, 0.05], atol=1e-9)
    np.testing.assert_allclose(motion_kernel(10, 90), kernel.T, atol=1e-9)
    rising = motion_kernel(10, 45)
    middle = len(rising) // 2
    assert rising[:middle, middle + 1 :].sum() > 0.25
    assert rising[:middle, :middle].sum() == 0
    assert motion_kernel(0)[1, 1] == 1


@pytest.mark.parametrize("size", [13, 31])
def test_shake_fills_its_frame_and_follows_its_seed(size: int) -> None:
    kernel = shake_kernel(size, 3)
    assert kernel.shape == (size, size)
    assert kernel.min() >= 0
    assert kernel.sum() == pytest.approx(1)
    rows, columns = np.nonzero(kernel)
    assert max(np.ptp(rows), np.ptp(columns)) == size - 1
    np.testing.assert_array_equal(kernel, shake_kernel(size, 3))
    assert kernel_similarity(kernel, shake_kernel(size, 4)) < 0.9


def test_blur_is_a_convolution_and_keeps_constants_and_shots() -> None:
    point = np.zeros((9, 9, 3), np.float32)
    point[4, 4] = 1
    kernel = shake_kernel(5, 0)
    np.testing.assert_allclose(blur(point, kernel)[2:7, 2:7, 1], kernel, atol=1e-7)
    grey = Image(np.full((6, 8, 3), 0.4, np.float32), Shot(make="ACME"))
    blurred = blur(grey, kernel)
    np.testing.assert_allclose(blurred, 0.4, atol=1e-6)
    assert blurred.shot.make == "ACME"


def test_blur_mirrors_the_image_at_its_edges() -> None:
    ramp = np.tile(np.arange(5, dtype=np.float32)[None, :, None] / 4, (3, 1, 3))
    np.testing.assert_allclose(blur(ramp, motion_kernel(2))[0, :, 0] * 4, [0.25, 1, 2, 3, 3.75], atol=1e-6)


def test_similarity_ignores_shifts_and_sizes_only() -> None:
    kernel = shake_kernel(13, 1)
    assert kernel_similarity(kernel, np.pad(kernel, ((0, 6), (6, 0)))) == pytest.approx(1)
    # A line of 3 against a point: the normalised correlation is that of (1/4, 1/2, 1/4) with 1.
    assert kernel_similarity(motion_kernel(2), motion_kernel(0)) == pytest.approx(0.5 / np.sqrt(0.375))


def test_a_shift_is_undone() -> None:
    [srgb] = make_camera_pairs(1, image_size=96, random_state=1)[1]
    shifted = blur(srgb, np.pad([[0.5, 0.5, 0.0]], ((4, 2), (1, 3))))  # by (1, 1.5) pixels
    smooth = blur(srgb, np.pad([[0.5, 0.5]], ((1, 1), (0, 1))))
    truth, moved = register_shift(smooth, shifted, 8)
    assert truth.shape == moved.shape == (80, 80, 3)
    np.testing.assert_allclose(truth, moved, atol=0.01)
    assert np.abs(smooth - shifted).max() > 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: motion_kernel(-1), "length: expected a number of pixels, 0 or more, got -1."),
        (lambda: shake_kernel(8), "kernel_size: expected an odd number of pixels, 3 or more, got 8."),
        (
            lambda: blur(np.zeros((4, 4, 3), np.float32), np.ones((2, 2))),
            "kernel: expected a square array with an odd number of pixels per side, got (2, 2).",
        ),
        (lambda: kernel_similarity(-np.ones((3, 3)), np.ones((3, 3))), "kernel: expected values of 0 or more"),
        (
            lambda: register_shift(*np.zeros((2, 8, 9, 3), np.float32), 4),
            "margin: expected 0 or more and less than half of (8, 9), got 4.",
        ),
    ],
)
def test_errors_say_what_was_expected(call: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    assert message in str(caught.value)
