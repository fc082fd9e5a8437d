"""`DeblurringDisplay`: a photograph before and after deblurring, and the kernels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.displays.axes import Array, Panels, grid_of_axes, show_picture
from ispfit.images import FloatImage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ispfit.deblur import Deblurred

__all__ = ["DeblurringDisplay"]

_ZOOM = 3  # share of the sides that the lower row shows: one third
_INSET = 0.25  # side of a kernel, as a share of the panel


class DeblurringDisplay:
    """A blurred photograph and what deblurring in one or more ways makes of it; below, their middle with the kernel.

    Parameters
    ----------
    before : float image, H x W x 3
        The blurred srgb in [0, 1].
    results : mapping of str to `ispfit.deblur.Deblurred`
        The results by their titles, such as ``"sRGB space"``.

    Attributes
    ----------
    ax_ : ndarray of Axes, (2, 1 + n_results)
    figure_ : matplotlib.figure.Figure
    """

    ax_: Panels
    figure_: Figure

    def __init__(self, before: FloatImage, results: Mapping[str, Deblurred]) -> None:
        self.before, self.results = before, results

    def plot(self, ax: Any = None) -> DeblurringDisplay:
        """Draw the panels.

        Parameters
        ----------
        ax : Axes, or array of Axes, one for each panel
            Where to draw; None makes a new figure.
        """
        pictures = {"before": np.asarray(self.before)}
        pictures |= {title: np.asarray(result.image) for title, result in self.results.items()}
        height, width = self.before.shape[:2]
        self.figure_, self.ax_ = grid_of_axes(ax, 2, len(pictures), (4.5, 4.5 * height / width + 0.3))
        for (whole, middle), (title, picture) in zip(self.ax_.T, pictures.items(), strict=True):
            show_picture(whole, picture, title)
            show_picture(middle, _middle(picture), "")
            if title in self.results:
                inset = middle.inset_axes((0, 0, _INSET * min(1, height / width), _INSET * min(1, width / height)))
                show_picture(inset, self.results[title].kernel, "", cmap="gray")
        return self


def _middle(picture: Array) -> Array:
    height, width = (max(1, side // _ZOOM) for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]
