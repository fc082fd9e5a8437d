"""Check the JPEG tiles of a DNG, lossless or of 12 bits: LibRaw decodes damaged ones without an error."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ispfit.errors import FileError
from ispfit.io.dng_facts import DngFacts
from ispfit.io.jpeg_damage import decode_strictly
from ispfit.io.jpeg_precision import as_8_bits
from ispfit.io.jpeg_scans import EOI, Frame, first_picture
from ispfit.io.tile_borders import torn_tiles

__all__ = ["check_jpeg_tiles"]

_JPEG = 7  # of the tag Compression
_CORRUPT = ("Corrupt JPEG data", "Premature end")  # how libjpeg begins what it reports of codes
_PADDING = b"\x00\xff"
_MAX_CLAIM = 2  # pixels that a tile may claim, relative to the samples of the image
_EXAMPLES = 16  # sound tiles that show how the camera ends its codes
_MAX_ODD_BYTES = 2  # that a camera may add, if no sound tile shows that it does not
_MIDDLE = 128  # of 8 bits
_MAX_OUTSIDE = 0.002  # share of the blocks; quantisation moves none by more than half a step


def check_jpeg_tiles(samples: npt.NDArray[np.uint16], facts: DngFacts, source: Path) -> None:
    """Raise a `FileError` if a JPEG tile of a DNG is damaged, as far as its codes tell.

    They tell if they are too few or too many for their pixels, invalid, or make values that the number of bits does not
    hold. Lossless codes take long to read, so only tiles whose borders jump are looked at: a wrong code shifts what
    follows it.

    Parameters
    ----------
    samples : what LibRaw decoded, H x W or H x W x samples.
    facts : of the DNG; one of another compression is not checked.
    source : its file.
    """
    if facts.compression != _JPEG or samples.shape[:2] != (facts.height, facts.width):
        return
    places = facts.tags.segments()
    torn = torn_tiles(samples, facts.tile, (1, 1) if facts.cfa is None else facts.cfa.shape)
    if len(places) != len(torn):
        return
    with source.open("rb") as file:

        def read(number: int) -> Frame | None:
            file.seek(places[number][0])
            frame = first_picture(file.read(places[number][1]))
            return None if frame is None or math.prod(frame.size) > _MAX_CLAIM * samples.size else frame

        first = read(0)
        lossless = first is not None and first.coding == "lossless"
        sound = np.flatnonzero(~torn)[:_EXAMPLES].tolist()
        for number in np.flatnonzero(torn).tolist() if lossless else range(len(places)):
            problem = _problem(read, number, sound)
            if problem:
                raise FileError(f"{source}: the DNG is damaged: tile {number + 1} of {len(places)}: {problem}.")


def _problem(read: Callable[[int], Frame | None], number: int, sound: list[int]) -> str:
    """Return what is wrong with the codes of a tile; nothing if all is well, or if it is of a kind that is not read."""
    try:
        if not _has_surplus(read(number), 0 if sound else _MAX_ODD_BYTES):
            return ""
    except ValueError as error:
        return str(error).rstrip(".")
    for other in sound:
        with contextlib.suppress(ValueError):
            if _has_surplus(read(other), 0):
                return ""
    return "it holds more codes than its pixels need"


def _has_surplus(frame: Frame | None, spare: int) -> bool:
    """Whether a lossless frame has more than `spare` bytes of codes that it does not need.

    Raises
    ------
    ValueError
        With what is wrong with the codes.
    """
    relabelled = None if frame is None else as_8_bits(frame)
    if frame is None or relabelled is None:
        return False
    eight_bits, step = relabelled
    try:
        needed, means = decode_strictly(eight_bits)
    except ValueError as error:
        if str(error).startswith(_CORRUPT):
            raise
        return False
    if frame.coding == "lossless":
        return _decodes_without(1 + spare, needed)
    if _are_outside(means, frame.bits, step):
        raise ValueError(f"its values are shifted beyond {frame.bits} bits")
    return False  # a surplus block is longer than the bytes that libjpeg reads ahead, and reported above


def _decodes_without(n_bytes: int, frame: Frame) -> bool:
    """Whether a frame lacks nothing without its last codes; libjpeg does not report what it only read ahead."""
    codes = frame.data.removesuffix(EOI).rstrip(_PADDING)[:-n_bytes]
    try:
        decode_strictly(replace(frame, data=codes + EOI))
    except ValueError:
        return False
    return True


def _are_outside(means: npt.NDArray[np.uint8], bits: int, step: int) -> bool:
    """Whether means of blocks, divided by `step`, are outside of the range of samples of `bits`."""
    reach = (1 << bits - 1) // step + 1
    outside = np.abs(means.astype(int) - _MIDDLE) > reach + 1
    return bool(outside.mean() > _MAX_OUTSIDE)
