"""
Your own backbone
=================

A backbone describes the scene once and renders any window of it. Two methods are enough; the framework brings training,
tiled rendering, model files and scikit-learn.
"""

# %%
# Two classes
# -----------
# `describe` sees the whole image, which may have 45 megapixels, and returns what is to be known of it: here, one gain.
# `render` sees a window, with as many pixels around it as `halo` says, and the scene of its image.
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from ispfit import Backbone, ISPModel, Network, Scene


class Exposure(Backbone):
    """A curve of each pixel, after a gain that depends on the whole image."""

    name = "exposure"

    def __init__(self, hidden: int = 16):
        self.hidden = hidden

    def build(self):
        return ExposureNetwork(self.hidden)


class ExposureNetwork(Network):
    def __init__(self, hidden):
        super().__init__()
        self.gain = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.curve = nn.Sequential(nn.Conv2d(3, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, 3, 1))

    def describe(self, image):
        logs = (adaptive_avg_pool2d(image, 32).mean(1) + 1e-3).log2()
        return Scene(stops=self.gain(torch.stack([logs.mean((1, 2)), logs.std((1, 2))], 1)))

    def render(self, pixels, scene, window):
        return self.curve((pixels * scene["stops"].exp2()[:, :, None, None] + 1e-4) ** (1 / 2.2))


# %%
# Check it
# --------
# `check_backbone` measures every promise of the contract, and says in a sentence what is broken.
from ispfit.testing import check_backbone

check_backbone(Exposure())

# %%
# Fit it
# ------
# It stands beside the built-in backbones. `mlp` renders each pixel by itself: the difference is the scene.
from ispfit.datasets import make_camera_pairs
from ispfit.displays import PSNRDisplay, ToneCurveDisplay

X, Y = make_camera_pairs(30, image_size=64, random_state=0)
settings = {"max_steps": 300, "batch_size": 8, "windows_per_image": 2, "learning_rate": 1e-2, "random_state": 0}
models = {
    name: ISPModel(backbone, direction="forward", **settings).fit(X[:22], Y[:22])
    for name, backbone in {"exposure": Exposure(), "mlp": "mlp"}.items()
}
display = PSNRDisplay.from_estimator(models, X[22:], Y[22:])

# %%
# What it has learned
# -------------------
# One tone curve for each scene:
display = ToneCurveDisplay.from_estimator(models["exposure"], X[22:])

# %%
# Let others use it: an entry point makes it a plugin, see :doc:`/write-a-backbone`.

# sphinx_gallery_thumbnail_number = 2
