"""
Scene exchange
==============

A camera in auto mode looks at the whole picture before it renders a pixel. Render one picture with the scene of another
(Nam & Kim 2017, section 5.3), and you see what the camera does with it.
"""

# %%
# A camera that can do it too
# ---------------------------
# A virtual camera can render one raw as its auto mode would render another: the truth that a real camera never tells.
from ispfit import ISPModel
from ispfit.analysis import scene_parts, sweep_statistic
from ispfit.datasets import CAMERAS, make_camera_pairs
from ispfit.displays import SceneExchangeDisplay, ToneCurveDisplay

X, Y = make_camera_pairs(48, image_size=(96, 128), random_state=0)
model = ISPModel("photofinish").set_params(backbone__residual=False).fit(X[:40], Y[:40])
test = sorted(X[40:], key=lambda raw: raw.mean())
dark, bright = test[0], test[-1]

# %%
# The model
# ---------
# The dark picture, rendered with the scene of the bright one.
display = SceneExchangeDisplay.from_estimator(model, dark, bright)

# %%
# The camera
# ----------
# What the camera itself does, in the same display:
camera = next(iter(CAMERAS.values()))
own, exchanged = camera.render(dark), camera.render(dark, scene_from=bright)
display = SceneExchangeDisplay.from_predictions(dark, bright, own, exchanged)

# %%
# Parts of a scene
# ----------------
# A backbone names the parts of its scene, and each can be exchanged alone (``parts="luminance"``):
print(*scene_parts(model), sep="\n")

# %%
# One statistic after another
# ---------------------------
# Two pictures differ in many ways. A sweep changes one statistic of the scene, here its contrast, and keeps the rest.
sweep = sweep_statistic(model, test[4], "contrast", [0.8, 1.2, 1.6, 2.0, 2.5])
display = ToneCurveDisplay.from_sweep(sweep)

# %%
# How far such pictures can be trusted is measured in :doc:`/scene-exchange`.
