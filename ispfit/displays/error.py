"""`ErrorDisplay`: where a model errs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.analysis.error_groups import QUANTITIES, ErrorGroups, error_groups
from ispfit.analysis.frames import data_frame
from ispfit.displays.axes import COLORS, GREY, add_grid, first_axis, grid_of_axes
from ispfit.images import FloatImage, check_images, shots_of
from ispfit.io import read_raw, read_srgb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ispfit.estimator import ISPModel

__all__ = ["ErrorDisplay"]

_MIN_SHARE = 1e-3  # of all pixels, in a group that is drawn


class ErrorDisplay:
    """The error by brightness, saturation, distance from the centre and ISO speed, clipped and dark pixels apart.

    Parameters
    ----------
    groups : list of ErrorGroups
        One for each panel.

    Attributes
    ----------
    ax_ : Axes, or ndarray of Axes (1, n_panels) if there are several
    figure_ : matplotlib.figure.Figure
    """

    ax_: Any
    figure_: Figure

    def __init__(self, groups: Sequence[ErrorGroups]) -> None:
        self.groups = groups

    @classmethod
    def from_estimator(
        cls,
        estimator: ISPModel,
        X: Any,
        Y: Any,
        *,
        by: Sequence[str] | None = None,
        direction: str = "forward",
        ax: Any = None,
        **style: Any,
    ) -> ErrorDisplay:
        """Render pairs with a fitted model, and plot its errors.

        Parameters
        ----------
        estimator : ISPModel
        X, Y : sequences of raws and of srgbs, or of paths
        by, direction, ax, **style : as for `from_predictions`.
        """
        predictions = estimator.transform(X) if direction == "forward" else estimator.inverse_transform(Y)
        return cls.from_predictions(X, Y, predictions, by=by, direction=direction, ax=ax, **style)

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        Y: Any,
        predictions: Sequence[FloatImage],
        *,
        by: Sequence[str] | None = None,
        direction: str = "forward",
        ax: Any = None,
        **style: Any,
    ) -> ErrorDisplay:
        """Plot the errors of what something has made of pairs.

        Parameters
        ----------
        X, Y : sequences of raws and of srgbs, or of paths
        predictions : sequence of images
            srgbs, or raws in the inverse direction.
        by : list of {"brightness", "saturation", "distance", "iso"}, optional
            One panel for each; by default all that are known of the shots.
        direction : {"forward", "inverse"}
        ax, **style : as for `plot`.
        """
        raws, srgbs = check_images(X, "X", read_raw), check_images(Y, "Y", read_srgb)
        if by is None:
            has_iso = any(shot.iso for shot in shots_of(raws))
            by = [quantity for quantity in QUANTITIES if quantity != "iso" or has_iso]
        return cls([error_groups(raws, srgbs, predictions, each, direction) for each in by]).plot(ax, **style)

    def plot(self, ax: Any = None, **style: Any) -> ErrorDisplay:
        """Draw a panel for each quantity.

        A solid line is the root mean square error, a dashed one the mean error. Marks at the right are clipped and dark
        pixels, which are in no other group. Groups of less than a thousandth of the pixels are left out; `frame` has
        them.

        Parameters
        ----------
        ax : Axes, or array of Axes, one for each panel
            Where to draw; None makes a new figure.
        **style : of the lines, as for `matplotlib.axes.Axes.plot`.
        """
        self.figure_, axes = grid_of_axes(ax, 1, len(self.groups), (3.6, 3.2))
        for axis, groups in zip(axes[0], self.groups, strict=True):
            _draw(axis, groups, style)
        limits = np.array([axis.get_ylim() for axis in axes[0]])
        for axis in axes[0]:
            axis.set_ylim(limits[:, 0].min(), limits[:, 1].max())
        axes[0, 0].set_ylabel("error, 8-bit codes")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        axes[0, -1].legend(handles, labels, frameon=False, fontsize=8)
        self.ax_ = first_axis(axes)
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row for each quantity and group: share of pixels, rms and bias in 8-bit codes."""
        rows = [
            (each.quantity, *row)
            for each in self.groups
            for row in zip(each.labels, each.share, each.rms, each.bias, strict=True)
        ]
        names = ("quantity", "group", "share", "rms", "bias")
        return data_frame(dict(zip(names, zip(*rows, strict=True), strict=True)))


def _draw(axis: Axes, groups: ErrorGroups, style: dict[str, Any]) -> None:
    """Draw the groups at their numbers; the last two are the clipped and the dark pixels."""
    kept = [index for index, share in enumerate(groups.share) if share >= _MIN_SHARE]
    between = [index for index in kept if index < len(groups.labels) - 2]
    places = np.arange(len(between))
    axis.plot(places, groups.rms[between], **({"color": COLORS[0], "marker": "o", "label": "rms"} | style))
    axis.plot(places, groups.bias[between], **({"color": COLORS[1], "linestyle": "--", "label": "mean"} | style))
    apart = [index for index in kept if index not in between]
    sides = len(between) + 0.5 + np.arange(len(apart))
    axis.scatter(sides, groups.rms[apart], color=COLORS[0], marker="D")
    axis.scatter(sides, groups.bias[apart], facecolors="none", edgecolors=COLORS[1], marker="D")
    axis.axhline(0, color=GREY, linewidth=0.8)
    axis.set_xticks([*places, *sides], [_tick(groups, index) for index in [*between, *apart]], rotation=45, fontsize=8)
    axis.set_xlabel(QUANTITIES[groups.quantity])
    add_grid(axis)
    axis.grid(visible=False, axis="x")


def _tick(groups: ErrorGroups, index: int) -> str:
    center = groups.centers[index]
    if np.isnan(center):
        return groups.labels[index]
    return f"{center:.0f}" if groups.quantity == "iso" else f"{center:.2f}"
