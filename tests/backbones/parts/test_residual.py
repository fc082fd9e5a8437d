"""The residual: it learns what a model leaves, and is used only if that helps in scenes that were held out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ispfit.backbones.parts import residual
from ispfit.backbones.parts.residual import N_FOLDS, Residual, ResidualShots

_SHOTS, _PIXELS, _STATISTICS = 40, 128, 2


class _Identity:
    """A camera that changes nothing."""

    def finished(self, nodes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return nodes, torch.zeros_like(nodes)

    def output(self, encoded: Tensor) -> Tensor:
        return encoded

    def slope(self, encoded: Tensor) -> Tensor:
        return torch.ones_like(encoded)


def _shots(strength: float, lift: float = 0.0) -> ResidualShots:
    """Return shots whose middle tones follow a statistic and the neighbourhood; the model knows neither."""
    random = torch.Generator().manual_seed(0)
    inputs = torch.rand(_SHOTS, _PIXELS, 3, generator=random)
    statistics = torch.rand(_SHOTS, _STATISTICS, generator=random) * 2 - 1
    brightness = torch.rand(_SHOTS, _PIXELS, generator=random) * 2 - 1
    middle = 4 * inputs * (1 - inputs)
    changes = strength * statistics[:, :1, None] * middle + lift * brightness[..., None] * middle
    noise = 0.02 * torch.randn(inputs.shape, generator=random)
    return ResidualShots(
        inputs=inputs,
        targets=(inputs + changes + noise).clamp(0, 1),
        brightness=brightness,
        statistics=statistics,
        keys=torch.full((_SHOTS,), -1.7),
        parameters=torch.zeros(N_FOLDS, _SHOTS, 1),
        folds=torch.arange(_SHOTS) % N_FOLDS,
        gain_errors=torch.zeros(1),
        n_scenes=_SHOTS,
    )


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residual, "_STEPS", 120)


def _fitted(shots: ResidualShots, *, required: bool = False) -> Residual:
    network = Residual(_STATISTICS)
    network.fit(_Identity(), shots, required=required)
    return network


def test_it_learns_what_the_model_leaves() -> None:
    network = _fitted(_shots(0.2, 0.1))
    assert network.weight == 1
    assert network.gain_db > 6
    colors = torch.tensor([[0.5, 0.5, 0.5]])
    bright, dark = (  # truth: 0.16 and -0.16, lift 0.1; weight decay makes them less
        network(colors, colors, torch.tensor(-1.7), torch.tensor([statistic, 0.0])) for statistic in (0.8, -0.8)
    )
    torch.testing.assert_close(bright[0, :3], torch.full((3,), 0.12), atol=0.07, rtol=0)
    torch.testing.assert_close(dark[0, :3], torch.full((3,), -0.12), atol=0.07, rtol=0)
    torch.testing.assert_close(bright[0, 3:], torch.full((3,), 0.08), atol=0.06, rtol=0)
    assert network.verdict.startswith("the residual network is used with weight 1.00; it is worth +")


def test_it_is_not_used_if_nothing_is_left() -> None:
    network = _fitted(_shots(0.0))
    assert network.weight == 0
    assert network.gain_db < 0.1
    assert network.verdict.startswith("the residual network is not used; it would be worth")
    colors = torch.rand(7, 3)
    assert not network(colors, colors, torch.tensor(-1.7), torch.zeros(_STATISTICS)).any()


def test_with_few_scenes_it_must_gain_beyond_doubt() -> None:
    shots, doubtful = _shots(0.0), torch.tensor([[30.0, 30.1, 29.0, 28.0, 27.0], [30.0, 30.3, 29.0, 28.0, 27.0]] * 20)
    doubtful[::3, 1] -= 0.5  # 0.03 dB in the mean, with a standard error of 0.04
    for n_scenes, used in ((_SHOTS, True), (19, False)):
        network = Residual(_STATISTICS)
        few = replace(shots, n_scenes=n_scenes)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(network, "_held_out_psnr", lambda model, shots, shot: doubtful[shot])
            network._choose_weight(_Identity(), few, required=False)
        assert bool(network.weight > 0) is used


def test_it_is_used_if_that_is_asked_for() -> None:
    network = _fitted(_shots(0.0), required=True)
    assert network.weight > 0


def test_what_it_changes_in_a_held_out_shot_comes_closer_to_the_truth() -> None:
    shots = _shots(0.2, 0.1)
    network = _fitted(shots)
    missing = shots.targets - shots.inputs
    with torch.no_grad():
        changes = torch.stack([network.held_out_changes(_Identity(), shots, shot) for shot in range(_SHOTS)])
    assert (missing - changes).abs().median() < 0.6 * missing.abs().median()
    assert network.held_out_excess == pytest.approx(1.09)
    network.weight.zero_()
    assert network.held_out_excess == 1
    assert not network.held_out_changes(_Identity(), shots, 0).any()


def test_the_same_shots_give_the_same_residual_whatever_was_drawn_before() -> None:
    first = _fitted(_shots(0.2))
    torch.rand(1)
    second = Residual(_STATISTICS)
    state = torch.random.get_rng_state()
    second.fit(_Identity(), _shots(0.2), required=False)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
