"""scikit-learn's checks of estimators, adapted to lists of images, with every backbone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from small import small

from ispfit import Backbone, ISPModel, list_backbones
from ispfit.images import Image
from ispfit.testing import check_estimator, estimator_checks
from ispfit.training import TrainingPlan

pytestmark = pytest.mark.usefixtures("brief_photofinish")


def tiny(backbone: str | Backbone) -> ISPModel:
    return ISPModel(
        backbone, max_steps=2, batch_size=2, windows_per_image=2, window_size=8, device="cpu", random_state=0
    )


def cases() -> Iterator[Any]:
    """Yield each backbone with each check; those that fit the slowest one many times are slow."""
    for backbone, check in itertools.product(list_backbones(), estimator_checks()):
        name = check.__name__.removeprefix("check_")
        slow = backbone == "photofinish" and name in ("containers", "fit_is_repeatable")
        yield pytest.param(backbone, check, id=f"{backbone}-{name}", marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("backbone", "check"), list(cases()))
def test_every_backbone_makes_a_good_estimator(backbone: str, check: Callable[[Any], None]) -> None:
    check(tiny(small(backbone)))


class Forgetful(ISPModel):
    """Returns images without their shots."""

    def transform(self, X: Any) -> list[Image]:
        return [Image(image.view(type(image)).__array__(), None) for image in super().transform(X)]


class Converting(ISPModel):
    def __init__(self, backbone: str = "mlp", *, max_steps: int = 2, random_state: Any = 0) -> None:
        super().__init__(backbone, max_steps=int(max_steps), random_state=random_state)


class Unrepeatable(ISPModel):
    seeds = itertools.count()

    def _plan(self) -> TrainingPlan:
        return replace(super()._plan(), seed=next(self.seeds))


def test_the_checks_run_in_one_call() -> None:
    check_estimator(tiny("mlp"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Converting, r"int\(\) argument must be"),
        (Forgetful, "a result must carry the shot of its image"),
        (Unrepeatable, "two fits with one seed differ"),
    ],
)
def test_a_wrong_estimator_is_found(wrong: type[ISPModel], message: str) -> None:
    with pytest.raises((AssertionError, TypeError), match=message):
        check_estimator(wrong("mlp", max_steps=1, random_state=0))
