"""
Derender a JPEG
===============

Linear raw from a picture that the camera has rendered, compared with the RAW file that it came from.
"""

# %%
# Files
# -----
# A roll of a virtual camera: a Bayer DNG and a JPEG of each shot, as a real camera writes them. `load_pairs` reads and
# registers them; the last four shots are kept for the test.
from pathlib import Path
from tempfile import TemporaryDirectory

import ispfit
from ispfit import ISPModel
from ispfit.datasets import load_pairs, make_camera_roll

folder = TemporaryDirectory()
files = make_camera_roll(folder.name, 28, image_size=(144, 216), random_state=0)
print(*(path.name for path in files[0]), sep=", ")
X, Y = load_pairs([path for pair in files[:24] for path in pair], size=None, register=False, n_jobs=1)

# %%
# A model of the camera, in the direction that is needed
# ------------------------------------------------------
model = ISPModel("photofinish").set_params(backbone__residual=False).fit(X, Y)

# %%
# From JPEG to raw
# ----------------
# `inverse_transform` takes paths as well as arrays. With `return_std`, this backbone also says how sure it is of each
# value: least of what is clipped.
raw_file, jpeg = files[-1]
[linear], [doubt] = model.inverse_transform([jpeg], return_std=True)
truth = ispfit.read_raw(raw_file)
print(f"{ispfit.psnr(truth, linear):.1f} dB against the RAW file")

# %%
# Raws are shown with the sRGB curve; as they are, they would look black.
import matplotlib.pyplot as plt

from ispfit.color import linear_to_srgb

figure, axes = plt.subplots(1, 4, figsize=(12, 2), layout="constrained")
shown = {"JPEG": ispfit.read_srgb(jpeg), "derendered": linear_to_srgb(linear), "RAW file": linear_to_srgb(truth)}
for axis, (title, picture) in zip(axes, shown.items(), strict=False):
    axis.imshow(picture)
    axis.set_title(title, fontsize=10)
artist = axes[3].imshow(doubt.mean(2), cmap="inferno")
axes[3].set_title("standard deviation of each value", fontsize=10)
figure.colorbar(artist, ax=axes[3])
for axis in axes:
    axis.set_axis_off()

# %%
# Keep it
# -------
# As TIFF of 16 bits, or as a DNG for RAW converters; ``ispfit derender`` does the same with folders.
from ispfit.io import write_linear, write_linear_dng

write_linear(Path(folder.name) / "linear.tif", linear)
write_linear_dng(Path(folder.name) / "linear.dng", linear)
folder.cleanup()
