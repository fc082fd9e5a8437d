"""Every benchmark that is a command: its function takes the options and arguments that the command reads."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

import click
import pytest

SCRIPTS = sorted(
    script
    for script in (Path(__file__).parents[2] / "benchmarks").glob("*/*.py")
    if "@click.command" in script.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_function_takes_what_the_command_reads(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(script.parent))
    found = runpy.run_path(str(script))
    commands = [value for value in found.values() if isinstance(value, click.Command)]
    assert commands
    for command in commands:
        assert command.callback is not None
        inspect.signature(command.callback).bind(**{str(parameter.name): None for parameter in command.params})
