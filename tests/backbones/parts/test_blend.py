"""Tests of `ispfit.backbones.parts.blend`: what several maps count in the mean of their colours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ispfit.backbones.parts.blend import blend_weights
from ispfit.backbones.parts.camera_directions import Derendering, Rendering
from ispfit.backbones.parts.direction import Direction
from ispfit.backbones.parts.exposure import GAIN_POWERS, fit_color_maps
from ispfit.backbones.parts.shot_samples import ShotSamples, sample_shots
from ispfit.color import linear_to_srgb
from ispfit.images import Image

N_SHOTS = 8

Gains = npt.NDArray[np.float64]


def products(errors: npt.ArrayLike, n_shots: int = 20) -> npt.NDArray[np.float64]:
    """Return the products of the errors (C, n) of maps, the same in each shot."""
    rows = np.asarray(errors, np.float64)
    return np.tile(rows @ rows.T / rows.shape[1], (n_shots, 1, 1))


def shots(log_gains: Gains) -> tuple[ShotSamples, ShotSamples]:
    """Return samples of shots whose srgb is their raw after a gain; the brightness of a scene tells its gain."""
    rng = np.random.default_rng(0)
    levels = np.exp(-2 * np.linspace(-0.5, 0.5, N_SHOTS)) * 0.2
    raws = [(rng.random((24, 24, 3)) ** 2 * level).astype(np.float32) for level in levels]
    srgbs = [linear_to_srgb(np.clip(raw * np.exp(gain), 0, 1)) for raw, gain in zip(raws, log_gains, strict=True)]
    return sample_shots([(Image(raw), Image(srgb)) for raw, srgb in zip(raws, srgbs, strict=True)], N_SHOTS, 400)[:2]


@torch.no_grad()
def fitted(direction: Direction, true: Gains, claimed: Gains) -> Direction:
    raws, srgbs = shots(true)
    direction.set_color_maps(fit_color_maps(raws.colors, srgbs.colors, claimed, 20))
    gains = direction.shot_gains(raws, srgbs, claimed)
    direction.fit(*direction.sides(raws, srgbs), gains, range(N_SHOTS), residual=False)
    return direction


def test_the_map_without_errors_counts_most() -> None:
    weights = blend_weights(products([[0.1, 0.1], [0.001, 0.001], [0.2, 0.2]]), range(20))
    assert weights.argmax() == 1
    assert weights[1] > 0.9
    assert weights.sum() == pytest.approx(1)


def test_errors_that_cancel_are_averaged() -> None:
    errors = np.array([[0.1, 0.1], [-0.1, -0.1], [0.3, 0.3]])
    weights = blend_weights(products(errors), range(20))
    assert np.abs(weights @ errors).max() < 0.01
    assert weights.min() > 0.1


def test_the_fewer_scenes_the_nearer_the_weights_are_to_equal() -> None:
    errors = products([[0.1, 0.0], [0.0, 0.2]], 6)
    many, few = blend_weights(errors, range(6)), blend_weights(errors, 3 * ["one", "other"])
    assert 0.5 < few[0] < many[0] - 0.02


def test_of_a_single_scene_the_first_map_is_taken() -> None:
    assert blend_weights(products([[0.2, 0.2], [0.1, 0.1]]), 20 * ["one"]).tolist() == [1, 0]


@torch.no_grad()
def test_the_gains_of_the_inverse_undo_those_that_were_divided_out() -> None:
    log_gains = np.linspace(-0.5, 0.5, N_SHOTS)
    raws, srgbs = shots(log_gains)
    direction = Derendering(N_SHOTS)
    direction.set_color_maps(fit_color_maps(raws.colors, srgbs.colors, log_gains, 40))
    found = direction.shot_gains(raws, srgbs, log_gains)
    np.testing.assert_allclose(found[:, 1], -log_gains, atol=0.1)


@torch.no_grad()
def test_each_map_looks_up_its_own_table() -> None:
    direction, random = Rendering(1), torch.Generator().manual_seed(0)
    for number, table in enumerate(direction.color_maps):
        table.fill_(number)
    found = direction.look_up_maps(torch.rand(2, 4, 5, 3, generator=random))
    assert found.shape == (2, 4, 5, 3)
    torch.testing.assert_close(found, torch.arange(4.0)[:, None, None].expand(2, 4, 5, 3))


@pytest.mark.parametrize("kind", [Rendering, Derendering])
def test_true_gains_are_divided_out_and_false_ones_are_not(kind: type[Rendering | Derendering]) -> None:
    gains, none = np.linspace(-0.5, 0.5, N_SHOTS), np.zeros(N_SHOTS)
    divided = np.array(GAIN_POWERS) == 1
    assert fitted(kind(N_SHOTS), gains, gains).weights[divided].sum() > 0.7
    assert fitted(kind(N_SHOTS), none, np.random.default_rng(1).permutation(gains)).weights[divided].sum() < 0.3
