"""
Deblur a photograph in raw space
================================

A shaking hand blurs the light that falls on the sensor, not the JPEG. Derender, deblur, render (Nam & Kim 2017,
section 5.4).
"""

# %%
# A blurred photograph
# --------------------
# The camera's model is fitted to other shots. The photograph is a raw, blurred by the path of a shaking hand and then
# rendered by the camera, as blur happens.
import numpy as np

from ispfit import ISPModel
from ispfit.datasets import CAMERAS, make_camera_pairs
from ispfit.deblur import blur, deblur, kernel_similarity, shake_kernel

X, Y = make_camera_pairs(30, image_size=96, random_state=0)
model = ISPModel("photofinish").set_params(backbone__residual=False).fit(X, Y)

[sharp], _ = make_camera_pairs(1, image_size=(192, 256), random_state=5)
camera = next(iter(CAMERAS.values()))
kernel = shake_kernel(13, random_state=1)
noise = np.random.default_rng(0).normal(0, 0.002, sharp.shape)
photo = np.rint(255 * camera.render(np.clip(blur(sharp, kernel) + noise, 0, 1).astype(np.float32))) / 255
photo = photo.astype(np.float32)

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
# A single photograph proves nothing. On which cameras raw space wins, and where it does not: :doc:`/deblurring`.
