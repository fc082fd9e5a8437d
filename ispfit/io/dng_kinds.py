"""Refuse, by name, the kinds of DNG whose camera RGB neither LibRaw nor ispfit computes as the file means it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ispfit.errors import FileError
from ispfit.io.dng import CFA_PATTERNS, XTRANS
from ispfit.io.dng_facts import DngFacts
from ispfit.io.dng_lossy import LOSSY_JPEG

__all__ = ["check_dng_kind"]

_JPEG_XL = (50002, 52546)  # of the tag Compression
_COLOR_NAMES = ("red", "green", "blue", "cyan", "magenta", "yellow", "white")  # TIFF/EP and DNG, CFAPlaneColor
_RGB = (0, 1, 2)


def check_dng_kind(facts: DngFacts, source: Path) -> None:
    """Raise a `FileError` that names what the DNG is, if its camera RGB cannot be computed."""
    found = _unsupported(facts)
    if found is not None:
        raise FileError(f"{source}: expected a DNG with a Bayer or X-Trans mosaic, or a linear DNG; got {found}.")


def _unsupported(facts: DngFacts) -> str | None:
    """Describe a DNG that is not supported; None for one that is."""
    if facts.floating:
        return "floating-point samples (half, 24-bit or float), which are not read; convert it to integers"
    if facts.compression in _JPEG_XL:
        return "JPEG XL compression, which LibRaw cannot decode; convert it with Adobe DNG Converter"
    if facts.linear:
        return None if facts.n_samples in (1, 3) else f"a linear DNG of {facts.n_samples} colours"
    if facts.compression == LOSSY_JPEG:
        return "a mosaic in lossy JPEG, which is not read"
    if facts.plane_colors != _RGB:
        return f"a mosaic of the colours {_names(facts.plane_colors)}, in this order; expected red, green, blue"
    if facts.cfa_layout != 1:
        return f"a mosaic of staggered rows or columns (CFALayout {facts.cfa_layout}), which is not read"
    return None if facts.cfa is None else _unsupported_cell(facts.cfa)


def _unsupported_cell(cfa: npt.NDArray[np.uint8]) -> str | None:
    rows, columns = cfa.shape
    if max(cfa.ravel()) > 2:
        return f"a mosaic of the colours {_names(sorted(set(cfa.ravel().tolist())))}; expected red, green, blue"
    if (rows, columns) == (2, 2):
        return None if _letters(cfa) in CFA_PATTERNS else f"the mosaic {_letters(cfa)}, no Bayer cell"
    if (rows, columns) == (6, 6) and _letters(cfa) in _xtrans_shifts():
        return None
    if (rows, columns) == (4, 4) and _letters(cfa[::2, ::2]) in CFA_PATTERNS and _is_in_blocks(cfa):
        return "a Quad Bayer mosaic (blocks of 2 x 2 pixels of one colour), which is not read"
    return f"a mosaic whose cell of {rows} x {columns} pixels is neither a Bayer cell of 2 x 2 nor X-Trans"


def _is_in_blocks(cfa: npt.NDArray[np.uint8]) -> bool:
    return np.array_equal(cfa, cfa[::2, ::2].repeat(2, axis=0).repeat(2, axis=1))


def _xtrans_shifts() -> set[str]:
    """Return the X-Trans cell from each corner at which it may begin, and its mirror images."""
    cell = np.array(["RGB".index(letter) for letter in XTRANS]).reshape(6, 6)
    return {
        _letters(np.roll(seen, (down, across), (0, 1)))
        for seen in (cell, cell.T)
        for down in range(6)
        for across in range(6)
    }


def _letters(cfa: npt.NDArray[np.integer]) -> str:
    return "".join("RGB"[color] for color in cfa.ravel())


def _names(colors: Sequence[int]) -> str:
    return ", ".join(_COLOR_NAMES[color] if color < len(_COLOR_NAMES) else f"number {color}" for color in colors)
