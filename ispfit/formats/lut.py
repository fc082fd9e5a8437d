"""3D look-up tables: colours in, colours out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError
from ispfit.images import FloatImage

__all__ = ["Interpolation", "Lut", "lut_nodes"]

Interpolation = Literal["trilinear", "tetrahedral"]

_BLOCK_PIXELS = 1 << 17


def lut_nodes(size: int) -> FloatImage:
    """Return the nodes of a table, float32 (size**3, 3) in [0, 1]: red varies fastest, then green, then blue."""
    steps = np.linspace(0, 1, size, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([red, green, blue], -1).reshape(-1, 3)


@dataclass(frozen=True)
class Lut:
    """A table of colours at the nodes of a lattice.

    Parameters
    ----------
    table : float32 (size, size, size, 3), the colours at `lut_nodes`; the axes are blue, green, red.
    shaper : float32 (n,), a rising curve from 0 to 1 at n evenly spaced inputs, which each channel goes through before
        the table is looked up; None for none.
    """

    table: FloatImage
    shaper: FloatImage | None = None

    @property
    def size(self) -> int:
        """Number of nodes on a side."""
        return len(self.table)

    def apply(self, colors: npt.NDArray[Any], interpolation: Interpolation = "trilinear") -> FloatImage:
        """Look colours up.

        Parameters
        ----------
        colors : floats (..., 3); those outside [0, 1] are clipped.
        interpolation : ``"trilinear"``, between the eight nodes around a colour, or ``"tetrahedral"``, between four of
            them, as most programs do.

        Returns
        -------
        float32 (..., 3).
        """
        if interpolation not in get_args(Interpolation):
            raise InputError(f"interpolation: expected trilinear or tetrahedral, got {interpolation!r}.")
        look_up = _trilinear if interpolation == "trilinear" else _tetrahedral
        flat = np.clip(np.asarray(colors, np.float32), 0, 1).reshape(-1, 3)
        found = np.empty_like(flat)
        for start in range(0, len(flat), _BLOCK_PIXELS):
            block = flat[start : start + _BLOCK_PIXELS]
            if self.shaper is not None:
                block = np.interp(block, np.linspace(0, 1, len(self.shaper)), self.shaper).astype(np.float32)
            found[start : start + _BLOCK_PIXELS] = look_up(self.table, block)
        return found.reshape(colors.shape)


def _cells(table: FloatImage, colors: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return for each colour the number of the first node of its cell, and its place (n, 3) in the cell from 0 to 1."""
    size = len(table)
    places = colors * (size - 1)
    first = np.minimum(places.astype(np.int64), size - 2)
    return first @ _strides(size), places - first


def _strides(size: int) -> npt.NDArray[np.int64]:
    return np.array([1, size, size * size])


def _trilinear(table: FloatImage, colors: npt.NDArray[Any]) -> FloatImage:
    first, place = _cells(table, colors)
    nodes, strides = table.reshape(-1, 3), _strides(len(table))
    found = np.zeros((len(colors), 3), np.float32)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, place, 1 - place), axis=1, dtype=np.float32)
        found += weight[:, None] * nodes[first + strides @ corner]
    return found


def _tetrahedral(table: FloatImage, colors: npt.NDArray[Any]) -> FloatImage:
    """Go from the first node of a cell to its last one along the channels, that of the largest place first."""
    node, place = _cells(table, colors)
    nodes, strides = table.reshape(-1, 3), _strides(len(table))
    order = np.argsort(-place, axis=1)
    shares = np.take_along_axis(place, order, 1).astype(np.float32)
    found = nodes[node] * (1 - shares[:, :1])
    for step in range(3):
        node = node + strides[order[:, step]]
        share = shares[:, step] - (shares[:, step + 1] if step < 2 else 0)
        found += nodes[node] * share[:, None]
    return np.asarray(found, np.float32)
