"""Readers of raw files that plugins register by suffix; LibRaw reads all other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ispfit.errors import FileError, decoding
from ispfit.images import Image, Shot
from ispfit.io.listing import RAW_SUFFIXES
from ispfit.plugins.manager import Registered, raw_readers
from ispfit.plugins.specs import RawReader

__all__ = ["call_reader", "raw_suffixes"]


def raw_suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of all files that `read_raw` reads: `RAW_SUFFIXES` and registered ones.

    Linear TIFF is registered by ispfit itself, other suffixes by plugins.
    """
    return RAW_SUFFIXES | frozenset(raw_readers())


def call_reader(reader: Registered[RawReader], source: Path) -> Image:
    """Read a raw file with a registered reader.

    Returns
    -------
    Image, float32 H x W x 3, not below 0. If the reader returned no shot, the image gets one with the name of the file.

    Raises
    ------
    FileError
        If the reader fails, or returns anything but an RGB image of finite floats; the message names its plugin.
    """
    with decoding(source, f"the reader of {reader.origin} failed"):
        image = reader.item(source)
        found = _unexpected(image)
    if found is not None:
        raise FileError(f"{source}: the reader of {reader.origin} returned {found}; expected float32 H x W x 3.")
    shot = getattr(image, "shot", None)
    return Image(np.maximum(image, 0), shot if isinstance(shot, Shot) else Shot(name=source.stem))


def _unexpected(image: object) -> str | None:
    """Describe what a reader returned if it is not an RGB image of finite floats; None if it is one."""
    if not isinstance(image, np.ndarray):
        return f"a {type(image).__name__}"
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0 or image.dtype.kind != "f":
        return f"{image.dtype} of shape {image.shape}"
    return None if np.isfinite(image).all() else "NaN or infinite values"
