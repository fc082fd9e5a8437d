"""Write LUTs as .cube files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ispfit.errors import InputError
from ispfit.files import atomic_path
from ispfit.formats.lut import Lut
from ispfit.images import FloatImage

__all__ = ["Dialect", "write_cube"]

Dialect = Literal["adobe", "resolve"]


def write_cube(
    path: str | os.PathLike[str], lut: Lut, *, title: str = "ispfit", dialect: Dialect = "adobe", comment: str = ""
) -> None:
    """Write a LUT as a .cube file, with seven digits.

    Parameters
    ----------
    path : ``.cube``; replaced if it exists, and never left half-written.
    lut : from colours in [0, 1], which is every program's domain by default, so that no lines tell it.
    title : of the LUT.
    dialect : ``"adobe"``: a 3D table alone (Adobe, Cube LUT Specification 1.0, 2013), which every program reads.
        ``"resolve"``: a 1D table, the shaper, before it (DaVinci Resolve), which darktable and others refuse.
    comment : lines that programs skip, such as how the LUT was made.

    Raises
    ------
    InputError
        If the suffix or the dialect is wrong, or the dialect has no place for the LUT's shaper.
    FileError
        If the file cannot be written.
    """
    final = Path(path)
    if final.suffix.lower() != ".cube":
        raise InputError(f"path: expected a name that ends in .cube, got {final.name!r}.")
    if dialect not in get_args(Dialect):
        raise InputError(f"dialect: expected adobe or resolve, got {dialect!r}.")
    if lut.shaper is not None and dialect == "adobe":
        raise InputError("dialect: a .cube file of Adobe's dialect has no shaper; write that of Resolve.")
    with atomic_path(final) as temporary, temporary.open("w", encoding="ascii", errors="replace", newline="\n") as file:
        file.writelines(f"{line}\n" for line in _lines(lut, title, comment))


def _lines(lut: Lut, title: str, comment: str) -> Iterator[str]:
    yield from (f"# {line}" for line in comment.splitlines())
    quoted = title.replace('"', "'").replace("\n", " ")
    if lut.shaper is not None:
        yield f"# {quoted}"  # readers of Resolve's dialect refuse a line TITLE
        yield f"LUT_1D_SIZE {len(lut.shaper)}"
        yield "LUT_1D_INPUT_RANGE 0.0 1.0"
        yield f"LUT_3D_SIZE {lut.size}"
        yield "LUT_3D_INPUT_RANGE 0.0 1.0"
        yield from _rows(np.repeat(lut.shaper[:, None], 3, axis=1))
    else:
        yield f'TITLE "{quoted}"'
        yield f"LUT_3D_SIZE {lut.size}"
    yield from _rows(lut.table.reshape(-1, 3))


def _rows(colors: FloatImage) -> Iterator[str]:
    return (f"{red:.7f} {green:.7f} {blue:.7f}" for red, green, blue in colors.tolist())
