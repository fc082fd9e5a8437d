"""The error of renderings by what is rendered: its brightness, its saturation, its place, the ISO speed of the shot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError
from ispfit.images import FloatImage, Image, shots_of

__all__ = ["CLIPPED", "DARK", "QUANTITIES", "ErrorGroups", "error_groups"]

DARK = 13 / 255
"""Mean of R, G and B of an srgb below which a pixel is dark."""

CLIPPED = 254.5 / 255
"""Value of a channel of an srgb from which a pixel is clipped; of a raw it is 0.98."""

QUANTITIES = {
    "brightness": "brightness of the srgb",
    "saturation": "saturation of the srgb",
    "distance": "distance from the centre",
    "iso": "ISO speed",
}
"""By what errors are grouped, and the label of each."""

_CLIPPED_RAW = 0.98
_EDGES = np.linspace(0, 1, 9)
_ISOS = (0, 150, 300, 600, 1200, 2400, 4800, np.inf)

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ErrorGroups:
    """Errors of all pixels of some shots, grouped by one quantity.

    Clipped and dark pixels are in the last two groups, whatever the quantity is, and in none of the others.

    Parameters
    ----------
    quantity : str
        A key of `QUANTITIES`.
    labels : list of n str
        Names of the groups.
    centers : float64 (n,)
        The middle of each group; NaN for the clipped and the dark pixels. A distance of 1 is a corner of the image. An
        ISO speed is the mean of its shots.
    share : float64 (n,)
        Share of all pixels.
    rms, bias : float64 (n,)
        Root mean square error and mean error (rendered - true) in 8-bit codes, of raws: linear, times 255. NaN for an
        empty group.
    """

    quantity: str
    labels: list[str]
    centers: _Array
    share: _Array
    rms: _Array
    bias: _Array


def error_groups(
    raws: Sequence[FloatImage],
    srgbs: Sequence[FloatImage],
    estimates: Sequence[FloatImage],
    quantity: str,
    direction: str = "forward",
) -> ErrorGroups:
    """Group the errors of what was rendered from raws, or derendered from srgbs.

    Parameters
    ----------
    raws, srgbs : sequences of float32 H x W x 3 in [0, 1]
        The pairs.
    estimates : sequence of float32 H x W x 3
        What stands for the srgbs, or, in the inverse direction, for the raws.
    quantity : {"brightness", "saturation", "distance", "iso"}
        Brightness is the mean of R, G and B of the srgb; saturation is 1 - min / max of them; distance is that from the
        centre, 1 in the corners.
    direction : {"forward", "inverse"}

    Raises
    ------
    InputError
        If there is no such quantity, or no shot has an ISO speed.
    """
    if quantity not in QUANTITIES:
        raise InputError(f"quantity: expected one of {', '.join(QUANTITIES)}, got {quantity!r}.")
    isos = [shot.iso for shot in shots_of(raws)]
    if quantity == "iso" and not any(isos):
        raise InputError('quantity: no shot has an ISO speed; leave out "iso".')
    edges = np.array(_ISOS if quantity == "iso" else _EDGES)
    n_groups = len(edges) + 1  # between the edges, and two more
    sums = np.zeros((n_groups, 4))  # number, squared error, error, quantity
    for raw, srgb, estimate, iso in zip(raws, srgbs, estimates, isos, strict=True):
        pair = np.asarray(raw), np.asarray(srgb)
        values = np.full(pair[1].shape[:2], iso or np.nan) if quantity == "iso" else _values(pair[1], quantity)
        index = _groups(pair, values, edges)
        error = 255 * (np.asarray(estimate, np.float64) - pair[direction == "forward"])
        for column, weights in enumerate((np.ones_like(values), (error**2).mean(2), error.mean(2), values)):
            sums[:, column] += np.bincount(index.ravel(), weights.ravel(), n_groups + 1)[:n_groups]
    return _summed(quantity, edges, sums)


def _values(srgb: FloatImage, quantity: str) -> _Array:
    if quantity == "brightness":
        return np.asarray(srgb.mean(2), np.float64)
    if quantity == "saturation":
        return np.asarray(1 - srgb.min(2) / np.maximum(srgb.max(2), 1e-6), np.float64)
    y, x = ((np.arange(side) + 0.5 - side / 2) for side in srgb.shape[:2])
    return np.asarray(np.hypot(y[:, None], x) / (np.hypot(*srgb.shape[:2]) / 2))


def _groups(pair: tuple[Image | FloatImage, Image | FloatImage], values: _Array, edges: _Array) -> npt.NDArray[np.intp]:
    """Return the group of each pixel; one beyond the last for those of unknown value."""
    raw, srgb = pair
    n_between = len(edges) - 1
    index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, n_between - 1)
    index[np.isnan(values)] = n_between + 2
    index[srgb.mean(2) < DARK] = n_between + 1
    index[(srgb.max(2) >= CLIPPED) | (raw.max(2) >= _CLIPPED_RAW)] = n_between
    return index


def _summed(quantity: str, edges: _Array, sums: _Array) -> ErrorGroups:
    counts = sums[:, 0]
    with np.errstate(invalid="ignore"):
        mean_square, bias, mean = (sums[:, 1:] / counts[:, None]).T
    centers = mean.copy() if quantity == "iso" else np.append((edges[1:] + edges[:-1]) / 2, [np.nan, np.nan])
    centers[-2:] = np.nan
    names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return ErrorGroups(
        quantity, [*names, "clipped", "dark"], centers, counts / counts.sum(), np.sqrt(mean_square), bias
    )
