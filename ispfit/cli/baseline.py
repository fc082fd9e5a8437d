"""The baseline that `ispfit fit` and `ispfit score` set beside a model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from ispfit.cli.common import psnr_table

if TYPE_CHECKING:
    from ispfit import ISPModel
    from ispfit.comparison.baseline import Baseline, Pairs

__all__ = ["baseline_for_command", "comparison_table"]


def baseline_for_command(model: ISPModel, pairs: Pairs, training: Pairs | None) -> Baseline | None:
    """Return `ispfit.comparison.baseline.baseline_of`, or None with a note if the baseline cannot be fitted."""
    from ispfit.comparison.baseline import BASELINE, baseline_of
    from ispfit.errors import IspfitError, MixedCamerasWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MixedCamerasWarning)  # of which the command has told
            return baseline_of(model, pairs, training)
    except IspfitError as error:
        click.echo(f"Note: {BASELINE} cannot be fitted to compare with: {error}", err=True)
        return None


def comparison_table(title: str, name: str, psnrs: Mapping[str, Sequence[float]], baseline: Baseline | None) -> str:
    """Return a table of the PSNR of a model, with the baseline's below it in each direction.

    Parameters
    ----------
    title : head of the first column.
    name : name of the model's backbone.
    psnrs : PSNR in dB of each pair, by direction.
    """
    if baseline is None:
        return psnr_table(title, psnrs)
    from ispfit.comparison.baseline import BASELINE

    rows = {}
    for direction, values in psnrs.items():
        rows[f"{direction}, {name}"] = values
        rows[f"{direction}, {BASELINE}"] = baseline.psnrs[direction]
    return f"{psnr_table(title, rows)}\n{BASELINE}, for comparison, is fitted to {baseline.fitted_to}."
