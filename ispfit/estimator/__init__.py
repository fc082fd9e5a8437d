"""The estimator `ISPModel`, its inputs, its files and its scorers."""

from ispfit.estimator.model import ISPModel, load
from ispfit.estimator.scorers import inverse_psnr_scorer, psnr_scorer

__all__ = ["ISPModel", "inverse_psnr_scorer", "load", "psnr_scorer"]
