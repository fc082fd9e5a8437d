"""Tests of `ispfit.backbones.parts.gain_share`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ispfit.backbones.parts import gain_share
from ispfit.backbones.parts.camera_directions import Derendering, Rendering
from ispfit.backbones.parts.gain_share import choose_gain_shares
from ispfit.backbones.parts.shot_samples import ShotSamples, sample_shots
from ispfit.color import linear_to_srgb
from ispfit.images import Image

N_SHOTS = 8


def shots(log_gains: npt.NDArray[np.float64]) -> tuple[ShotSamples, ShotSamples]:
    """Return samples of shots whose srgb is their raw after a gain; the brightness of a scene tells its gain."""
    rng = np.random.default_rng(0)
    levels = np.exp(-2 * np.linspace(-0.5, 0.5, N_SHOTS)) * 0.2
    raws = [(rng.random((24, 24, 3)) ** 2 * level).astype(np.float32) for level in levels]
    srgbs = [linear_to_srgb(np.clip(raw * np.exp(gain), 0, 1)) for raw, gain in zip(raws, log_gains, strict=True)]
    return sample_shots([(Image(raw), Image(srgb)) for raw, srgb in zip(raws, srgbs, strict=True)], N_SHOTS, 400)[:2]


@torch.no_grad()
def shares(true: npt.NDArray[np.float64], claimed: npt.NDArray[np.float64]) -> list[float]:
    raws, srgbs = shots(true)
    return choose_gain_shares((Rendering(N_SHOTS), Derendering(N_SHOTS)), raws, srgbs, claimed, range(N_SHOTS), 20)


def test_true_gains_are_divided_out_and_false_ones_are_not() -> None:
    gains = np.linspace(-0.5, 0.5, N_SHOTS)
    assert min(shares(gains, gains)) > 0.7
    assert max(shares(np.zeros(N_SHOTS), np.random.default_rng(1).permutation(gains))) < 0.3


@pytest.mark.parametrize(("enough", "n_fits"), [(N_SHOTS + 1, 6), (N_SHOTS, 1)])
@torch.no_grad()
def test_of_few_scenes_the_map_does_not_see_those_that_it_is_tried_on(
    monkeypatch: pytest.MonkeyPatch, enough: int, n_fits: int
) -> None:
    fitted, fit_camera = [], gain_share.fit_camera

    def spy(raws: npt.NDArray[np.float64], *rest: object) -> object:
        fitted.append(len(raws))
        return fit_camera(raws, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(gain_share, "fit_camera", spy)
    monkeypatch.setattr(gain_share, "ENOUGH_SCENES", enough)
    monkeypatch.setattr(gain_share, "_SHARES", (1.0,))
    gains = np.zeros(N_SHOTS)
    assert shares(gains, gains) == [1.0, 1.0]
    assert len(fitted) == n_fits
    assert fitted[0] == N_SHOTS
    assert sum(N_SHOTS - count for count in fitted[1:]) == (N_SHOTS if n_fits > 1 else 0)
