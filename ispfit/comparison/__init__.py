"""Comparing backbones on equal terms: the same pairs, windows and budget; Table 1 of the paper."""

from ispfit.comparison.data import Camera, distinct_names, prepare_camera
from ispfit.comparison.runs import Budget, Run, run_all
from ispfit.comparison.statistics import Comparison, Published, Statistic

__all__ = [
    "Budget",
    "Camera",
    "Comparison",
    "Published",
    "Run",
    "Statistic",
    "distinct_names",
    "prepare_camera",
    "run_all",
]
