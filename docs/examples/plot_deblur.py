"""
Deblur a photograph in raw space
================================

A shaking hand blurs the light that falls on the sensor, not the JPEG. Derender, deblur, render (Nam & Kim 2017,
section 5.4).
"""

# %%
# A blurred photograph
# --------------------
# The model is fitted to other shots of the camera, whose auto mode is off: one map of colours for all shots can undo
# what it does. The photograph is a raw, blurred by the path of a shaking hand and then rendered to 8 bits.
import numpy as np

from ispfit import ISPModel
from ispfit.datasets import CAMERAS, make_camera_pairs
from ispfit.deblur import blur, deblur, kernel_similarity, shake_kernel

X, Y = make_camera_pairs(30, image_size=96, camera="manual", random_state=0)
model = ISPModel("parametric").fit(X, Y)

sharp = make_camera_pairs(4, image_size=(192, 256), camera="manual", random_state=5)[0][3]
kernel = shake_kernel(13, random_state=3)
camera = next(iter(CAMERAS.values())).manual()
photo = np.rint(255 * camera.render(blur(sharp, kernel))) / np.float32(255)

# %%
# Deblur
# ------
# The path is searched for, from a small picture to the full one. In sRGB space the photograph is taken as it is; in raw
# space the model derenders it first.
results = {
    "deblurred in sRGB space": deblur(photo, space="srgb", kernel_size=17),
    "deblurred in raw space": deblur(photo, model, kernel_size=17),
}

# %%
# Look at both
# ------------
# Below: the middle of each picture, and the kernel that was found.
from ispfit.displays import DeblurringDisplay

display = DeblurringDisplay(photo, results).plot()

# %%
# How alike the kernels are to the true one, which is known here; 1 is the same:
for title, result in results.items():
    print(f"{title}: {kernel_similarity(result.kernel, kernel):.2f}")

# %%
# One photograph proves nothing, and a camera in auto mode is harder: what a model gets wrong about the scene,
# deblurring enlarges. Where raw space wins, and where it does not: :doc:`/deblurring`.
