"""Monotone curves: evaluation, inversion, isotonic fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ispfit.backbones.parts.monotone_curves import MonotoneCurves, fit_monotone

COLORS = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 70), st.integers(0, 99))
def test_curves_rise_and_are_inverted(count: int, seed: int) -> None:
    curves = MonotoneCurves(count)
    curves.set(np.random.default_rng(seed).random((count, 3)))  # they do not all rise
    assert (curves.nodes.diff(dim=1) > 0).all()
    torch.testing.assert_close(curves.inverted(curves(COLORS)), COLORS, atol=0.02, rtol=0)


def test_a_new_curve_is_the_identity() -> None:
    torch.testing.assert_close(MonotoneCurves(5)(COLORS), COLORS)


def test_the_fit_finds_a_curve_through_noise_and_goes_on_outside() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 0.8, 20_000)
    nodes = fit_monotone(x, x**0.5 + rng.normal(0, 0.05, len(x)), 33)
    places = np.linspace(0, 1, 33)
    known = (places > 0.15) & (places < 0.75)
    np.testing.assert_allclose(nodes[known], places[known] ** 0.5, atol=0.02)
    assert nodes[0] < 0.3
    assert 0.88 < nodes[-1] < 1.1


def test_points_of_one_level_make_a_flat_curve() -> None:
    np.testing.assert_allclose(fit_monotone(np.linspace(0, 1, 50), np.full(50, 0.3), 9), 0.3)


def test_a_single_colour_between_two_nodes_counts_once() -> None:
    x, y = np.array([0.1, 0.3, 0.5, 0.937]), np.array([0.0, 0.2, 0.5, 1.7])
    curve = fit_monotone(x, y, 16)
    assert np.isfinite(curve).all()
    assert (np.diff(curve) >= 0).all()
    assert np.interp(0.937, np.linspace(0, 1, 16), curve) == pytest.approx(1.7, abs=0.1)
