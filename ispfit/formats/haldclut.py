"""Write LUTs as HaldCLUT pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ispfit.errors import InputError
from ispfit.formats.lut import Lut
from ispfit.io.png16 import write_png16

__all__ = ["HALD_PROFILES", "write_haldclut"]

HALD_PROFILES = {"srgb": "", "adobe-rgb": "Adobe RGB", "prophoto": "ProPhoto", "rec2020": "Rec2020"}
"""By encoding, how the file's name must end, so that RawTherapee knows the primaries; it takes sRGB's curve for all."""


def write_haldclut(path: str | os.PathLike[str], lut: Lut) -> None:
    """Write a LUT as a HaldCLUT, a PNG of 16 bits: level L has L**2 nodes on a side and L**3 x L**3 pixels.

    Parameters
    ----------
    path : ``.png``; replaced if it exists, and never left half-written.
    lut : without shaper, with 4, 16, 64, 144, ... nodes on a side; levels 8 and 12 are usual.

    Raises
    ------
    InputError
        If the suffix, or the number of nodes, is wrong, or the LUT has a shaper.
    FileError
        If the file cannot be written.

    References
    ----------
    Quelsolaar, "Hald CLUT", https://www.quelsolaar.com/technology/clut.html.
    """
    final, level = Path(path), round(lut.size**0.5)
    if final.suffix.lower() != ".png":
        raise InputError(f"path: expected a name that ends in .png, got {final.name!r}.")
    if level**2 != lut.size or lut.shaper is not None:
        kind = "with a shaper" if lut.shaper is not None else f"of {lut.size} nodes"
        raise InputError(f"lut: a HaldCLUT has the square of a whole number of nodes and no shaper, got one {kind}.")
    codes = np.round(np.clip(lut.table, 0, 1) * 65535).astype(np.uint16)
    write_png16(final, codes.reshape(level**3, level**3, 3))
