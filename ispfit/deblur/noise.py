"""How noisy an image is."""

from __future__ import annotations

import numpy as np

from ispfit.images import FloatImage

__all__ = ["noise_of"]

_GAUSSIAN = 0.6745  # median of the absolute values of a normal distribution
_GAIN = 6.0  # of the differences below for white noise: the root of their squared weights' sum


def noise_of(image: FloatImage) -> float:
    """Return the standard deviation of white noise, robustly, as the median of the channels.

    It is measured by second differences along both axes (Immerkær, "Fast Noise Variance Estimation", CVIU 64(2), 1996),
    which edges hardly change, and by their median, which they change even less.

    Parameters
    ----------
    image : float32 H x W x 3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> round(noise_of(0.5 + 0.1 * rng.standard_normal((64, 64, 3))), 2)
    0.1
    """
    mixed = image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]
    detail = np.abs(mixed[:-2] - 2 * mixed[1:-1] + mixed[2:])
    return float(np.median(np.median(detail, (0, 1)))) / _GAUSSIAN / _GAIN if detail.size else 0.0
