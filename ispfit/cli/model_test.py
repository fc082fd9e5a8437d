"""What `ispfit score` and `ispfit report` measure: a model, the pairs to test it on, and the baseline beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ispfit.cli.baseline import baseline_for_command
from ispfit.cli.common import LeftOut, count, load_for_command, note_other_cameras

if TYPE_CHECKING:
    from ispfit import ISPModel
    from ispfit.comparison.baseline import Baseline

__all__ = ["ModelTest", "load_model_test"]


@dataclass(frozen=True)
class ModelTest:
    """A model and what to measure it on.

    Parameters
    ----------
    model : the fitted model.
    X, Y : the pairs.
    baseline : the PSNR of `parametric` on the pairs; None if there is none.
    left_out : pairs that cannot be used.
    """

    model: ISPModel
    X: list[Any]
    Y: list[Any]
    baseline: Baseline | None
    left_out: LeftOut


def load_model_test(
    model: Path, pairs: tuple[Path, ...], split: str | None, *, device: str, precision: str, **reading: Any
) -> ModelTest:
    """Load a model and pairs, note shots of another camera, and fit the baseline.

    Parameters
    ----------
    model : the model file.
    pairs : a table of pairs or its folder, or RAW files and folders of them.
    split : the split to take, or "all"; None takes "test" if the table has it, else all.
    device, precision : of the model.
    **reading : as for `load_for_command`.
    """
    import ispfit

    fitted = ispfit.load(model, device=device).set_params(precision=precision)
    X, Y, left_out = _test_pairs(pairs, split, **reading)
    note_other_cameras(fitted.camera_, [image.shot.camera for image in X])
    training = _training_pairs(fitted, pairs, {image.shot.name for image in X}, **reading)
    return ModelTest(fitted, X, Y, baseline_for_command(fitted, (X, Y), training), left_out)


def _test_pairs(pairs: tuple[Path, ...], split: str | None, **reading: Any) -> tuple[list[Any], list[Any], LeftOut]:
    """Load the pairs of `split`: "all", or without it those of the split "test" if the table has one."""
    from ispfit.datasets import list_splits

    if split is None and (n_test := list_splits(pairs).get("test")):
        click.echo(f"taking {count(n_test, 'pair')} of the split 'test'; --split all takes all", err=True)
        split = "test"
    return load_for_command(pairs, None if split == "all" else split, **reading)


def _training_pairs(
    model: ISPModel, pairs: tuple[Path, ...], scored: set[str | None], **reading: Any
) -> tuple[list[Any], list[Any]] | None:
    """Return the training pairs of the model that are not scored; None if the table has no split "train".

    Those of the split "validation" are among them if the model was not stopped by pairs that it did not train on.
    """
    from ispfit.datasets import list_splits
    from ispfit.errors import FileError

    if "train" not in list_splits(pairs):
        return None
    validated = any(record.n_validation for record in model.records_.values())
    trained = ["train"] if validated else ["train", "validation"]
    try:
        X, Y, _ = load_for_command(pairs, trained, **reading)
    except FileError:  # none of them can be read
        return None
    kept = [index for index, image in enumerate(X) if image.shot.name not in scored]
    return ([X[index] for index in kept], [Y[index] for index in kept]) if kept else None
