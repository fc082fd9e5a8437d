"""Displays: results as pictures, by scikit-learn's convention.

``from_estimator`` computes and draws, ``from_predictions`` draws what something else has computed, ``plot`` draws
again, on axes of your own if you pass ``ax``; ``ax_`` and ``figure_`` are what was drawn on. Displays of numbers have
``frame()``, a table of pandas.
"""

from ispfit.displays.deblurring import DeblurringDisplay
from ispfit.displays.error import ErrorDisplay
from ispfit.displays.histogram import HistogramDisplay
from ispfit.displays.psnr import ComparisonDisplay, PSNRDisplay
from ispfit.displays.registration import RegistrationDisplay
from ispfit.displays.rendering import RenderingDisplay
from ispfit.displays.scene_dependence import SceneDependenceDisplay
from ispfit.displays.scene_exchange import SceneExchangeDisplay
from ispfit.displays.tone_curve import ToneCurveDisplay
from ispfit.displays.training import TrainingDisplay

__all__ = [
    "ComparisonDisplay",
    "DeblurringDisplay",
    "ErrorDisplay",
    "HistogramDisplay",
    "PSNRDisplay",
    "RegistrationDisplay",
    "RenderingDisplay",
    "SceneDependenceDisplay",
    "SceneExchangeDisplay",
    "ToneCurveDisplay",
    "TrainingDisplay",
]
