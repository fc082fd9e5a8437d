"""The kernel for a given sharp image: least squares on strong gradients, by conjugate gradients.

Sources: S. Cho, S. Lee, "Fast Motion Deblurring", SIGGRAPH Asia 2009, for strong gradients in all directions; the
constants are those of Pan et al. (CVPR 2016).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage, signal
from scipy.fft import next_fast_len
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor

from ispfit.deblur.kernels import Kernel

__all__ = ["edge_threshold", "enlarged", "find_kernel", "gradients", "recentred", "strong_edges"]

_EDGES_PER_KERNEL_PX = 20  # fewest pixels of strong gradients in each of four ranges of directions
_DIRECTIONS = 4
_GAMMA = 2.0  # weight of |k|^2
_ITERATIONS, _TOLERANCE = 20, 1e-5
_LEAST_OF_PEAK = 1 / 20
_LEAST_OF_MASS = 0.1  # of a connected part


def gradients(image: Tensor) -> Tensor:
    """Return the differences to the right and below, (2, H - 1, W - 1), of a plane (H, W)."""
    corner = image[:-1, :-1]
    return torch.stack([image[:-1, 1:] - corner, image[1:, :-1] - corner])


def edge_threshold(image: Tensor, kernel_size: int) -> float:
    """Return the squared gradient above which each range of directions has enough pixels to find a kernel.

    Parameters
    ----------
    image : (H, W).
    kernel_size : side of the kernel in pixels.
    """
    right, below = gradients(image)
    power = right.square() + below.square()
    angle = torch.atan2(below, right).remainder(torch.pi)
    sector = (angle / (torch.pi / _DIRECTIONS)).long().clamp_(max=_DIRECTIONS - 1)
    wanted = _EDGES_PER_KERNEL_PX * kernel_size
    found = []
    for index in range(_DIRECTIONS):
        powers = power[sector == index]
        found.append(float(powers.topk(wanted).values[-1]) if len(powers) >= wanted else 0.0)
    return min(found)


def strong_edges(image: Tensor, threshold: float) -> Tensor:
    """Return the gradients of a plane, 0 where their squares sum to less than the threshold.

    If none is that strong, the threshold is lowered until some are.
    """
    edges = gradients(image)
    power = edges.square().sum(0)
    strongest = float(power.max())
    while threshold > strongest > 0:
        threshold *= 0.81
    return edges * (power >= threshold)


def find_kernel(blurred: Tensor, sharp: Tensor, size: int) -> Kernel:
    """Return the kernel that blurs gradients of the sharp image to those of the blurred one.

    Parameters
    ----------
    blurred : gradients (2, H, W).
    sharp : strong gradients (2, H, W).
    size : side of the kernel, odd.

    Returns
    -------
    Kernel size x size, without weak values and small parts; a single peak if there is nothing to find it from.
    """
    shape = [next_fast_len(side + size, real=True) for side in blurred.shape[-2:]]
    sharp_f, blurred_f = torch.fft.rfft2(sharp, s=shape), torch.fft.rfft2(blurred, s=shape)
    # The system is needed at lags within the kernel alone: two transforms, however many iterations.
    auto = _lags(torch.fft.irfft2(sharp_f.abs().square().sum(0), s=shape), size - 1)
    cross = _lags(torch.fft.irfft2((sharp_f.conj() * blurred_f).sum(0), s=shape), size // 2)

    def normal(flat: Kernel) -> Kernel:
        kernel = flat.reshape(size, size)
        return np.asarray((signal.fftconvolve(auto, kernel, mode="valid") + _GAMMA * kernel).ravel())

    start = np.full(size * size, 1 / size**2)
    system = LinearOperator((size * size, size * size), matvec=normal, dtype=np.float64)
    flat, _ = cg(system, cross.ravel(), x0=start, rtol=_TOLERANCE, maxiter=_ITERATIONS)
    return _pruned(flat.reshape(size, size))


def _lags(correlation: Tensor, reach: int) -> Kernel:
    """Return a periodic correlation at lags -reach to reach, as float64 (2 reach + 1, 2 reach + 1)."""
    rolled = torch.roll(correlation, (reach, reach), (0, 1))
    return np.asarray(rolled[: 2 * reach + 1, : 2 * reach + 1].cpu().numpy(), np.float64)


def _pruned(kernel: Kernel) -> Kernel:
    """Return a kernel whose sum is 1, without values far below its peak and without parts of little mass."""
    peak = kernel.max()
    if not peak > 0:
        return single_peak(len(kernel))
    kernel = without_weak_values(kernel)
    labels, n_parts = ndimage.label(kernel > 0, np.ones((3, 3)))
    masses = ndimage.sum_labels(kernel, labels, np.arange(n_parts + 1))
    kept = masses >= min(_LEAST_OF_MASS, masses.max())
    kernel = np.where(kept[labels], kernel, 0)
    return np.asarray(kernel / kernel.sum())


def without_weak_values(kernel: Kernel) -> Kernel:
    """Return a kernel whose sum is 1, without values under a twentieth of its peak."""
    kept = np.where(kernel < kernel.max() * _LEAST_OF_PEAK, 0, kernel)
    return np.asarray(kept / kept.sum())


def single_peak(size: int) -> Kernel:
    """Return the kernel of no blur."""
    kernel = np.zeros((size, size))
    kernel[size // 2, size // 2] = 1
    return kernel


def recentred(kernel: Kernel) -> Kernel:
    """Return a kernel moved by whole pixels so that its centre of mass lies in the middle."""
    shift = (len(kernel) - 1) / 2 - np.array(ndimage.center_of_mass(kernel))
    moved = ndimage.shift(kernel, np.rint(shift), order=0)
    return np.asarray(moved / moved.sum())


def enlarged(kernel: Kernel, size: int, factor: float) -> Kernel:
    """Return a kernel drawn `factor` times as large in a frame of `size`, cubic, with the same middle."""
    offset = (len(kernel) - 1) / 2 - (size - 1) / 2 / factor
    drawn = np.maximum(ndimage.affine_transform(kernel, [1 / factor] * 2, offset, (size, size), order=3), 0)
    return np.asarray(drawn / drawn.sum())
