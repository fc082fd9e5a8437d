"""The command line: ``ispfit COMMAND``."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any

import click

from ispfit.cli.common import STOPPED, UNUSABLE
from ispfit.cli.terminal import standard_streams

__all__ = ["main", "run"]

_COMMANDS = {
    "backbones": "backbones",
    "cache": "cache",
    "compare": "compare",
    "dataset": "dataset",
    "deblur": "deblur",
    "demo": "demo",
    "derender": "render",
    "exchange": "exchange",
    "export": "export",
    "fit": "fit",
    "info": "info",
    "lut": "lut",
    "pairs": "pairs",
    "render": "render",
    "report": "report",
    "score": "score",
}


class _Commands(click.Group):
    """Commands are imported when they are called: ``ispfit --help`` does not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"ispfit.cli.{_COMMANDS[cmd_name]}"), cmd_name)
        if _DEBUG not in command.params:
            command.params.append(_DEBUG)
        return command


def _set_debug(context: click.Context, parameter: click.Parameter, debug: bool) -> None:
    if debug:
        os.environ["ISPFIT_DEBUG"] = "1"  # which the workers see too


_DEBUG = click.Option(
    ["--debug"],
    is_flag=True,
    expose_value=False,
    callback=_set_debug,
    help="Stop at the first error, even of a single file, and show its traceback.",
)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ispfit")
def _cli() -> None:
    """Learn what a camera did to a picture, and undo it.

    Exit codes: 0 if all is done; 1 if some files failed and the others are done; 2 for wrong usage or unusable input;
    130 if stopped by Ctrl-C, SIGTERM or SIGHUP.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    run(_cli, arguments)


def run(command: click.Command, arguments: list[str] | None = None) -> None:
    """Run a command and exit with its exit code; `ispfit --help` lists the codes."""
    with standard_streams():
        _run(command, arguments)


def _run(command: click.Command, arguments: list[str] | None) -> None:
    from ispfit.errors import IspfitError, debugging

    before, debug = _handle_end_signals(), os.environ.get("ISPFIT_DEBUG", "")
    os.environ.setdefault("MPLBACKEND", "agg")  # commands write pictures and open no windows
    try:
        code = command.main(arguments, standalone_mode=False) or 0
        sys.stdout.flush()
        sys.exit(code)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except IspfitError as error:
        if debugging():
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(UNUSABLE)
    except OSError as error:  # of a path below a folder that cannot be entered, for example
        if debugging():
            raise
        click.echo(f"Error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}.", err=True)
        sys.exit(UNUSABLE)
    except (KeyboardInterrupt, click.Abort):
        click.echo(
            "\nStopped. Repeat the command to resume fit, compare, pairs, dataset fetch, render or derender.",
            err=True,
        )
        sys.exit(STOPPED)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.environ["ISPFIT_DEBUG"] = debug


def _handle_end_signals() -> dict[int, Any]:
    """Treat SIGTERM and SIGHUP as Ctrl-C, unless they are ignored, as by nohup; return the handlers before."""
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # there is no SIGHUP on Windows
    numbers = [number for name in names if signal.getsignal(number := getattr(signal, name)) != signal.SIG_IGN]
    return {number: signal.signal(number, _stop) for number in numbers}


def _stop(number: int, frame: Any) -> None:
    raise KeyboardInterrupt
