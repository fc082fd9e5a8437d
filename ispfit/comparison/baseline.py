"""A baseline beside a model: `parametric`, which is fitted in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from ispfit.estimator import ISPModel
from ispfit.images import shots_of
from ispfit.metrics import psnr_summary
from ispfit.splits import evenly_spaced

__all__ = ["BASELINE", "Baseline", "baseline_of"]

Pairs: TypeAlias = tuple[Sequence[Any], Sequence[Any]]

BASELINE = "parametric"
"""Name of the baseline's backbone."""

_MOST_PAIRS = 200  # to fit to: more change its few thousand numbers by nothing that is seen
_PARTS = 5  # of a cross-validation


@dataclass(frozen=True)
class Baseline:
    """The baseline on the pairs of a model.

    Parameters
    ----------
    psnrs : PSNR in dB of each pair, by direction.
    fitted_to : what it was fitted to, as text.
    """

    psnrs: dict[str, list[float]]
    fitted_to: str

    def as_json(self) -> dict[str, Any]:
        means = {direction: asdict(psnr_summary(psnrs)) for direction, psnrs in self.psnrs.items()}
        return {"backbone": BASELINE, "fitted_to": self.fitted_to, "directions": means}


def baseline_of(model: ISPModel, pairs: Pairs, training: Pairs | None) -> Baseline | None:
    """Return `parametric` on the pairs of a model; None if the model is one itself, or if there is nothing to fit to.

    Parameters
    ----------
    model : the fitted model; the baseline is fitted in its directions.
    pairs : raws and srgbs to measure on.
    training : pairs to fit to; None cross-validates on `pairs`, with the shots of a scene in one part.

    Raises
    ------
    InputError
        If the baseline cannot be fitted to the pairs.
    """
    if model.backbone_.name == BASELINE:
        return None
    if training is None:
        return _cross_validated(model, pairs)
    n_pairs = len(training[0])
    psnrs = _psnrs(model, _take(training, evenly_spaced(n_pairs, _MOST_PAIRS)), pairs)
    return Baseline(psnrs, f"{n_pairs} training pair{'' if n_pairs == 1 else 's'}")


def _cross_validated(model: ISPModel, pairs: Pairs) -> Baseline | None:
    scenes = [shot.scene or str(index) for index, shot in enumerate(shots_of(pairs[0]))]
    numbers = np.unique(scenes, return_inverse=True)[1] % _PARTS
    parts = [np.flatnonzero(numbers == part).tolist() for part in range(min(_PARTS, int(numbers.max()) + 1))]
    if len(parts) < 2:
        return None
    psnrs: dict[str, list[float]] = {direction: [0.0] * len(scenes) for direction in model.networks_}
    for part in parts:
        others = [index for index in range(len(scenes)) if index not in set(part)]
        others = [others[index] for index in evenly_spaced(len(others), _MOST_PAIRS)]
        found = _psnrs(model, _take(pairs, others), _take(pairs, part))
        for direction, values in found.items():
            for index, value in zip(part, values, strict=True):
                psnrs[direction][index] = value
    return Baseline(psnrs, f"the other pairs, in {len(parts)} parts")


def _psnrs(model: ISPModel, training: Pairs, pairs: Pairs) -> dict[str, list[float]]:
    direction = "both" if len(model.networks_) > 1 else next(iter(model.networks_))
    fitted = ISPModel(BASELINE, direction=direction, device="cpu").fit(*training)
    return {direction: fitted.psnr(*pairs, direction=direction).tolist() for direction in model.networks_}


def _take(pairs: Pairs, indices: Sequence[int]) -> Pairs:
    return [pairs[0][index] for index in indices], [pairs[1][index] for index in indices]
