"""Find the part of two aligned images that both show."""

from __future__ import annotations

from bisect import bisect_left
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Mask", "shared_box"]

Mask: TypeAlias = npt.NDArray[np.bool_]


def shared_box(valid: Mask, target: tuple[int, int] | None = None) -> tuple[slice, slice]:
    """Return rows and columns of the largest fully valid box, centred on the valid area.

    Parameters
    ----------
    valid : bool (H, W), the pixels that two images share.
    target : (height, width) in pixels. The box gets its proportions if it is then at least as large. Otherwise each
        side of the box is as long as that of `target`, or as the valid area allows if that is shorter. None gives the
        box the proportions of the valid area.
    """
    if target is not None:
        box = _largest_box(valid, target)
        if all(side.stop - side.start >= wanted for side, wanted in zip(box, target, strict=True)):
            return box
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    shared = _largest_box(valid, (int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1))
    return shared if target is None else (_middle(shared[0], target[0]), _middle(shared[1], target[1]))


def _middle(side: slice, length: int) -> slice:
    """The middle `length` pixels of a side, or all of a shorter one."""
    start = side.start + max(0, side.stop - side.start - length) // 2
    return slice(start, min(start + length, side.stop))


def _largest_box(valid: Mask, aspect: tuple[int, int]) -> tuple[slice, slice]:
    """The largest fully valid box of the proportions `aspect`, centred on the valid area."""
    rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    middle = ((rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2)
    holes = np.pad(np.cumsum(np.cumsum(~valid, axis=0), axis=1), ((1, 0), (1, 0)))

    def box(longer_side: int) -> tuple[slice, slice]:
        sides = [max(1, side * longer_side // max(aspect)) for side in aspect]
        top, left = (round(centre - side / 2) for centre, side in zip(middle, sides, strict=True))
        return slice(top, top + sides[0]), slice(left, left + sides[1])

    def has_holes(longer_side: int) -> bool:
        (top, bottom), (left, right) = ((side.start, side.stop) for side in box(longer_side))
        if top < 0 or left < 0 or bottom > valid.shape[0] or right > valid.shape[1]:
            return True
        return bool(holes[bottom, right] - holes[top, right] - holes[bottom, left] + holes[top, left])

    longest = min(side * max(aspect) // length for side, length in zip(valid.shape, aspect, strict=True))
    return box(bisect_left(range(1, longest + 1), True, key=has_holes))
