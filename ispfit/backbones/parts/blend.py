"""How much each of several maps of colours counts in the mean of their colours."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import softmax

from ispfit.backbones.parts.scene_regression import members_of

__all__ = ["blend_weights"]

_Array = npt.NDArray[np.float64]

_EVIDENCE = 1.0  # for equal weights, in scenes
_LEAST_ERROR = 1e-6  # added to the mean squared error of a shot before the logarithm


def blend_weights(products: _Array, groups: Sequence[Hashable]) -> _Array:
    """Choose the weights (C,) of maps of colours, which are positive and sum to 1.

    They minimise the sum, over scenes, of the mean logarithm of the squared error of the mean colour, and are drawn
    towards equal weights, as if by one more scene. A single scene does not tell which map errs less in others: the
    first one is taken.

    Parameters
    ----------
    products : (N, C, C), the mean products of the errors that two maps make in each shot, whose scene the regression of
        their parameters has not seen. The maps themselves have seen all shots.
    groups : the scene of each of the N shots.
    """
    scenes = members_of(groups)
    if len(scenes) == 1:
        return np.asarray(np.eye(products.shape[1])[0])

    def loss(logits: _Array) -> float:
        weights = softmax([0.0, *logits])
        logs = np.log(products @ weights @ weights + _LEAST_ERROR)
        return float(sum(logs[scene].mean() for scene in scenes) - _EVIDENCE * np.log(weights + 1e-9).mean())

    found = minimize(loss, np.zeros(products.shape[1] - 1), method="Nelder-Mead")
    return np.asarray(softmax([0.0, *found.x]))
