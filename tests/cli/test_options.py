"""Options that commands share."""

from __future__ import annotations

from importlib import import_module

import click
import pytest

from ispfit import ISPModel
from ispfit.cli import _COMMANDS
from ispfit.cli.compare import compare
from ispfit.cli.fit import fit
from ispfit.cli.options import _TRAINING, training_options


@pytest.mark.parametrize("name", _TRAINING)
def test_the_training_options_have_the_defaults_of_the_estimator(name: str) -> None:
    assert _TRAINING[name]["default"] == ISPModel().get_params(deep=False)[name]


@pytest.mark.parametrize("command", [fit, compare])
def test_fit_and_compare_have_all_training_options(command: click.Command) -> None:
    assert set(_TRAINING) <= {parameter.name for parameter in command.params}


def test_fit_begins_with_the_defaults_of_the_estimator() -> None:
    defaults = {parameter.name: parameter.default for parameter in fit.params}
    parameters = ISPModel().get_params(deep=False)
    shared = defaults.keys() & parameters.keys()
    assert shared >= {*_TRAINING, "backbone", "direction", "device", "precision"}
    assert {name: defaults[name] for name in shared} == {name: parameters[name] for name in shared}


def test_a_default_of_another_name_is_refused() -> None:
    with pytest.raises(KeyError, match="max_step"):
        training_options(max_step=3)


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_option_has_a_help_text_that_is_a_sentence(name: str) -> None:
    command = getattr(import_module(f"ispfit.cli.{_COMMANDS[name]}"), name)
    texts = {option.name: option.help for option in command.params if isinstance(option, click.Option)}
    assert [name for name, text in texts.items() if not (text and text[0].isupper() and text.endswith("."))] == []
