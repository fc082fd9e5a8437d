"""Evidence, from the PSNR of validation scenes, that a training run got worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

__all__ = ["MIN_HELD_OUT_SCENES", "MIN_SCENES", "Verdict", "judge"]

MIN_SCENES = 8  # fewer scenes are no evidence
MIN_HELD_OUT_SCENES = 20  # a share of the pairs with fewer scenes is worth more as training pairs
_AVERAGED_EVALUATIONS = 5
_CONFIDENCE = 0.9999  # each evaluation is a test: by noise alone, one run in 25 to 30 is ever called worse
_LEAST_LOSS_DB = 0.05  # smaller losses are not worth stopping for


@dataclass(frozen=True)
class Verdict:
    """What the evaluations of a run say.

    Parameters
    ----------
    best : number of the best evaluation.
    is_worse : whether the last evaluation is evidently worse than the best one.
    """

    best: int
    is_worse: bool


def judge(psnrs: npt.ArrayLike) -> Verdict | None:
    """Return the best evaluation, and whether the last one is evidently worse; None if there is too little evidence.

    An evaluation is judged by the mean of itself and the four before it. The last one is evidently worse if the mean
    loss over the scenes is larger than 0.05 dB, and larger than 0 by a one-sided paired t-test at 99.99 %.

    Parameters
    ----------
    psnrs : PSNR in dB of each evaluation and validation scene, (E, S).
    """
    values = np.asarray(psnrs, np.float64)
    if values.ndim != 2 or len(values) < _AVERAGED_EVALUATIONS or values.shape[1] < MIN_SCENES:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(values, _AVERAGED_EVALUATIONS, axis=0)  # (E - 4, S, 5)
    averages = windows.mean(axis=2)
    best = int(averages.mean(axis=1).argmax())
    loss = averages[best] - averages[-1]
    error = loss.std(ddof=1) / len(loss) ** 0.5
    least = max(_LEAST_LOSS_DB, float(stdtrit(len(loss) - 1, _CONFIDENCE)) * error)
    return Verdict(best + _AVERAGED_EVALUATIONS - 1, bool(loss.mean() > least))
