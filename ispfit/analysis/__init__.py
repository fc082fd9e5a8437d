"""What a fitted model does with the scene: exchange it, sweep it, measure how much depends on it.

After Nam & Kim (2017), section 5.3: an image is rendered with the scene of another one, or with a part of it.
"""

from ispfit.analysis.dependence import SceneDependence, scene_dependence
from ispfit.analysis.error_groups import QUANTITIES, ErrorGroups, error_groups
from ispfit.analysis.exchange import exchange_scene, mix_scenes, scene_parts
from ispfit.analysis.statistics import STATISTICS, with_statistic
from ispfit.analysis.sweep import SceneSweep, sweep_scenes, sweep_statistic
from ispfit.analysis.tone import TONE_LEVELS, ColorShift, color_shift, tone_curve

__all__ = [
    "QUANTITIES",
    "STATISTICS",
    "TONE_LEVELS",
    "ColorShift",
    "ErrorGroups",
    "SceneDependence",
    "SceneSweep",
    "color_shift",
    "error_groups",
    "exchange_scene",
    "mix_scenes",
    "scene_dependence",
    "scene_parts",
    "sweep_scenes",
    "sweep_statistic",
    "tone_curve",
    "with_statistic",
]
