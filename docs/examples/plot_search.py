"""
Search backbones and parameters
===============================

An `ISPModel` is a scikit-learn estimator: `GridSearchCV` chooses between backbones and their parameters in one grid.
"""

# %%
# Two directions, two scores
# --------------------------
# A backbone has a name, its parameters the prefix ``backbone__``. Both scorers are plain callables; `refit` names the
# one that decides. 20 steps are too few to rank networks for good, but enough to show how it is done.
from sklearn.model_selection import GridSearchCV, GroupKFold

from ispfit import ISPModel, inverse_psnr_scorer, psnr_scorer
from ispfit.datasets import make_camera_pairs

X, Y = make_camera_pairs(15, image_size=48, random_state=0)
model = ISPModel(max_steps=20, batch_size=4, windows_per_image=2, learning_rate=3e-3, random_state=0)
grid = [
    {"backbone": ["parametric"], "backbone__control_points": [0, 30]},
    {"backbone": ["mlp"]},
    {"backbone": ["histpyramid"], "backbone__channels": [16], "backbone__bins": [3, 6]},
]

# %%
# Folds that share no scene
# -------------------------
# Two shots of one scene must not be on two sides of a split. Each image carries its metadata through any split, so that
# the groups can be taken from there.
search = GridSearchCV(
    model,
    grid,
    scoring={"forward": psnr_scorer, "inverse": inverse_psnr_scorer},
    refit="forward",
    cv=GroupKFold(3),
)
search.fit(X, Y, groups=[image.shot.scene for image in X])
print(search.best_params_, f"{search.best_score_:.1f} dB")

# %%
# The whole table
# ---------------
# Bars are standard deviations over the folds.
import matplotlib.pyplot as plt

names = [
    ", ".join(f"{name.removeprefix('backbone__')} {value}" for name, value in each.items()).removeprefix("backbone ")
    for each in search.cv_results_["params"]
]
figure, axes = plt.subplots(1, 2, figsize=(9.5, 2.8), sharey=True, layout="constrained")
for axis, (score, title) in zip(axes, {"forward": "raw to sRGB", "inverse": "sRGB to raw"}.items(), strict=True):
    means, spread = search.cv_results_[f"mean_test_{score}"], search.cv_results_[f"std_test_{score}"]
    axis.errorbar(means, range(len(names)), xerr=spread, fmt="o", color="#0072B2", capsize=3)
    axis.set(title=title, xlabel="PSNR in the left-out folds, dB", yticks=range(len(names)), yticklabels=names)
    axis.grid(alpha=0.3)

# %%
# `search.best_estimator_` is a fitted model. More, also on a cluster: :doc:`/model-selection`.
[srgb] = search.best_estimator_.transform(X[:1])
print(srgb.shape)
