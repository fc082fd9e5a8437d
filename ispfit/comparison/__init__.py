"""Comparing backbones on equal terms: the same pairs, windows and budget; Table 1 of the paper."""

from ispfit.comparison.data import Camera, prepare_camera
from ispfit.comparison.runs import Budget, Run, run_all
from ispfit.comparison.statistics import Comparison, Statistic

__all__ = ["Budget", "Camera", "Comparison", "Run", "Statistic", "prepare_camera", "run_all"]
