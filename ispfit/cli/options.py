"""Options that several commands share, each declared once: training, devices, the reading of pairs, output.

Defaults of `ispfit.ISPModel` are written here too, because ``ispfit --help`` must not import torch; a test holds them
equal.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeAlias

import click

__all__ = [
    "Decorator",
    "combine",
    "device_options",
    "jobs_option",
    "json_option",
    "known_settings",
    "no_register_option",
    "parse_settings",
    "reading_options",
    "size_options",
    "square_option",
    "training_options",
]

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]


def combine(*options: Decorator) -> Decorator:
    """Return one decorator that applies several; ``--help`` lists their options in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def fraction(value: Any) -> float | str:
    """Read a share in [0, 1), or "auto"."""
    if value == "auto":
        return "auto"
    share: float = click.FloatRange(0, 1, max_open=True).convert(value, None, None)
    return share


_TRAINING: dict[str, dict[str, Any]] = {
    "max_steps": {
        "type": click.IntRange(0),
        "metavar": "N",
        "default": 4000,
        "help": "Train each direction for at most N steps.",
    },
    "learning_rate": {
        "type": float,
        "metavar": "RATE",
        "default": 1e-3,
        "help": "Set the highest learning rate of Adam. The rate warms up linearly and decays as half a cosine.",
    },
    "batch_size": {
        "type": click.IntRange(1),
        "metavar": "N",
        "default": 4,
        "help": "Draw N images per step.",
    },
    "windows_per_image": {
        "type": click.IntRange(1),
        "metavar": "N",
        "default": 16,
        "help": "Cut N windows from each image of a step.",
    },
    "window_size": {
        "type": click.IntRange(1),
        "metavar": "PIXELS",
        "default": 32,
        "help": "Set the side of a training window in pixels.",
    },
    "validation_fraction": {
        "type": fraction,
        "metavar": "auto|FRACTION",
        "default": "auto",
        "help": "Hold out this share of the pairs, and stop early if they prove that the model gets worse. auto holds "
        "out a tenth if that is at least 20 scenes, and otherwise none. 0 trains on all pairs, to the last step.",
    },
}
"""The options of `training_options`, by the name of the `ispfit.ISPModel` parameter that each sets."""


def training_options(**defaults: Any) -> Decorator:
    """Return a decorator that adds the training options of `ispfit.ISPModel`.

    Parameters
    ----------
    **defaults : other defaults than those of `ispfit.ISPModel`, by the name of the parameter.

    Examples
    --------
    >>> @click.command()
    ... @training_options(max_steps=1000)
    ... def command(**parameters):
    ...     click.echo(f"{parameters['max_steps']} steps at {parameters['learning_rate']}")
    >>> command.main(["--learning-rate", "0.01"], standalone_mode=False)
    1000 steps at 0.01
    """
    settings = {name: dict(option) for name, option in _TRAINING.items()}
    for name, default in defaults.items():
        settings[name]["default"] = default
    return combine(
        *(click.option(f"--{name.replace('_', '-')}", show_default=True, **each) for name, each in settings.items())
    )


def jobs_option(help_text: str, default: int | None = None) -> Decorator:
    """Return a decorator that adds ``--jobs``, a number of processes; by default one per core."""
    shown = "one per core" if default is None else True
    return click.option(
        "--jobs", type=click.IntRange(1), metavar="N", default=default, show_default=shown, help=help_text
    )


def json_option(help_text: str) -> Decorator:
    """Return a decorator that adds ``--json``, the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


device_options = combine(
    click.option(
        "--device",
        default="auto",
        show_default=True,
        help="Compute on this device: auto (a GPU if there is one), cpu, cuda, cuda:1, ...",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        default="auto",
        show_default=True,
        help="Set the precision of the convolutions. auto is mixed precision on a GPU and fp32 on a CPU.",
    ),
)
"""Adds ``--device`` and ``--precision``."""

no_register_option = click.option(
    "--no-register",
    is_flag=True,
    help="Assume that RAW and JPEG show the same field of view; do not register them.",
)
"""Adds ``--no-register``."""


def square_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--square``: the parameter `size` is then (N, N), which the readers of files take for a centred crop."""

    @wraps(command)
    def with_size(*, size: int | None, square: bool, **parameters: Any) -> Any:
        if square and size is None:
            raise click.UsageError("--square: needs --size N, the side of the square.")
        return command(size=(size, size) if square else size, **parameters)

    return click.option(
        "--square",
        is_flag=True,
        help="Reduce to --size N on the shorter side instead, and crop the longer one around the centre: N x N pixels, "
        "as Nam & Kim (2017) did.",
    )(with_size)


size_options = combine(
    click.option(
        "--size",
        type=click.IntRange(16),
        default=512,
        show_default=True,
        metavar="N",
        help="Reduce each pair that is made from a RAW file, by area averaging, to N pixels on its longer side. A "
        "smaller one keeps its size.",
    ),
    square_option,
    click.option("--full-size", is_flag=True, help="Keep the full size of pairs of RAW files; ignore --size."),
    no_register_option,
)
"""Adds ``--size``, ``--square``, ``--full-size`` and ``--no-register``: how RAW files become pairs."""

reading_options = combine(
    click.option("--split", metavar="NAME", help="Use only the pairs of this split of a pairs.csv, such as train."),
    size_options,
    click.option(
        "--crop",
        nargs=4,
        type=float,
        metavar="LEFT TOP RIGHT BOTTOM",
        help="Use only this part of each image. The edges are fractions of its width and height, from 0 to 1.",
    ),
    jobs_option("Read files in N processes."),
)
"""Adds ``--split``, the `size_options`, ``--crop`` and ``--jobs``: which pairs to read."""


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Return ``NAME=VALUE`` strings as a dict.

    A value is read as Python, as `ispfit backbones` prints it, or as JSON; anything else is a string.

    Examples
    --------
    >>> parse_settings(("hidden=8", "grids=(16, 4)", "initialisation=he", "skip=False", "residual=true"))
    {'hidden': 8, 'grids': (16, 4), 'initialisation': 'he', 'skip': False, 'residual': True}
    """
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise click.UsageError(f"--set: expected NAME=VALUE, got {setting!r}.")
        parsed[name] = _parse_value(value)
    return parsed


def _parse_value(text: str) -> Any:
    for read in (ast.literal_eval, json.loads):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return read(text)
    return text


def known_settings(settings: dict[str, Any], parameters: dict[str, Any], backbone: str) -> dict[str, Any]:
    """Return `settings` unchanged; raise a usage error if one is not among the backbone's `parameters`."""
    for name in settings:
        if name not in parameters:
            raise click.UsageError(
                f"--set: backbone {backbone} has no parameter {name!r}; it has {', '.join(parameters)}."
            )
    return settings
