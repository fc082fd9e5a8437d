"""The delta method: variances of colours and of exposures from those of a shot's parameters."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from torch import Tensor

from ispfit.backbones.parts.color_table import look_up
from ispfit.backbones.parts.finishing import N_COEFFICIENTS, basis
from ispfit.backbones.parts.uncertainty import LeftOutShots, Uncertainty, variance_at

N_PARAMETERS = 1 + N_COEFFICIENTS


class Gain:
    """A camera that multiplies by its gain and squares: half the output, encoded, is the root of a quarter."""

    weights, prefilters = torch.ones(1), False

    def coordinates(self, pixels: Tensor) -> Tensor:
        return pixels

    def base(self, nodes: Tensor, log_gains: Tensor) -> Tensor:
        return nodes * log_gains.exp()[:, None, None]

    def output(self, encoded: Tensor) -> Tensor:
        return encoded**2

    def slope(self, encoded: Tensor) -> Tensor:
        return 2 * encoded

    def linear(self, output: Tensor) -> Tensor:
        return output


class Curved(Gain):
    """A camera whose map of colours is curved."""

    def base(self, nodes: Tensor, log_gains: Tensor) -> Tensor:
        return nodes**2 * log_gains.exp()[:, None, None]


def shots(
    n_shots: int = 60, noise: float = 0.0, gain_error: float = 0.2, distances: Tensor | None = None
) -> LeftOutShots:
    """Return shots of `Gain` whose log gains are predicted to be 0, wrongly by `gain_error` times the distance."""
    torch.manual_seed(0)
    distances = torch.ones(n_shots) if distances is None else distances
    parameters = torch.zeros(n_shots, N_PARAMETERS)
    normal = 2**0.5 * torch.erfinv((2 * torch.arange(n_shots) + 1) / n_shots - 1)  # its quantiles
    parameters[:, 0] = gain_error * distances * normal
    inputs = 0.2 + 0.3 * torch.rand(n_shots, 300, 3)
    encoded = inputs * parameters[:, 0].exp()[:, None, None] + noise * torch.randn(n_shots, 300, 3)
    return LeftOutShots(
        inputs=inputs,
        targets=encoded**2,
        brightness=torch.zeros(n_shots, 300),
        thumbnails=inputs.transpose(1, 2)[:, :, :256].reshape(n_shots, 3, 16, 16).repeat(1, 1, 8, 8),
        brightness_maps=torch.zeros(n_shots, 1, 16, 16),
        parameters=parameters,
        left_out=torch.zeros(n_shots, N_PARAMETERS),
        changes=torch.zeros(n_shots, 300, 3),
        excess=1.0,
        distances=distances,
        n_scenes=n_shots,
        table_nodes=33,
    )


def with_gain_std(std: float) -> Uncertainty:
    uncertainty = Uncertainty(N_PARAMETERS)
    uncertainty.covariance[0, 0] = std**2
    return uncertainty


def test_a_variance_is_a_polynomial_of_the_brightness() -> None:
    variances = torch.arange(9.0)[None]
    np.testing.assert_allclose(
        variance_at(variances, torch.tensor([[2.0]]), 1), [[0 + 6 + 24, 1 + 8 + 28, 2 + 10 + 32]]
    )
    assert float(variance_at(-torch.ones(1, 9), torch.tensor([[1.0]]), 1).amax()) == 0


def test_an_error_of_the_gain_is_an_error_in_proportion_to_the_colour() -> None:
    uncertainty, ones = with_gain_std(0.1), torch.ones(())
    table = uncertainty.table(Gain(), torch.zeros(N_PARAMETERS), 2 * ones)
    colors = torch.tensor([[0.25, 0.5, 1.0]])
    found = look_up(table[None], colors.T[None, :, None])[:, :, 0, 0]
    std = variance_at(found, torch.zeros(1, 1), 1).sqrt()
    np.testing.assert_allclose(std, 2 * 0.1 * colors, rtol=0.01)


def test_an_error_of_the_gain_is_an_error_of_the_exposure_in_ev() -> None:
    parameters = torch.zeros(N_PARAMETERS)
    found = with_gain_std(0.1).exposure_std(
        Gain(), torch.full((3, 128, 128), 0.3), torch.zeros(1, 16, 16), parameters, torch.ones(())
    )
    assert float(found) == pytest.approx(2 * 0.1 / log(2), rel=0.01)  # the output is the square


def test_what_saturates_is_sure() -> None:
    parameters = torch.zeros(N_PARAMETERS)
    parameters[0] = 1.0
    arguments = (torch.zeros(1, 16, 16), parameters, torch.ones(()))
    white = with_gain_std(0.1).exposure_std(Gain(), torch.full((3, 128, 128), 0.8), *arguments)
    assert float(white) == 0


def test_the_covariance_is_that_of_the_left_out_errors() -> None:
    uncertainty, known = Uncertainty(N_PARAMETERS), shots()
    uncertainty.fit(Gain(), known)
    assert float(uncertainty.covariance[0, 0]) == pytest.approx(float(known.parameters[:, 0].square().mean()), rel=1e-4)
    assert uncertainty.covariance[1:].count_nonzero() == 0
    assert float(uncertainty.power) == 0


def test_errors_that_grow_with_distance_are_found_and_are_not_extrapolated() -> None:
    distances = torch.linspace(0.3, 3, 60)[torch.randperm(60, generator=torch.Generator().manual_seed(1))]
    uncertainty = Uncertainty(N_PARAMETERS)
    uncertainty.fit(Gain(), shots(gain_error=0.05, distances=distances))
    assert 0.5 < float(uncertainty.power) < 1.5
    near, far, further, furthest = uncertainty.spread(torch.tensor([0.5, 1.0, 6.0, 60.0])).tolist()
    assert far / near == pytest.approx(2 ** float(uncertainty.power))
    assert further == furthest > far
    seen, nearer, nearest = uncertainty.spread(torch.tensor([0.0, 0.1, 0.3])).tolist()
    assert seen == nearer == pytest.approx(nearest)
    assert nearest < near


def test_the_misfit_is_the_variance_of_what_the_parameters_leave() -> None:
    uncertainty = Uncertainty(N_PARAMETERS)
    uncertainty.fit(Gain(), shots(noise=0.01))
    inside = uncertainty.misfit[0, :, 1, 1, 1]  # at (0.25, 0.25, 0.25)
    np.testing.assert_allclose(inside.sqrt(), 0.01, rtol=0.1)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_intervals_cover_new_shots_as_they_should(noise: float) -> None:
    uncertainty, everything = Uncertainty(N_PARAMETERS), shots(300, noise, gain_error=0.05)
    fit, new = (
        replace(everything, **{name: value[part] for name, value in vars(everything).items() if torch.is_tensor(value)})
        for part in (slice(0, None, 2), slice(1, None, 2))
    )
    uncertainty.fit(Gain(), replace(fit, n_scenes=150))
    table = uncertainty.table(Gain(), torch.zeros(N_PARAMETERS), torch.ones(()))
    encoded = new.inputs.movedim(2, 1)[:, :, None]
    variances = look_up(table.expand(len(encoded), -1, -1, -1, -1), encoded)
    std = 2 * encoded * variance_at(variances, torch.zeros(len(encoded), 1, 1, 1), 1).sqrt()
    relative = ((encoded**2 - new.targets.movedim(2, 1)[:, :, None]) / std).abs()
    assert float((relative < 1).float().mean()) == pytest.approx(0.68, abs=0.06)
    assert float((relative < 1.96).float().mean()) == pytest.approx(0.95, abs=0.03)
    rows = zip(new.thumbnails, new.brightness_maps, new.left_out, torch.ones(150), strict=True)
    exposure = torch.stack([uncertainty.exposure_std(Gain(), *row) for row in rows])
    ratio = (new.inputs**2).mean((1, 2)) / new.targets.mean((1, 2))
    covered = [float((ratio.log2().abs() < width * exposure).float().mean()) for width in (1, 1.96)]
    assert covered == pytest.approx([0.68, 0.95], abs=0.08)


def test_a_factor_scales_all_variances() -> None:
    uncertainty, ones = Uncertainty(N_PARAMETERS), torch.ones(())
    uncertainty.fit(Gain(), shots(noise=0.02))
    whole = uncertainty.table(Gain(), torch.zeros(N_PARAMETERS), ones)
    uncertainty.scale.mul_(3)
    np.testing.assert_allclose(uncertainty.table(Gain(), torch.zeros(N_PARAMETERS), ones), 9 * whole, rtol=1e-5)


def test_a_network_that_corrects_half_of_the_error_halves_the_factors() -> None:
    uncorrected, corrected = Uncertainty(N_PARAMETERS), Uncertainty(N_PARAMETERS)
    known = shots(gain_error=0.02)
    uncorrected.fit(Gain(), known)
    missing = known.inputs * (known.parameters[:, 0].exp()[:, None, None] - 1)
    corrected.fit(Gain(), replace(known, changes=missing / 2))
    assert float(corrected.scale / uncorrected.scale) == pytest.approx(0.5, abs=0.02)
    assert float(corrected.exposure_scale / uncorrected.exposure_scale) == pytest.approx(0.5, abs=0.02)


def test_interpolation_in_a_coarse_table_makes_exposures_less_sure() -> None:
    fine, coarse = Uncertainty(N_PARAMETERS), Uncertainty(N_PARAMETERS)
    known = shots(8, gain_error=0.0)
    fine.fit(Curved(), replace(known, table_nodes=65))
    coarse.fit(Curved(), replace(known, table_nodes=5))
    assert float(coarse.exposure_floor) > 100 * float(fine.exposure_floor)


def test_one_scene_is_not_certain() -> None:
    uncertainty = Uncertainty(N_PARAMETERS)
    uncertainty.fit(Gain(), replace(shots(2), n_scenes=1, distances=torch.full((2,), torch.inf)))
    assert float(uncertainty.covariance[0, 0].sqrt()) == pytest.approx(0.35)
    assert float(uncertainty.spread(torch.tensor([0.1]))) == 1


def test_all_parameters_together_spread_colours_as_draws_of_them_do() -> None:
    torch.manual_seed(0)
    factor = 0.02 * torch.randn(N_PARAMETERS, N_PARAMETERS)
    uncertainty = Uncertainty(N_PARAMETERS)
    uncertainty.covariance.copy_(factor @ factor.T)
    parameters = 0.05 * torch.randn(N_PARAMETERS)
    node, brightness = torch.tensor([[0.25, 0.5, 0.625]]), 0.7
    table = uncertainty.table(Gain(), parameters, torch.ones(()))
    found = variance_at(table[:, 10, 8, 4][None], torch.tensor([[brightness]]), 1).sqrt()[0]
    draws = parameters + torch.randn(20000, N_PARAMETERS) @ factor.T
    colors = node * draws[:, :1].exp()
    everywhere, locally = basis(colors)
    terms = torch.cat([everywhere, brightness * locally], -1)
    changed = colors + torch.einsum("nck,nk->nc", terms, draws[:, 1:])
    np.testing.assert_allclose(found, changed.std(0), rtol=0.05)


def test_the_excess_of_left_out_errors_is_divided_out() -> None:
    equal, worse = Uncertainty(N_PARAMETERS), Uncertainty(N_PARAMETERS)
    equal.fit(Gain(), shots())
    worse.fit(Gain(), replace(shots(), excess=1.25))
    for name in ("scale", "exposure_scale"):
        assert float(getattr(equal, name) / getattr(worse, name)) == pytest.approx(1.25)
