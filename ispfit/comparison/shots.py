"""The errors of one model, shot by shot: which shots are worst, and the means beside the baseline's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ispfit import metrics
from ispfit.comparison.baseline import Baseline
from ispfit.comparison.statistics import Statistic
from ispfit.directions import DIRECTIONS
from ispfit.estimator import ISPModel
from ispfit.estimator.inputs import iterate_pairs
from ispfit.images import Image, Shot
from ispfit.metrics import PSNRSummary, psnr_summary

__all__ = ["ShotMeasures", "SummaryRow", "choose_shots", "estimate", "measure_shots", "summary_rows"]

OnShot: TypeAlias = Callable[[Image, Image, dict[str, Image]], None]


@dataclass(frozen=True)
class ShotMeasures:
    """The errors of a model on one shot.

    Parameters
    ----------
    index : position of the pair.
    shot : metadata of the shot.
    psnr : PSNR in dB by direction.
    ssim, ciede2000 : mean structural similarity, and mean colour difference, of the rendering; None if the model is not
        fitted in the forward direction.
    baseline : PSNR of the baseline in dB by direction; empty without one.
    """

    index: int
    shot: Shot
    psnr: dict[str, float]
    ssim: float | None
    ciede2000: float | None
    baseline: dict[str, float]

    @property
    def name(self) -> str:
        """The shot's name, or its position if it has none."""
        return self.shot.name or f"shot {self.index + 1}"


@dataclass(frozen=True)
class SummaryRow:
    """A row of the summary: a model in one direction.

    Parameters
    ----------
    direction : "raw to sRGB" or "sRGB to raw".
    name : name of the backbone.
    summary : mean, median, min and max of the PSNR in dB.
    mean : the mean with its 95 % interval.
    difference : mean difference from the baseline, shot by shot, with its 95 % interval; None for the baseline itself.
    """

    direction: str
    name: str
    summary: PSNRSummary
    mean: Statistic
    difference: Statistic | None


def estimate(model: ISPModel, direction: str, raw: Image, srgb: Image) -> Image:
    """Return the model's rendering of the raw, or its raw of the srgb."""
    [image] = model.transform([raw]) if direction == "forward" else model.inverse_transform([srgb])
    return image


def measure_shots(
    model: ISPModel,
    X: Sequence[Any],
    Y: Sequence[Any],
    baseline: Baseline | None,
    on_shot: OnShot = lambda raw, srgb, found: None,
) -> list[ShotMeasures]:
    """Measure a model on pairs, which are read one by one.

    Parameters
    ----------
    model : the fitted model.
    X, Y : raws and srgbs, as in `ISPModel.fit`.
    baseline : PSNRs to compare with.
    on_shot : called after each shot, with raw, srgb and the model's images by direction.
    """
    shots = []
    for index, (raw, srgb) in enumerate(iterate_pairs(X, Y)):
        found = {direction: estimate(model, direction, raw, srgb) for direction in model.networks_}
        psnr = {way: metrics.psnr(srgb if way == "forward" else raw, image) for way, image in found.items()}
        ssim, ciede2000 = None, None
        if "forward" in found:
            ssim = metrics.ssim(srgb, found["forward"]) if min(srgb.shape[:2]) >= metrics.SSIM_WINDOW else None
            ciede2000 = metrics.ciede2000(srgb, found["forward"])
        others = {way: values[index] for way, values in baseline.psnrs.items()} if baseline else {}
        shots.append(ShotMeasures(index, raw.shot, psnr, ssim, ciede2000, others))
        on_shot(raw, srgb, found)
    return shots


def choose_shots(shots: Sequence[ShotMeasures], n_each: int) -> dict[str, list[ShotMeasures]]:
    """Return the worst, the median and the best shots, at most `n_each` of each, without repetition.

    A shot counts by the direction in which it is worse, in dB above the median of that direction.
    """
    medians = {way: float(np.median([shot.psnr[way] for shot in shots])) for way in shots[0].psnr}

    def merit(shot: ShotMeasures) -> float:
        return min(value - medians[way] for way, value in shot.psnr.items())

    ordered = sorted(shots, key=merit)
    n_each = min(n_each, max(1, len(ordered) // 3))
    middle = (len(ordered) - n_each) // 2
    chosen: dict[str, list[ShotMeasures]] = {"worst": ordered[:n_each], "median": [], "best": []}
    if len(ordered) >= 2 * n_each:
        chosen["best"] = ordered[-n_each:][::-1]
    if len(ordered) >= 3 * n_each:
        chosen["median"] = ordered[middle : middle + n_each]
    return {title: found for title, found in chosen.items() if found}


def summary_rows(shots: Sequence[ShotMeasures], name: str, baseline: str | None) -> list[SummaryRow]:
    """Return the rows of the summary: the model and the baseline in each direction.

    Parameters
    ----------
    shots : measures of the test shots.
    name : name of the model's backbone.
    baseline : name of the baseline's; None if there is none.
    """
    rows = []
    for way in shots[0].psnr:
        ours = np.array([shot.psnr[way] for shot in shots])
        theirs = np.array([shot.baseline[way] for shot in shots]) if baseline else None
        difference = None if theirs is None else Statistic.of(ours - theirs)
        rows.append(SummaryRow(DIRECTIONS[way], name, psnr_summary(ours), Statistic.of(ours), difference))
        if baseline and theirs is not None:
            rows.append(SummaryRow(DIRECTIONS[way], baseline, psnr_summary(theirs), Statistic.of(theirs), None))
    return rows
