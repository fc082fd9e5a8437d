"""
Error by brightness
===================

Where does a model err: in shadows, in highlights, in strong colours, in the corners?
"""

# %%
# Two models of one camera
# ------------------------
from ispfit import ISPModel
from ispfit.datasets import make_camera_pairs
from ispfit.displays import ErrorDisplay

X, Y = make_camera_pairs(36, image_size=96, random_state=0)
model = ISPModel("photofinish").set_params(backbone__residual=False).fit(X[:26], Y[:26])
one_map = ISPModel("parametric").fit(X[:26], Y[:26])
X_test, Y_test = X[26:], Y[26:]

# %%
# From raw to sRGB
# ----------------
# The solid line is the root mean square error, the dashed one the mean error: above zero, the rendering is
# too bright. Clipped and dark pixels stand apart.
display = ErrorDisplay.from_estimator(model, X_test, Y_test, by=["brightness", "saturation"])

# %%
# The same of `parametric`, which knows nothing of the scene:
display = ErrorDisplay.from_estimator(one_map, X_test, Y_test, by=["brightness", "saturation"])

# %%
# From sRGB to raw
# ----------------
# Here, one step of the JPEG's 8 bits is a small step of linear light in the shadows, and a large one in the highlights,
# where the tone curve is flat.
display = ErrorDisplay.from_estimator(model, X_test, Y_test, by=["brightness", "distance"], direction="inverse")

# %%
# As numbers
# ----------
# Displays of numbers have `frame`, a table of pandas.
print(display.frame().head(8).round(4).to_string(index=False))
