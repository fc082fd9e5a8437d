"""`HistogramDisplay`: the bins of a learnable histogram, beside where they began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.analysis.frames import data_frame
from ispfit.backbones.parts.histogram import LearnableHistogram
from ispfit.displays.axes import COLORS, GREY, Array, Panels, add_grid, grid_of_axes
from ispfit.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ispfit.estimator import ISPModel

__all__ = ["HistogramDisplay"]

_CHANNELS = ("L", "r", "g")


class HistogramDisplay:
    """The votes of a learnable histogram by the value of L, r and g, one panel for each.

    Parameters
    ----------
    centers, widths : arrays (3, n_bins)
        The learned bins of L, r and g: a value x votes ``max(0, 1 - |x - center| width)`` for a bin (Eq. 3 of the
        paper, where w is a slope).
    gamma : float
        The histogram is of ``x ** (1 / gamma)``.

    Attributes
    ----------
    ax_ : ndarray of Axes, (1, 3)
    figure_ : matplotlib.figure.Figure
    """

    ax_: Panels
    figure_: Figure

    def __init__(self, centers: Array, widths: Array, gamma: float = 1.0) -> None:
        self.centers, self.widths, self.gamma = np.asarray(centers), np.asarray(widths), gamma

    @classmethod
    def from_estimator(
        cls, estimator: ISPModel, *, direction: str = "forward", ax: Any = None, **style: Any
    ) -> HistogramDisplay:
        """Plot the bins of a fitted model whose backbone has a learnable histogram, such as histpyramid.

        Parameters
        ----------
        estimator : ISPModel
        direction : {"forward", "inverse"}
        ax, **style : as for `plot`.

        Raises
        ------
        InputError
            If the backbone has no learnable histogram.
        """
        estimator.check_direction(direction)
        network = estimator.networks_[direction]
        found = [module for module in network.modules() if isinstance(module, LearnableHistogram)]
        if not found:
            raise InputError(
                f"the backbone {estimator.backbone_.name} has no learnable histogram to draw; histpyramid has one."
            )
        bins = (found[0].centers.detach().numpy(), found[0].widths.detach().numpy())
        return cls(*bins, float(getattr(network, "gamma", 1.0))).plot(ax, **style)

    def plot(self, ax: Any = None, **style: Any) -> HistogramDisplay:
        """Draw the three panels: learned bins in colour, and where they began in grey.

        Parameters
        ----------
        ax : Axes, or array of 3 Axes
            Where to draw; None makes a new figure.
        **style : of the learned bins, as for `matplotlib.axes.Axes.plot`.
        """
        self.figure_, self.ax_ = grid_of_axes(ax, 1, 3, (3.6, 2.6))
        n_bins = self.centers.shape[1]
        began = np.linspace(0, 1, n_bins)
        values = np.linspace(0, 1, 501)
        for axis, name, centers, widths in zip(self.ax_[0], _CHANNELS, self.centers, self.widths, strict=True):
            for index in range(n_bins):
                first = {} if index else {"label": "before training"}
                axis.plot(values, _votes(values, began[index], n_bins - 1), color=GREY, linewidth=0.9, **first)
                looks = {"color": COLORS[index % len(COLORS)], "linewidth": 1.8} | style
                axis.plot(values, _votes(values, centers[index], widths[index]), **looks)
            power = "" if self.gamma == 1 else f" of the raw to the power of 1/{self.gamma:g}"
            axis.set(xlabel=f"{name}{power}", xlim=(0, 1), ylim=(0, 1.2))
            add_grid(axis)
        self.ax_[0, 0].set_ylabel("vote for a bin")
        self.ax_[0, 0].legend(frameon=False, fontsize=8, loc="upper center")
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row for each channel and bin: learned and initial centre and width (a slope)."""
        n_bins = self.centers.shape[1]
        columns = {
            "channel": np.repeat(_CHANNELS, n_bins),
            "bin": np.tile(np.arange(n_bins), 3),
            "center": self.centers.ravel(),
            "width": self.widths.ravel(),
            "initial center": np.tile(np.linspace(0, 1, n_bins), 3),
            "initial width": np.full(3 * n_bins, float(n_bins - 1)),
        }
        return data_frame(columns)


def _votes(values: Array, center: float, width: float) -> Array:
    return np.maximum(0, 1 - np.abs(values - center) * width)
