"""Blur kernels: generated ones, blurring with them, and how alike two of them are.

A kernel is a float64 array k x k, k odd, of values >= 0 that sum to 1. Blurring is convolution, centred on the middle
of the kernel. Where a kernel lies in its frame is arbitrary: moving it moves the image the other way.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import signal

from ispfit.errors import InputError
from ispfit.images import FloatImage, Image

__all__ = ["Kernel", "blur", "check_kernel", "check_kernel_size", "kernel_similarity", "motion_kernel", "shake_kernel"]

Kernel: TypeAlias = npt.NDArray[np.float64]

MIN_KERNEL_PX = 3

_SAMPLES_PER_PX = 20  # of the path that the camera follows
_SHAKE_STEPS = 60
_PULL_TO_REST = 0.02  # share of the distance to the start by which a hand is pulled back in a step
_JERK_CHANCE, _JERK_SIZE = 0.04, 8.0  # of sudden moves in a step, relative to the tremor


def motion_kernel(length: float, angle: float = 0.0) -> Kernel:
    """Return the kernel of a camera that moves straight and evenly.

    Parameters
    ----------
    length : of the path in pixels, 0 or more.
    angle : of the path in degrees, counter-clockwise from the horizontal.

    Returns
    -------
    Kernel, the smallest that holds the path.

    Raises
    ------
    InputError
        If `length` is negative or not finite.

    Examples
    --------
    >>> motion_kernel(2).round(2).tolist()
    [[0.0, 0.0, 0.0], [0.25, 0.5, 0.25], [0.0, 0.0, 0.0]]
    """
    if not (np.isfinite(length) and length >= 0):
        raise InputError(f"length: expected a number of pixels, 0 or more, got {length!r}.")
    along = (np.arange(n := max(1, round(length * _SAMPLES_PER_PX))) + 0.5) / n * length - length / 2
    radians = np.deg2rad(angle)
    path = along[:, None] * np.array([-np.sin(radians), np.cos(radians)])
    return _exposed(path, max(MIN_KERNEL_PX, 2 * int(np.ceil(np.abs(path).max(initial=0.0) - 1e-6)) + 1))


def shake_kernel(size: int, random_state: int | np.random.Generator | None = None) -> Kernel:
    """Return the kernel of a shaken camera: a smooth random path with a few sudden turns.

    The velocity of the hand is a random walk with friction that is pulled back to rest and jerks now and then, as in
    Boracchi & Foi, "Modeling the Performance of Image Restoration from Motion Blur", IEEE TIP 21(8), 2012.

    Parameters
    ----------
    size : side of the kernel in pixels, odd; the path reaches from one edge to the other in the longer direction.
    random_state : int, Generator or None.

    Returns
    -------
    Kernel size x size.
    """
    check_kernel_size(size)
    rng = np.random.default_rng(random_state)
    position, velocity, path = np.zeros(2), rng.normal(size=2), []
    for _ in range(_SHAKE_STEPS):
        jerk = _JERK_SIZE * rng.normal(size=2) * (rng.random() < _JERK_CHANCE)
        velocity = 0.9 * velocity + 0.45 * rng.normal(size=2) - _PULL_TO_REST * position + jerk
        position = position + velocity
        path.append(position)
    corners = np.array(path)
    middle = (corners.max(0) + corners.min(0)) / 2
    scaled = (corners - middle) * ((size - 1) / np.ptp(corners, axis=0).max())
    return _exposed(_sampled(scaled), size)


def _sampled(corners: Kernel) -> Kernel:
    """Return points (n, 2) at equal times on a path that takes as long from corner to corner, however far they are."""
    times = np.linspace(0, len(corners) - 1, _SAMPLES_PER_PX * len(corners))
    return np.stack([np.interp(times, np.arange(len(corners)), axis) for axis in corners.T], axis=1)


def _exposed(path: Kernel, size: int) -> Kernel:
    """Return the kernel of equal times at points (n, 2), rows and columns from the middle, each spread linearly."""
    kernel = np.zeros((size, size))
    place = np.clip(path + (size - 1) / 2, 0, size - 1)
    corner = np.minimum(np.floor(place).astype(int), size - 2)
    share = place - corner
    for row, column in np.ndindex(2, 2):
        weight = np.abs(1 - row - share[:, 0]) * np.abs(1 - column - share[:, 1])
        np.add.at(kernel, (corner[:, 0] + row, corner[:, 1] + column), weight)
    return np.asarray(kernel / kernel.sum())


def blur(image: FloatImage, kernel: npt.NDArray[np.floating]) -> Image:
    """Return an image blurred by a kernel; beyond its edges the image is mirrored.

    Parameters
    ----------
    image : float32 H x W x 3 in [0, 1]. Light adds up: only linear images blur as a camera's do.
    kernel : k x k, k odd, values >= 0.

    Returns
    -------
    Image H x W x 3 with the shot of `image`.

    Raises
    ------
    InputError
        If the kernel is not as above.
    """
    weights = check_kernel(kernel)
    margin = len(weights) // 2
    padded = np.pad(np.asarray(image), [(margin, margin), (margin, margin), (0, 0)], mode="symmetric")
    blurred = signal.oaconvolve(padded, weights[..., None], mode="valid", axes=(0, 1))
    return Image(np.clip(blurred, image.min(), image.max()), getattr(image, "shot", None))


def kernel_similarity(truth: npt.NDArray[np.floating], estimate: npt.NDArray[np.floating]) -> float:
    """Return the maximum normalised cross-correlation of two kernels over all shifts (Hu & Yang, ECCV 2012).

    Parameters
    ----------
    truth, estimate : kernels, which may differ in size.

    Returns
    -------
    float in [0, 1]; 1 if one kernel is the other one, moved.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = motion_kernel(8, 30)
    >>> round(kernel_similarity(kernel, np.pad(kernel, ((4, 0), (0, 4)))), 6)
    1.0
    """
    first, second = check_kernel(truth), check_kernel(estimate)
    correlation = signal.correlate(first, second, method="fft")
    return float(min(1.0, correlation.max() / (np.linalg.norm(first) * np.linalg.norm(second))))


def check_kernel(kernel: npt.NDArray[np.floating]) -> Kernel:
    """Return a kernel as float64 whose sum is 1, or raise an `InputError`."""
    array = np.asarray(kernel, np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] % 2 == 0:
        raise InputError(f"kernel: expected a square array with an odd number of pixels per side, got {array.shape}.")
    if not np.isfinite(array).all() or array.min() < 0 or array.sum() <= 0:
        raise InputError("kernel: expected values of 0 or more, not all 0; a kernel is a share of time at each place.")
    return np.asarray(array / array.sum())


def check_kernel_size(size: int) -> int:
    """Return the side of a kernel, or raise an `InputError` if it is not odd and 3 or more."""
    if not isinstance(size, int | np.integer) or size < MIN_KERNEL_PX or size % 2 == 0:
        raise InputError(f"kernel_size: expected an odd number of pixels, {MIN_KERNEL_PX} or more, got {size!r}.")
    return int(size)
