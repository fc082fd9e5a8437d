"""Which function reads a raw file: plugins' by its suffix, LibRaw for the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ispfit.errors import FileError, IspfitError
from ispfit.images import Image, Shot
from ispfit.io.exif import read_exif
from ispfit.io.listing import RAW_SUFFIXES, TIFF_SUFFIXES
from ispfit.io.tiff import read_linear_tiff
from ispfit.plugins import hookimpl
from ispfit.plugins.manager import Registered, raw_readers
from ispfit.plugins.specs import RawReader

__all__ = ["raw_suffixes", "read_by_plugin"]


def raw_suffixes() -> frozenset[str]:
    """Suffixes, in lower case, of all files that `read_raw` reads: `RAW_SUFFIXES`, TIFF, and those of plugins."""
    return RAW_SUFFIXES | frozenset(raw_readers())


def read_by_plugin(source: Path) -> Image | None:
    """Read a raw file with the reader that a plugin registered for its suffix; None where LibRaw is to read it.

    Raises
    ------
    FileError
        If the reader fails, or returns anything but an RGB image of finite numbers; the message names its plugin.
    """
    reader = raw_readers().get(source.suffix.lower())
    if reader is None:
        return None
    image = _call(reader, source)
    problem = _problem(image)
    if problem:
        raise FileError(f"{source}: the reader of {reader.origin} returned {problem}; expected float32 H x W x 3.")
    shot = getattr(image, "shot", None) or Shot(name=source.stem)
    return Image(np.maximum(image, 0), shot)


def _call(reader: Registered[RawReader], source: Path) -> Image:
    try:
        return reader.item(source)
    except IspfitError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise FileError(f"{source}: the reader of {reader.origin} failed: {reason}") from error


def _problem(image: object) -> str | None:
    if not isinstance(image, np.ndarray):
        return f"a {type(image).__name__}"
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0 or image.dtype.kind != "f":
        return f"{image.dtype} of shape {image.shape}"
    return None if np.isfinite(image).all() else "NaN or infinite values"


def _read_tiff(source: Path) -> Image:
    exif = read_exif(source)
    return Image(read_linear_tiff(source), Shot(name=source.stem, make=exif.make, model=exif.model))


@hookimpl
def ispfit_raw_readers() -> dict[str, RawReader]:
    """Register linear TIFF files."""
    return dict.fromkeys(sorted(TIFF_SUFFIXES), _read_tiff)
