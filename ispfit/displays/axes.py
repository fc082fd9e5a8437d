"""What the displays share: axes to draw on, colours, pictures, scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ispfit.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLORS", "GREY", "Array", "Panels", "add_grid", "first_axis", "grid_of_axes", "show_picture"]

Array: TypeAlias = npt.NDArray[Any]

Panels: TypeAlias = npt.NDArray[np.object_]
"""A grid of Matplotlib axes, rows x columns."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind readers tell apart: M. Okabe and K. Ito, "Color Universal Design", 2008."""

GREY = "#777777"


def grid_of_axes(ax: Any, n_rows: int, n_columns: int, panel: tuple[float, float]) -> tuple[Figure, Panels]:
    """Return the figure to draw on and its axes, rows x columns.

    Parameters
    ----------
    ax : Axes, array of Axes, or None
        As scikit-learn's displays take it. None makes a new figure. Axes for several panels are replaced by a grid of
        panels in their place. An array holds one Axes for each panel.
    n_rows, n_columns : int
    panel : width and height of a panel in inches, in a new figure.

    Raises
    ------
    InputError
        If an array does not hold one Axes for each panel.
    """
    if ax is None:
        from matplotlib import pyplot as plt

        size = (panel[0] * n_columns, panel[1] * n_rows)
        figure, axes = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained", squeeze=False)
        return figure, axes
    if not hasattr(ax, "get_subplotspec"):
        axes = np.array(ax, dtype=object)
        if axes.size != n_rows * n_columns:
            raise InputError(f"ax: expected {n_rows * n_columns} axes, one for each panel, got {axes.size}.")
        return axes.flat[0].figure, axes.reshape(n_rows, n_columns)
    if n_rows * n_columns == 1:
        return ax.figure, np.array([[ax]], dtype=object)
    ax.set_axis_off()
    place = ax.get_subplotspec()
    if place is None:
        raise InputError(f"ax: expected axes of a grid, to be divided into {n_rows * n_columns} panels, got free axes.")
    return ax.figure, place.subgridspec(n_rows, n_columns).subplots(squeeze=False)


def first_axis(axes: Panels) -> Any:
    """Return what a display keeps as ``ax_``: the Axes if there is one panel, else the array of them."""
    return axes[0, 0] if axes.size == 1 else axes


def show_picture(axis: Axes, picture: Array, title: str, **style: Any) -> Any:
    """Show an encoded picture (H, W, 3), or a map (H, W), without ticks; return the artist."""
    shown = np.clip(picture, 0, 1) if picture.ndim == 3 else picture
    artist = axis.imshow(shown, **({"interpolation": "nearest"} | style))
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()
    return artist


def add_grid(axis: Axes) -> None:
    """Draw light grid lines behind the data, and no frame above and to the right of it."""
    axis.grid(alpha=0.3, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
