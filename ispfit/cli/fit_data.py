"""The pairs that `ispfit fit` trains on: of which splits, and of which camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ispfit.cli.common import LeftOut, count, load_for_command

__all__ = ["FitData", "by_camera", "check_one_camera", "load_fit_data"]

_COMPARED_PAIRS = 20  # training pairs on which a model is compared with a baseline
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class FitData:
    """What a model is fitted to.

    Parameters
    ----------
    X, Y : pairs to train on.
    validation : pairs to stop early by, as a tuple of two lists; None if the pairs have no such split.
    left_out : pairs that cannot be used.
    """

    X: list[Any]
    Y: list[Any]
    validation: tuple[list[Any], list[Any]] | None
    left_out: LeftOut

    def to_compare(self) -> tuple[tuple[list[Any], list[Any]], str]:
        """Return pairs on which to compare the model with a baseline, and their name: those for validation if any."""
        if self.validation:
            return self.validation, f"PSNR in dB, {count(len(self.validation[0]), 'validation pair')}"
        n = min(len(self.X), _COMPARED_PAIRS)
        return (self.X[:n], self.Y[:n]), f"PSNR in dB, {count(n, 'training pair')}"

    @property
    def n_pairs(self) -> int:
        return len(self.X) + (len(self.validation[0]) if self.validation else 0)


def load_fit_data(pairs: tuple[Path, ...], split: str | None, holds_out: bool, **reading: Any) -> FitData:
    """Load the pairs of `split`. Without `split`, leave out those for the test and set apart those for validation.

    Raises
    ------
    InputError
        If nothing is left to train on, or, without `split`, if the table has a split of another name: "tset" may be
        meant for the test.
    """
    from ispfit.datasets import list_splits
    from ispfit.errors import InputError

    splits = list_splits(pairs)
    validates = holds_out and "validation" in splits and split in (None, "train")
    chosen: str | list[str] | None = split
    if split is None and splits:
        unknown = [name for name in splits if name and name not in _SPLITS]
        if unknown:
            raise InputError(
                f"{pairs[0]}: expected the splits {', '.join(_SPLITS)}, got {', '.join(map(repr, unknown))}; rename "
                "them in the table, or choose one with --split."
            )
        chosen = [name for name in splits if name != "test" and not (validates and name == "validation")]
        if not chosen:
            raise InputError(f"{pairs[0]}: no pairs are left to train on; its splits are {', '.join(splits)}.")
        if "test" in splits:
            click.echo(f"leaving out {count(splits['test'], 'pair')} of the split 'test'", err=True)
    X, Y, left_out = load_for_command(pairs, chosen, **reading)
    if not validates:
        return FitData(X, Y, None, left_out)
    *validation, others = load_for_command(pairs, "validation", **reading)
    left_out = LeftOut(left_out.failed + others.failed, left_out.rejected + others.rejected)
    return FitData(X, Y, (validation[0], validation[1]), left_out)


def by_camera(data: FitData) -> dict[str, FitData]:
    """Return the pairs of each camera and picture style, by a name that is fit for a file; what is unknown is one."""
    from ispfit.pairs import camera_slug

    def group(X: Sequence[Any], Y: Sequence[Any]) -> dict[str, tuple[list[Any], list[Any]]]:
        found: dict[str, tuple[list[Any], list[Any]]] = {}
        for raw, srgb in zip(X, Y, strict=True):
            sides = found.setdefault(camera_slug(raw.shot.camera, raw.shot.style), ([], []))
            sides[0].append(raw)
            sides[1].append(srgb)
        return found

    validation = group(*data.validation) if data.validation else {}
    training = group(data.X, data.Y)
    return {
        name: FitData(*training[name], validation.get(name), data.left_out if index == 0 else LeftOut())
        for index, name in enumerate(sorted(training))
    }


def check_one_camera(groups: dict[str, FitData], pairs: Sequence[Path]) -> None:
    """Raise an `InputError` if shots are known to be of several cameras or styles: one model would render their mean.

    Parameters
    ----------
    groups : see `by_camera`.
    pairs : the arguments of the command.
    """
    from ispfit.errors import InputError

    shots = [raw.shot for data in groups.values() for raw in data.X]
    cameras, styles = {shot.camera for shot in shots} - {None}, {shot.style for shot in shots} - {None}
    if len(cameras) < 2 and len(styles) < 2:
        return
    names = ", ".join(f"{name} ({len(data.X)})" for name, data in groups.items())
    folder = pairs[0] if pairs[0].is_dir() else pairs[0].parent
    tables = [str(path) for name in groups if (path := folder / f"pairs-{name}.csv").exists()]
    use = f"give one of {', '.join(tables)}" if tables else "make a table of each with `ispfit pairs`"
    raise InputError(
        f"{pairs[0]}: expected shots of one camera and picture style, got {names}; {use}, add --per-camera to fit a "
        "model of each, or --mixed to fit one model to all of them."
    )
