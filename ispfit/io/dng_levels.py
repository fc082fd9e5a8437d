"""Turn the stored samples of a DNG into linear light: black and white levels, and the opcodes after them."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ispfit.errors import FileError, InputWarning
from ispfit.images import FloatImage
from ispfit.io.dng_facts import DngFacts
from ispfit.io.dng_opcodes import VALUE_OPCODES, Opcode, apply_opcodes, parse_opcodes

__all__ = ["apply_opcode_list", "libraw_knows_levels", "linear_light", "warn_of_opcodes"]

_HARMLESS = {"WarpRectilinear", "WarpFisheye", "WarpRectilinear2", "FixBadPixelsConstant", "FixBadPixelsList"}


def libraw_knows_levels(facts: DngFacts, source: Path) -> bool:
    """Return whether LibRaw applies the levels of a mosaic as the file gives them.

    LibRaw rounds black levels, takes the mean of those that differ by row or column, replaces them by the mean of the
    masked areas, has one for each of four filters only, counted from an even corner, and applies no opcodes.
    """
    cell = facts.black_cell
    at_even_corner = facts.active_area[0] % 2 == 0 and facts.active_area[1] % 2 == 0
    return (
        bool(np.ptp(cell) == 0 or (cell.shape[:2] == (2, 2) and at_even_corner))
        and bool(np.all(cell == np.rint(cell)))
        and not (facts.black_rows or facts.black_columns or facts.masked)
        and not VALUE_OPCODES.intersection(opcode.name for opcode in _opcodes(2, facts, source))
    )


def linear_light(
    codes: npt.NDArray[np.unsignedinteger], facts: DngFacts, default_white: float, source: Path
) -> FloatImage:
    """Return linear light in [0, 1], float32 H x W x samples, of the active area.

    Black is subtracted, the rest is divided by the white level minus the highest black of its plane, and then
    OpcodeList2 is applied: Adobe DNG Specification 1.7, chapter 5.

    Parameters
    ----------
    codes : stored samples H x W x samples after the linearisation table, the whole sensor.
    facts : of the file.
    default_white : the white level of a file that gives none.
    source : the file, for messages.

    Raises
    ------
    FileError
        If a white level is not above its black level, or an opcode is damaged.
    """
    top, left, bottom, right = facts.active_area
    light = codes[top:bottom, left:right].astype(np.float32)
    black = _subtract_black(light, facts)
    white = np.array(facts.white_levels or [default_white] * facts.n_samples)
    if np.any(white <= black):
        raise FileError(
            f"{source}: the file is damaged: its white level {white.min():g} is not above its black level "
            f"{black.max():g}."
        )
    light /= (white - black).astype(np.float32)
    np.clip(light, 0, 1, out=light)
    apply_opcode_list(2, light, facts, source)
    return light


def apply_opcode_list(number: int, light: FloatImage, facts: DngFacts, source: Path) -> None:
    """Apply OpcodeList2 (to samples) or OpcodeList3 (to camera RGB) in place; see `dng_opcodes.apply_opcodes`.

    Raises
    ------
    FileError
        If an opcode is damaged.
    """
    top, left, bottom, right = facts.active_area
    opcodes = _opcodes(number, facts, source)
    try:
        apply_opcodes(opcodes, light, (bottom - top, right - left))
    except ValueError as error:
        raise FileError(_damaged(number, source, error)) from error


def warn_of_opcodes(facts: DngFacts, source: Path) -> None:
    """Warn of opcodes that are not applied, unless they only move pixels or mend single ones."""
    before = [
        opcode.name for opcode in _opcodes(1, facts, source)
    ]  # of the stored samples, which LibRaw maps to linear
    after = [opcode.name for number in (2, 3) for opcode in _opcodes(number, facts, source)]
    left_out = {*before, *(name for name in after if name not in VALUE_OPCODES)} - _HARMLESS
    if left_out:
        names = ", ".join(sorted(left_out))
        warnings.warn(f"{source}: these opcodes of the DNG are not applied: {names}.", InputWarning, stacklevel=4)


def _subtract_black(light: FloatImage, facts: DngFacts) -> npt.NDArray[np.float64]:
    """Subtract the black level of each pixel in place; return the highest of each plane."""
    by_row = np.array(facts.black_rows or [0.0] * light.shape[0])[:, None, None]
    by_column = np.array(facts.black_columns or [0.0] * light.shape[1])[None, :, None]
    rows, columns, n_samples = facts.black_cell.shape
    highest = np.full(n_samples, -np.inf)
    for row, column in itertools.product(range(min(rows, len(light))), range(min(columns, light.shape[1]))):
        rest = by_row[row::rows], by_column[:, column::columns]
        light[row::rows, column::columns] -= (facts.black_cell[row, column] + rest[0]).astype(np.float32)
        light[row::rows, column::columns] -= rest[1].astype(np.float32)
        highest = np.maximum(highest, facts.black_cell[row, column] + rest[0].max() + rest[1].max())
    return highest


def _opcodes(number: int, facts: DngFacts, source: Path) -> list[Opcode]:
    try:
        return parse_opcodes(facts.opcodes[number - 1])
    except ValueError as error:
        raise FileError(_damaged(number, source, error)) from error


def _damaged(number: int, source: Path, error: ValueError) -> str:
    return f"{source}: OpcodeList{number} of the DNG is damaged: {error}."
