"""Evidence from validation scenes: what is enough to stop, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from runs import PLAN

from ispfit.training.stopping import MIN_SCENES, Verdict, judge


def course(means: Any, n_scenes: int = 20, noise: float = 0.0, seed: int = 0) -> Any:
    """Return the PSNR of evaluations with these means over scenes that differ by several dB."""
    rng = np.random.default_rng(seed)
    scenes = rng.normal(28, 4, n_scenes)
    return np.asarray(means, float)[:, None] + scenes + noise * rng.normal(size=(len(means), n_scenes))


def test_too_few_scenes_or_evaluations_say_nothing() -> None:
    falling = -np.arange(20.0)
    assert judge(course(falling, MIN_SCENES - 1)) is None
    assert judge(course(falling[:4])) is None
    assert judge(course(falling, MIN_SCENES)) == Verdict(4, True)


def test_an_evaluation_is_judged_with_the_four_before_it() -> None:
    """A single high evaluation is luck: the best five in a row are those that end at number 9."""
    assert judge(course([0, 3, 0, 0, 0, 2, 2, 2, 2, 2, 1, 1])) == Verdict(9, True)


def test_a_small_loss_is_not_worth_stopping_for() -> None:
    assert judge(course([1] * 5 + [0.96] * 5)) == Verdict(4, False)
    assert judge(course([1] * 5 + [0.94] * 5)) == Verdict(4, True)


def test_the_scenes_must_agree() -> None:
    """The mean falls by 0.5 dB in both, but in the second by 10 dB of one scene of 20."""
    level = course([0.0] * 10)
    all_fall, one_falls = level.copy(), level.copy()
    all_fall[5:] -= 0.5
    one_falls[5:, 0] -= 10
    assert judge(all_fall) == Verdict(4, True)
    assert judge(one_falls) == Verdict(4, False)


def ever_worse(means: Any, noise: float, seed: int) -> bool:
    psnrs = course(means, noise=noise, seed=seed)
    verdicts = [judge(psnrs[:end]) for end in range(5, len(psnrs) + 1)]
    return any(verdict.is_worse for verdict in verdicts if verdict)


@pytest.mark.parametrize(("means", "least", "most"), [(np.zeros(40), 0, 0.05), (-0.1 * np.arange(40), 1, 1)])
def test_noise_is_no_evidence_and_a_fall_is(means: Any, least: float, most: float) -> None:
    """Over 100 runs of 20 scenes whose PSNR varies by 0.5 dB from one evaluation to the next."""
    share = np.mean([ever_worse(means, 0.5, seed) for seed in range(100)])
    assert least <= share <= most


def test_the_rate_has_fallen_in_the_last_third() -> None:
    plan = replace(PLAN, max_steps=1000, learning_rate=1.0)
    steps = [step for step in range(1000) if plan.rate_has_fallen(step)]
    assert steps == list(range(steps[0], 1000))
    assert plan.rate(steps[0]) == pytest.approx(0.25, abs=0.003)
    assert 660 < steps[0] < 690
