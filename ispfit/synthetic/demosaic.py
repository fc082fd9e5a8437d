"""The demosaicing of the virtual cameras."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ispfit.images import FloatImage

__all__ = ["demosaic"]

# H. S. Malvar, L. He, R. Cutler, "High-Quality Linear Interpolation for Demosaicing of Bayer-Patterned Color Images",
# ICASSP 2004, figure 2: the mean of the neighbours of the wanted colour, corrected by the gradient of the pixel's own.
_GREEN = np.array([[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]], np.float32)
_SAME_ROW = np.array(
    [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]], np.float32
)
_DIAGONAL = np.array(
    [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]], np.float32
)


def demosaic(mosaic: npt.NDArray[np.float32], cfa: str) -> FloatImage:
    """Return the RGB of a Bayer mosaic, interpolated by gradient-corrected linear filters (Malvar et al. 2004).

    Parameters
    ----------
    mosaic : float32 array H x W, white-balanced, in [0, 1].
    cfa : colours of the 2 x 2 cell at the top left, row by row, such as ``"RGGB"``.

    Returns
    -------
    float32 array H x W x 3 in [0, 1].
    """
    green = _filter(mosaic, _GREEN)
    same_row, same_column = _filter(mosaic, _SAME_ROW), _filter(mosaic, _SAME_ROW.T)
    diagonal = _filter(mosaic, _DIAGONAL)
    rgb = np.empty((*mosaic.shape, 3), np.float32)
    for position, color in enumerate(cfa):
        row, column = divmod(position, 2)
        cell = np.s_[row::2, column::2]
        for channel, wanted in enumerate("RGB"):
            if wanted == color:
                source = mosaic
            elif wanted == "G":
                source = green
            elif color == "G":
                source = same_row if cfa[2 * row + 1 - column] == wanted else same_column
            else:
                source = diagonal
            rgb[cell][..., channel] = source[cell]
    return np.clip(rgb, 0, 1)


def _filter(mosaic: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # "mirror" reflects about the outermost pixel, so that colours keep their places in the cell.
    result: npt.NDArray[np.float32] = ndimage.correlate(mosaic, weights / 8, mode="mirror")
    return result
