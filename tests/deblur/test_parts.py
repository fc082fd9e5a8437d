"""The parts of blind deblurring against slow and plain versions of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from ispfit.deblur.boundary import make_periodic
from ispfit.deblur.kernel_step import edge_threshold, enlarged, find_kernel, gradients, recentred, strong_edges
from ispfit.deblur.kernels import kernel_similarity, motion_kernel, shake_kernel
from ispfit.deblur.latent import DataTerm, with_sparse_gradients
from ispfit.deblur.minima import patch_minima, window_minima
from ispfit.deblur.spectra import differences, divergence, gradient_power, kernel_spectrum, spectrum, to_image


@pytest.fixture
def plane() -> torch.Tensor:
    return torch.rand(41, 30, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [1, 3, 5, 35])
def test_window_minima_and_their_places(plane: torch.Tensor, size: int) -> None:
    minima, places = window_minima(plane, size)
    expected = ndimage.minimum_filter(plane.numpy(), size, mode="constant", cval=np.inf)
    np.testing.assert_array_equal(minima, expected)
    np.testing.assert_array_equal(plane.view(-1)[places], expected)
    rows, columns = np.indices(plane.shape)
    assert np.abs(places.numpy() // 30 - rows).max() <= size // 2
    assert np.abs(places.numpy() % 30 - columns).max() <= size // 2


def test_of_equal_minima_the_first_is_taken() -> None:
    _, places = window_minima(torch.zeros(5, 4), 3)
    assert places.tolist()[2] == [4, 4, 5, 6]


def test_patch_minima_and_their_places(plane: torch.Tensor) -> None:
    minima, places = patch_minima(plane, 7)
    assert minima.shape == (6, 5)
    assert float(minima[5, 4]) == float(plane[35:, 28:].min())
    assert float(minima[1, 2]) == float(plane[7:14, 14:21].min())
    np.testing.assert_array_equal(plane.view(-1)[places], minima)


def test_an_image_made_periodic_has_no_step_and_a_smooth_margin() -> None:
    ramp = torch.linspace(0, 1, 40).expand(3, 30, 40) + torch.linspace(0, 0.3, 30)[:, None]
    periodic = make_periodic(ramp, 9)
    assert periodic.shape[1] >= 39
    assert periodic.shape[2] >= 49
    torch.testing.assert_close(periodic[:, :30, :40], ramp)
    steps = [step.abs().max() for step in differences(periodic)]
    assert max(steps) < 0.13  # the ramp falls back over 10 pixels
    inside = periodic[0, 31:-1, 1:39]
    around = periodic[0, 30:-2, 1:39] + periodic[0, 32:, 1:39] + periodic[0, 31:-1, :38] + periodic[0, 31:-1, 2:40]
    torch.testing.assert_close(around / 4, inside, atol=1e-5, rtol=0)  # Laplace's equation


def test_differences_and_their_adjoint_and_power(plane: torch.Tensor) -> None:
    right, below = differences(plane)
    other = torch.rand(2, *plane.shape)
    assert float((right * other[0] + below * other[1]).sum()) == pytest.approx(
        float((plane * divergence(other[0], other[1])).sum()), rel=1e-4
    )
    laplacian = to_image(gradient_power(plane) * spectrum(plane), plane.shape)
    torch.testing.assert_close(divergence(right, below), laplacian, atol=1e-5, rtol=0)


def test_a_kernel_s_spectrum_convolves(plane: torch.Tensor) -> None:
    kernel = shake_kernel(5, 0)
    convolved = to_image(kernel_spectrum(kernel, plane) * spectrum(plane), plane.shape)
    np.testing.assert_allclose(convolved, ndimage.convolve(plane.numpy(), kernel, mode="wrap"), atol=1e-6)


def test_sparse_gradients_keep_edges_and_remove_noise() -> None:
    step = torch.zeros(1, 32, 32)
    step[..., 8:24] = 1
    noisy = step + 0.02 * torch.randn(step.shape, generator=torch.Generator().manual_seed(0))
    clean = with_sparse_gradients(DataTerm.of(noisy, motion_kernel(0)), noisy, 0.01)
    assert float((clean - step).abs().max()) < 0.02
    assert float((clean[0, :, 8] - clean[0, :, 7]).min()) > 0.95


def test_the_kernel_is_found_from_the_sharp_image(plane: torch.Tensor) -> None:
    kernel = shake_kernel(7, 2)
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((90, 80)), 1.0) * 4
    blurred = torch.as_tensor(ndimage.convolve(smooth, kernel, mode="wrap"))
    found = find_kernel(gradients(blurred), gradients(torch.as_tensor(smooth)), 9)
    assert kernel_similarity(kernel, found) > 0.98
    assert found.sum() == pytest.approx(1)
    assert set(found[found < found.max() / 20]) <= {0.0}


def test_without_edges_the_kernel_is_a_point() -> None:
    flat = torch.zeros(2, 20, 20)
    assert find_kernel(flat, flat, 5)[2, 2] == 1


def test_small_parts_of_a_kernel_are_pruned() -> None:
    kernel = np.zeros((15, 15))
    kernel[7, 5:10], kernel[1, 1] = 1.0, 0.4
    sharp = torch.as_tensor(np.random.default_rng(1).random((120, 120)))
    blurred = torch.as_tensor(ndimage.convolve(sharp.numpy(), kernel / kernel.sum(), mode="wrap"))
    found = find_kernel(gradients(blurred), gradients(sharp), 15)
    assert found[1, 1] == 0
    assert found[7, 5:10].sum() == pytest.approx(1, abs=0.02)


def test_strong_edges_are_found_in_all_directions() -> None:
    rows, columns = np.indices((80, 80)) - 39.5
    disc = torch.as_tensor(np.clip(30 - np.hypot(rows, columns), 0, 1), dtype=torch.float32)
    threshold = edge_threshold(disc, 1)
    assert 0 < threshold <= 2
    edges = strong_edges(disc, threshold)
    assert all(float(edges[axis].abs().sum()) > 50 for axis in (0, 1))
    assert float(strong_edges(disc, 100.0).abs().sum()) > 0  # the threshold is lowered until some are strong
    assert float(strong_edges(torch.zeros(9, 9), 1.0).abs().sum()) == 0


def test_kernels_are_moved_to_the_middle_and_enlarged_about_it() -> None:
    kernel = np.zeros((7, 7))
    kernel[1, 2] = 1
    assert recentred(kernel)[3, 3] == 1
    rows, columns = np.indices((15, 15)) - 7
    blobs = [np.exp(-(rows**2 + columns**2) / (2 * sigma**2)) for sigma in (1.5, 1.5 * np.sqrt(2))]
    large = enlarged(blobs[0][1:-1, 1:-1], 15, np.sqrt(2))
    assert large.shape == (15, 15)
    assert large.sum() == pytest.approx(1)
    assert kernel_similarity(large, blobs[1]) > 0.995
    np.testing.assert_allclose(large, large[::-1, ::-1], atol=1e-6)
