"""A plugin's backbone that cannot be built, or breaks the contract, costs itself and is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from toys import Line, LineNetwork, toy_pairs

from ispfit import ISPModel
from ispfit.cli import main
from ispfit.errors import BackboneError, TrainingError

BROKEN = """
    import ispfit

    class Needy(ispfit.Backbone):
        name = "needy"
        def __init__(self, width):
            self.width = width

    class Failing(ispfit.Backbone):
        "Fails."
        name = "failing"
        def build(self):
            return 1 / 0

    @ispfit.hookimpl
    def ispfit_backbones():
        return [Needy, Failing]
"""


def test_broken_backbones_are_reported_and_the_others_listed(install: Any, capsys: pytest.CaptureFixture[str]) -> None:
    install("ispfit-broken", BROKEN)
    with pytest.raises(SystemExit) as stop:
        main(["backbones"])
    out, errors = capsys.readouterr()
    assert stop.value.code == 1
    assert "mlp  (ispfit " in out
    assert "needy" not in out
    assert "2 of 10 failed:\n  needy of ispfit-broken 1.0: cannot be built: TypeError: " in errors
    assert "missing 1 required positional argument: 'width'" in errors
    assert "  failing of ispfit-broken 1.0: cannot be built: ZeroDivisionError: division by zero (" in errors


def test_broken_backbones_are_in_the_json(install: Any, capsys: pytest.CaptureFixture[str]) -> None:
    install("ispfit-broken", BROKEN)
    with pytest.raises(SystemExit):
        main(["backbones", "--json"])
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert found["failing"].keys() == {"name", "origin", "error"}
    assert found["mlp"]["weights"] > 0


class Nameless(LineNetwork):
    """Returns a tensor where a scene is expected."""

    def describe(self, image: Any) -> Any:
        return image.mean((2, 3))


class NoNumber(LineNetwork):
    def render(self, *arguments: Any) -> Any:
        return super().render(*arguments) * torch.nan


def fit(network: type[LineNetwork]) -> ISPModel:
    class Toy(Line):
        def build(self) -> Any:
            return network(1.0)

    return ISPModel(Toy(), max_steps=3, window_size=8, random_state=0).fit(*toy_pairs(4, 16))


def test_a_scene_of_another_type_is_named() -> None:
    with pytest.raises(BackboneError, match=r"^Nameless\.describe returned Tensor, expected an ispfit\.Scene of named"):
        fit(Nameless)


def test_a_network_that_renders_nan_is_blamed_and_not_the_learning_rate() -> None:
    message = r"^the loss is nan at the first step, before any weight was trained: the network renders NaN or inf"
    with pytest.raises(TrainingError, match=message):
        fit(NoNumber)
