"""`ToneCurveDisplay`: what was done to tone, scene by scene."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.analysis import TONE_LEVELS, SceneSweep, tone_curve
from ispfit.analysis.frames import data_frame
from ispfit.displays.axes import COLORS, Array, add_grid, first_axis, grid_of_axes
from ispfit.images import FloatImage, check_images, shots_of
from ispfit.io import read_raw

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ispfit.estimator import ISPModel

__all__ = ["ToneCurveDisplay"]


class ToneCurveDisplay:
    """The effective tone curve of each scene, and their mean.

    Parameters
    ----------
    curves : array (n_scenes, 17)
        The mean luma of an srgb, in [0, 1], at `ispfit.analysis.TONE_LEVELS`; NaN where the raw has no pixels.
    names : sequence of str
        A name for each scene.
    values : array (n_scenes,), optional
        A number for each scene, which colours its curve.
    label : str
        What the numbers are, with their unit.

    Attributes
    ----------
    ax_ : Axes
    figure_ : matplotlib.figure.Figure
    """

    ax_: Any
    figure_: Figure

    def __init__(self, curves: Array, names: Sequence[str], values: Array | None = None, label: str = "") -> None:
        self.curves, self.names, self.values, self.label = np.asarray(curves), list(names), values, label

    @classmethod
    def from_estimator(cls, estimator: ISPModel, X: Any, *, ax: Any = None, **style: Any) -> ToneCurveDisplay:
        """Render raws with a fitted model, each with its own scene, and plot their tone curves.

        Parameters
        ----------
        estimator : ISPModel
        X : sequence of raws or paths
        ax, **style : as for `plot`.
        """
        return cls.from_predictions(X, estimator.transform(X), ax=ax, **style)

    @classmethod
    def from_predictions(
        cls, X: Any, predictions: Sequence[FloatImage], *, ax: Any = None, **style: Any
    ) -> ToneCurveDisplay:
        """Plot the tone curves of raws and their srgbs, those of the camera or of anything else.

        Parameters
        ----------
        X : sequence of raws or paths
        predictions : sequence of srgbs
        ax, **style : as for `plot`.
        """
        raws = check_images(X, "X", read_raw)
        curves = [tone_curve(raw, srgb) for raw, srgb in zip(raws, predictions, strict=True)]
        names = [shot.name or str(index) for index, shot in enumerate(shots_of(raws))]
        return cls(np.array(curves), names).plot(ax, **style)

    @classmethod
    def from_sweep(cls, sweep: SceneSweep, *, ax: Any = None, **style: Any) -> ToneCurveDisplay:
        """Plot the tone curves of one image in the scenes of a sweep; `ax` and `style` are as for `plot`."""
        names = [f"{value:.3g}" for value in sweep.values]
        return cls(sweep.tone_curves, names, sweep.values, sweep.label).plot(ax, **style)

    def plot(self, ax: Any = None, **style: Any) -> ToneCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : Axes
            Where to draw; None makes a new figure.
        **style : of the curves of the scenes, as for `matplotlib.axes.Axes.plot`.
        """
        self.figure_, axes = grid_of_axes(ax, 1, 1, (5.2, 3.8))
        axis = axes[0, 0]
        looks = {"linewidth": 1.0, "alpha": 0.5, "color": COLORS[5]} if self.values is None else {"linewidth": 1.6}
        colors = self._colors(axis)
        for index, curve in enumerate(self.curves):
            color = {} if colors is None else {"color": colors[index]}
            axis.plot(TONE_LEVELS, 255 * curve, **(looks | color | style))
        if self.values is None:
            axis.plot(TONE_LEVELS, 255 * _mean(self.curves), color=COLORS[6], linewidth=2.2, label="mean of the scenes")
            axis.plot([], [], **(looks | style), label="one scene")
            axis.legend(frameon=False, fontsize=9)
        axis.set(xlabel="L of the raw, stops below saturation", ylabel="mean luma of the srgb, 8-bit codes")
        axis.set(xlim=(TONE_LEVELS[0], 0), ylim=(0, 255))
        axis.set_xticks(range(-8, 1), [str(-stops) for stops in range(-8, 1)])
        add_grid(axis)
        self.ax_ = first_axis(axes)
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row for each scene and level: stops relative to saturation, luma in [0, 1]."""
        n_levels = len(TONE_LEVELS)
        columns: dict[str, Any] = {"scene": np.repeat(self.names, n_levels)}
        if self.values is not None:
            columns[self.label] = np.repeat(self.values, n_levels)
        return data_frame(columns | {"stops": np.tile(TONE_LEVELS, len(self.names)), "luma": self.curves.ravel()})

    def _colors(self, axis: Any) -> Array | None:
        """Colour the curves by their values, with a scale beside the panel."""
        if self.values is None:
            return None
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        scale = ScalarMappable(Normalize(float(np.min(self.values)), float(np.max(self.values))), "viridis")
        self.figure_.colorbar(scale, ax=axis, label=self.label)
        colors: Array = scale.to_rgba(self.values)
        return colors


def _mean(curves: Array) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a level that no raw has
        mean: Array = np.nanmean(curves, axis=0)
    return mean
