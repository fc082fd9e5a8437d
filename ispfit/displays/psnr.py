"""`PSNRDisplay` and `ComparisonDisplay`: the PSNR of shots by method and direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.analysis.frames import data_frame
from ispfit.directions import DIRECTIONS
from ispfit.displays.axes import COLORS, Array, add_grid, first_axis, grid_of_axes
from ispfit.images import FloatImage
from ispfit.metrics import psnr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ispfit.comparison import Comparison
    from ispfit.estimator import ISPModel

__all__ = ["ComparisonDisplay", "PSNRDisplay"]


class PSNRDisplay:
    """The PSNR of shots: one panel for each direction, one box for each method, one point for each shot.

    Parameters
    ----------
    values : dict of str to dict of str to array (n_shots,)
        PSNR in dB by direction ("forward", "inverse") and by method.

    Attributes
    ----------
    ax_ : Axes, or ndarray of Axes (1, 2) if there are two directions
    figure_ : matplotlib.figure.Figure
    """

    ax_: Any
    figure_: Figure

    def __init__(self, values: Mapping[str, Mapping[str, Array]]) -> None:
        self.values = values

    @classmethod
    def from_estimator(
        cls, estimator: ISPModel | Mapping[str, ISPModel], X: Any, Y: Any, *, ax: Any = None, **style: Any
    ) -> PSNRDisplay:
        """Measure one or more models on pairs, in all directions that they have, and plot the values.

        Parameters
        ----------
        estimator : ISPModel, or dict of str to ISPModel
            Fitted models by name; a single model has the name of its backbone.
        X, Y : sequences of raws and of srgbs, or of paths
        ax, **style : as for `plot`.
        """
        models = estimator if isinstance(estimator, Mapping) else {estimator.backbone_.name: estimator}
        values = {
            direction: {
                name: model.psnr(X, Y, direction=direction)
                for name, model in models.items()
                if direction in model.networks_
            }
            for direction in DIRECTIONS
        }
        return cls({direction: found for direction, found in values.items() if found}).plot(ax, **style)

    @classmethod
    def from_predictions(
        cls,
        truths: Sequence[FloatImage],
        predictions: Mapping[str, Sequence[FloatImage]],
        *,
        direction: str = "forward",
        ax: Any = None,
        **style: Any,
    ) -> PSNRDisplay:
        """Plot the PSNR of images that something has made.

        Parameters
        ----------
        truths : sequence of images
            srgbs in the forward direction, raws in the inverse one.
        predictions : dict of str to sequence of images
            What each method has made of the same shots.
        direction : {"forward", "inverse"}
        ax, **style : as for `plot`.
        """
        values = {
            name: np.array([psnr(truth, image) for truth, image in zip(truths, images, strict=True)])
            for name, images in predictions.items()
        }
        return cls({direction: values}).plot(ax, **style)

    def plot(self, ax: Any = None, **style: Any) -> PSNRDisplay:
        """Draw a panel for each direction.

        A box spans the quartiles of the shots, its line is the median, its triangle the mean; the whiskers reach the
        lowest and the highest shot.

        Parameters
        ----------
        ax : Axes, or array of Axes, one for each panel
            Where to draw; None makes a new figure.
        **style : of the boxes, as for `matplotlib.axes.Axes.boxplot`.
        """
        widest = max(len(values) for values in self.values.values())
        self.figure_, axes = grid_of_axes(ax, 1, len(self.values), (max(3.2, 0.8 * widest + 1.5), 3.6))
        for axis, (direction, values) in zip(axes[0], self.values.items(), strict=True):
            _draw_boxes(axis, values, DIRECTIONS[direction], style)
        self.ax_ = first_axis(axes)
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row for each direction, method and shot."""
        rows = [
            (direction, method, shot, float(value))
            for direction, methods in self.values.items()
            for method, values in methods.items()
            for shot, value in enumerate(values)
        ]
        columns = zip(*rows, strict=True)
        return data_frame(dict(zip(("direction", "method", "shot", "psnr"), columns, strict=True)))


class ComparisonDisplay:
    """The PSNR of the test shots as boxes: one row of panels per camera, one panel per direction, one box per backbone.

    Parameters
    ----------
    comparison : ispfit.comparison.Comparison
        The results to draw.

    Attributes
    ----------
    ax_ : ndarray of Axes, (n_cameras, 2)
    figure_ : matplotlib.figure.Figure
    """

    ax_: Any
    figure_: Figure

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def plot(self, ax: Any = None, **style: Any) -> ComparisonDisplay:
        """Draw the panels; the boxes are those of `PSNRDisplay`.

        Parameters
        ----------
        ax, **style : as for `PSNRDisplay.plot`.
        """
        cameras = self.comparison.cameras
        self.figure_, self.ax_ = grid_of_axes(ax, len(cameras), len(DIRECTIONS), (5.5, 3.6))
        for row, camera in zip(self.ax_, cameras, strict=True):
            names = self.comparison.backbones(camera)
            for axis, (direction, title) in zip(row, DIRECTIONS.items(), strict=True):
                values = {name: self.comparison.psnr(camera, name, direction) for name in names}
                _draw_boxes(axis, values, f"{camera}, {title}", style)
        return self


def _draw_boxes(axis: Axes, values: Mapping[str, Array], title: str, style: dict[str, Any]) -> None:
    looks: dict[str, Any] = {
        "whis": (0, 100),
        "showmeans": True,
        "medianprops": {"color": COLORS[1]},
        "meanprops": {"markerfacecolor": COLORS[0], "markeredgecolor": COLORS[0]},
    }
    axis.boxplot(list(values.values()), tick_labels=list(values), **(looks | style))
    axis.set_title(title, fontsize=10)
    axis.set_ylabel("PSNR, dB")
    add_grid(axis)
    axis.grid(visible=False, axis="x")
    if len(values) > 3:
        for label in axis.get_xticklabels():
            label.set(rotation=25, horizontalalignment="right")
