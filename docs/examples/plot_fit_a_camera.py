"""
Fit a camera
============

From pairs of raw and sRGB to a model that renders as the camera does, and back.
"""

# %%
# A camera to imitate
# -------------------
# `make_camera_pairs` photographs procedural scenes with a virtual camera in auto mode. A raw is linear, white-balanced
# camera RGB in [0, 1]; an srgb is the camera's own picture of the same shot. With files of your own,
# `ispfit.datasets.load_pairs` returns the same two lists.
from ispfit import ISPModel
from ispfit.datasets import make_camera_pairs

X, Y = make_camera_pairs(48, image_size=(96, 128), random_state=0)
X_train, X_test, Y_train, Y_test = X[:36], X[36:], Y[:36], Y[36:]
print(X[0].shape, X[0].dtype, X[0].shot.camera, X[0].shot.iso)

# %%
# Fit
# ---
# `photofinish` is fitted in closed form, in both directions at once. Its small networks for what is left are switched
# off here to save time. `parametric`, one map of colours for all scenes, is there for comparison.
model = ISPModel("photofinish").set_params(backbone__residual=False).fit(X_train, Y_train)
one_map = ISPModel("parametric").fit(X_train, Y_train)

# %%
# How good is it?
# ---------------
# `score` is the mean PSNR from raw to sRGB, as scikit-learn expects: higher is better. The display shows every test
# shot in both directions. What `photofinish` gains is what it knows of scenes.
from ispfit.displays import PSNRDisplay, RenderingDisplay

print(f"photofinish {model.score(X_test, Y_test):.1f} dB, parametric {one_map.score(X_test, Y_test):.1f} dB")
display = PSNRDisplay.from_estimator({"photofinish": model, "parametric": one_map}, X_test, Y_test)

# %%
# Look at it
# ----------
# The error is in codes of 8 bits, on a scale that is the same in all displays.
display = RenderingDisplay.from_estimator(model, X_test[:2], Y_test[:2])

# %%
# Use it
# ------
# `transform` renders raws, `inverse_transform` derenders srgbs; both take arrays or files, of any size.
# `model.save("camera.ispfit")` and `ispfit.load` keep a model.
[srgb] = model.transform(X_test[:1])
[linear] = model.inverse_transform(Y_test[:1])
print(srgb.shape, f"mean {srgb.mean():.3f};", linear.shape, f"mean {linear.mean():.3f}")

# sphinx_gallery_thumbnail_number = 2
