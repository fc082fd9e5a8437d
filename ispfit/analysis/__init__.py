"""What a fitted model does with the scene: exchange it, sweep it, measure how much depends on it.

After Nam & Kim (2017), section 5.3: an image is rendered with the scene of another one, or with a part of it.
"""

from ispfit.analysis.exchange import exchange_scene, mix_scenes, scene_parts

__all__ = ["exchange_scene", "mix_scenes", "scene_parts"]
