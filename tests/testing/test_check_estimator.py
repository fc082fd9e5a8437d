"""scikit-learn's own checks, as they are for lists of images, with every backbone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from small import small

from ispfit import Backbone, ISPModel, list_backbones
from ispfit.images import Image
from ispfit.testing import check_estimator, estimator_checks


def tiny(backbone: str | Backbone) -> ISPModel:
    return ISPModel(
        backbone, max_steps=2, batch_size=2, windows_per_image=2, window_size=8, device="cpu", random_state=0
    )


@pytest.mark.parametrize("check", estimator_checks(), ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("backbone", list_backbones())
def test_every_backbone_makes_a_good_estimator(backbone: str, check: Callable[[Any], None]) -> None:
    check(tiny(small(backbone)))


class Forgetful(ISPModel):
    """Loses the shots."""

    def transform(self, X: Any) -> list[Image]:
        return [Image(image.view(type(image)).__array__(), None) for image in super().transform(X)]


class Converting(ISPModel):
    def __init__(self, backbone: str = "mlp", *, max_steps: int = 2, random_state: Any = 0) -> None:
        super().__init__(backbone, max_steps=int(max_steps), random_state=random_state)


class Unrepeatable(ISPModel):
    def _seed(self) -> int:
        type(self).calls = getattr(self, "calls", 0) + 1
        return self.calls  # type: ignore[attr-defined, no-any-return]


def test_the_checks_run_in_one_call() -> None:
    check_estimator(tiny("mlp"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Converting(), "TypeError|__init__ must store its parameters and nothing else"),
        (Unrepeatable("mlp", max_steps=1, windows_per_image=1, random_state=0), "two fits with one seed differ"),
    ],
)
def test_a_wrong_estimator_is_found(wrong: Any, message: str) -> None:
    with pytest.raises((AssertionError, TypeError), match=message if isinstance(wrong, Unrepeatable) else None):
        check_estimator(wrong)
