"""LibRaw's own rendering of a RAW file: the srgb of data sets that have none of a camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PILImage

from ispfit.files import atomic_path
from ispfit.io.camera_rgb import libraw_picture
from ispfit.io.dng_facts import read_dng_facts
from ispfit.io.orientation import upright
from ispfit.io.raw import open_raw

__all__ = ["write_libraw_rendering"]

_QUALITY, _SUBSAMPLING = 90, 1


def write_libraw_rendering(raw: Path, path: Path) -> None:
    """Render a RAW file by LibRaw with the camera's white balance and without automatic brightness, as 4:2:2 JPEG.

    The rendering shows the camera's crop box, upright, as `read_raw` does. One fixed curve (BT.709) maps every scene.
    Source of the settings: Xing, Qian, Chen, "Invertible Image Signal Processing", CVPR 2021, data/data_preprocess.py
    of its repository; JPEG of quality 90.

    Parameters
    ----------
    raw : the RAW file.
    path : the JPEG file to write.

    Raises
    ------
    FileError
        If the RAW file cannot be read, or the JPEG not be written.
    """
    facts = read_dng_facts(raw)
    with open_raw(raw) as file:
        flip = file.sizes.flip
        picture = libraw_picture(file, facts, use_camera_wb=True, no_auto_bright=True)
    pixels = np.ascontiguousarray(upright(picture, flip))
    with atomic_path(path) as temporary:
        PILImage.fromarray(pixels).save(temporary, "JPEG", quality=_QUALITY, subsampling=_SUBSAMPLING)
