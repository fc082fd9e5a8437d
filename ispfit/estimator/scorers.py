"""Scorers for scikit-learn's model selection."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from ispfit.errors import InputError
from ispfit.metrics import psnr

__all__ = ["inverse_psnr_scorer", "psnr_scorer"]


def psnr_scorer(estimator: Any, X: Sequence[Any], Y: Sequence[Any]) -> float:
    """Return the mean PSNR in dB of the forward direction; pass it to scikit-learn as ``scoring=psnr_scorer``.

    Parameters
    ----------
    estimator : a fitted `ispfit.ISPModel`, or any object with ``transform``, such as a pipeline that ends in one.
    X, Y : raws and srgbs, as in `ispfit.ISPModel.fit`. For a pipeline, Y holds images, not paths.

    Raises
    ------
    InputError
        If Y holds paths and the estimator is not an `ispfit.ISPModel`.
    """
    if hasattr(estimator, "psnr"):
        return float(np.mean(estimator.psnr(X, Y, direction="forward")))
    return _mean_psnr(Y, estimator.transform(X), "Y", "ispfit.read_srgb")


def inverse_psnr_scorer(estimator: Any, X: Sequence[Any], Y: Sequence[Any]) -> float:
    """Return the mean PSNR in dB of the inverse direction; pass it to scikit-learn as ``scoring=inverse_psnr_scorer``.

    Parameters
    ----------
    estimator : a fitted `ispfit.ISPModel`, or any object with ``inverse_transform``.
    X, Y : raws and srgbs, as in `ispfit.ISPModel.fit`. For a pipeline, X holds images, not paths.

    Raises
    ------
    InputError
        If X holds paths and the estimator is not an `ispfit.ISPModel`.
    """
    if hasattr(estimator, "psnr"):
        return float(np.mean(estimator.psnr(X, Y, direction="inverse")))
    return _mean_psnr(X, estimator.inverse_transform(Y), "X", "ispfit.read_raw")


def _mean_psnr(truths: Sequence[Any], estimates: Sequence[Any], name: str, reader: str) -> float:
    if any(isinstance(truth, str | PathLike) for truth in truths):
        raise InputError(f"{name}: a scorer of a pipeline needs images, got paths; read them by {reader}.")
    return float(np.mean([psnr(truth, estimate) for truth, estimate in zip(truths, estimates, strict=True)]))
