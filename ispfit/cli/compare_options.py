"""Options of ``ispfit compare``, and of the benchmarks that compare backbones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ispfit.cli.options import (
    Decorator,
    combine,
    device_options,
    jobs_option,
    no_register_option,
    training_options,
)

__all__ = [
    "backbone_options",
    "budget_options",
    "comparison_options",
    "folds_option",
    "pair_set_options",
    "reference_option",
]


def backbone_options(default: str = "all") -> Decorator:
    """Return a decorator that adds the options that choose backbones, for `chosen_backbones`."""
    return combine(
        click.option(
            "--backbones",
            default=default,
            show_default=True,
            metavar="NAMES",
            help="Compare these backbones: names separated by commas, or all that are installed.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="BACKBONE.NAME=VALUE",
            help="Set a parameter of a backbone, or its learning_rate. VALUE is JSON (8, true, [16, 4]) or a word. "
            "Repeat for more parameters.",
        ),
    )


reference_option = click.option(
    "--reference",
    default="histpyramid",
    metavar="NAME",
    show_default="histpyramid, or the first backbone",
    help="Compare the other backbones with this one, shot by shot.",
)
"""Adds ``--reference``."""


def folds_option(default: int = 1) -> Decorator:
    """Return a decorator that adds ``--folds``, for `ispfit.comparison.PairSet.folds`."""
    return click.option(
        "--folds",
        "n_folds",
        type=click.IntRange(1),
        default=default,
        metavar="N",
        show_default=True,
        help="Test all pairs: deal their scenes to N folds, and test each fold on models fitted to the others. 1 keeps "
        "the split.",
    )


pair_set_options = combine(
    click.option(
        "-o",
        "--output",
        required=True,
        type=click.Path(path_type=Path),
        help="Write results, tables, checkpoints and the pairs of synthetic datasets to this folder.",
    ),
    click.option(
        "--shots",
        "n_samples",
        type=click.IntRange(5),
        default=60,
        metavar="N",
        show_default=True,
        help="Make N pairs of a synthetic dataset.",
    ),
    click.option(
        "--size",
        "image_size",
        type=click.IntRange(16),
        default=192,
        metavar="PIXELS",
        show_default=True,
        help="Set the side of the square images of a synthetic dataset.",
    ),
    no_register_option,
)
"""Adds the options of `ispfit.comparison.prepare_pair_sets`, ``--output`` among them."""


def budget_options(**training: Any) -> Decorator:
    """Return a decorator that adds the options of a `Budget`; `training` are defaults of training options."""
    return combine(
        training_options(**({"validation_fraction": 0.0} | training)),
        click.option(
            "--seconds",
            type=click.FloatRange(0, min_open=True),
            metavar="SECONDS",
            help="Train each direction for this wall time, in place of --max-steps. The time of a step is "
            "measured first, so the machine should be idle.",
        ),
    )


def comparison_options(**training: Any) -> Decorator:
    """Return a decorator that adds the options of `compare_cameras`; `training` are defaults of training options."""
    return combine(
        pair_set_options,
        budget_options(**training),
        click.option(
            "--seeds",
            "n_seeds",
            type=click.IntRange(1),
            default=1,
            metavar="N",
            show_default=True,
            help="Fit each backbone N times, with the seeds 0 to N - 1.",
        ),
        device_options,
        jobs_option("Number of simultaneous runs, which share the cores.", default=1),
    )
