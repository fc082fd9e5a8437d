"""The matrix that is estimated from a shot gives its raw the colours of its rendering."""

from __future__ import annotations

import numpy as np
import pytest

from ispfit.color import XYZ_TO_SRGB, linear_to_srgb
from ispfit.formats.camera_matrix import estimate_color_matrix
from ispfit.io.linear_dng import balanced_matrix

TO_SRGB = np.array([[1.7, -0.6, -0.1], [-0.5, 1.7, -0.2], [-0.2, -0.1, 1.3]])  # keeps the mean of R, G and B
RNG = np.random.default_rng(0)


def colors() -> np.ndarray:
    grey, tint = RNG.uniform(0.05, 0.6, (80, 90, 1)), RNG.uniform(-0.02, 0.02, (80, 90, 3))
    return (grey + tint).astype(np.float32)


@pytest.mark.parametrize("curve", [lambda light: light, lambda light: light * 1.4], ids=["as bright", "brighter"])
def test_a_known_matrix_is_found(curve: object) -> None:
    raw = colors()
    srgb = linear_to_srgb(np.clip(curve(raw @ TO_SRGB.T.astype(np.float32)), 0, 1))  # type: ignore[operator]
    matrix = estimate_color_matrix(raw, srgb)
    np.testing.assert_allclose(matrix, np.linalg.solve(TO_SRGB, XYZ_TO_SRGB), atol=1e-3)
    np.testing.assert_allclose(balanced_matrix(matrix), matrix, atol=1e-3)  # D65 is neutral


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_without_colours_it_is_that_of_srgb(level: float) -> None:
    raw = np.full((80, 90, 3), level, np.float32)
    np.testing.assert_allclose(estimate_color_matrix(raw, linear_to_srgb(raw)), XYZ_TO_SRGB, atol=1e-6)
