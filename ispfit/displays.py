"""Displays: objects that take data in ``__init__`` and draw it into a new Matplotlib figure in ``plot``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.color import linear_to_srgb
from ispfit.images import FloatImage
from ispfit.metrics import psnr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ispfit.comparison import Comparison
    from ispfit.estimator import ISPModel

__all__ = ["ComparisonDisplay", "RenderingDisplay"]

_MAX_ERROR_SHOWN = 0.2


class RenderingDisplay:
    """Raw, the camera's srgb, the model's srgb and their difference, one row of panels per shot.

    Parameters
    ----------
    raws : sequence of float images, H x W x 3
        Linear raw in [0, 1].
    srgbs : sequence of float images, H x W x 3
        The camera's renderings in [0, 1].
    estimates : sequence of float images, H x W x 3
        The model's renderings in [0, 1].

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure that `plot` drew.
    """

    figure_: Figure

    def __init__(
        self, raws: Sequence[FloatImage], srgbs: Sequence[FloatImage], estimates: Sequence[FloatImage]
    ) -> None:
        self.raws, self.srgbs, self.estimates = raws, srgbs, estimates

    @classmethod
    def from_estimator(cls, model: ISPModel, X: Sequence[Any], Y: Sequence[Any]) -> RenderingDisplay:
        """Render X with a fitted model, and plot the renderings beside Y.

        Parameters
        ----------
        model : ISPModel
            A model that is fitted in the forward direction.
        X, Y : sequences of raw and of srgb images
            The pairs as images; paths of files are not read.
        """
        display = cls([np.asarray(x) for x in X], [np.asarray(y) for y in Y], model.transform(X))
        return display.plot()

    def plot(self) -> RenderingDisplay:
        """Draw a new figure.

        Raw is shown with the sRGB curve. The error is the absolute difference in code values (1 is white), averaged
        over R, G and B: black is 0, yellow 0.2 or more.
        """
        from matplotlib.figure import Figure

        n_shots = len(self.raws)
        self.figure_ = Figure(figsize=(13, 3.4 * n_shots), layout="constrained")
        axes = self.figure_.subplots(n_shots, 4, squeeze=False)
        for row, raw, srgb, estimate in zip(axes, self.raws, self.srgbs, self.estimates, strict=True):
            error = np.abs(np.asarray(estimate) - srgb).mean(2)
            titles = (
                "raw (sRGB curve)",
                "camera",
                f"model, {psnr(srgb, estimate):.1f} dB",
                f"error, 0 to {_MAX_ERROR_SHOWN}",
            )
            pictures = (linear_to_srgb(np.asarray(raw)), srgb, np.asarray(estimate), error)
            for axis, title, picture in zip(row, titles, pictures, strict=True):
                axis.imshow(
                    np.clip(picture, 0, 1) if picture.ndim == 3 else picture,
                    cmap="inferno",
                    vmin=0,
                    vmax=_MAX_ERROR_SHOWN,
                )
                axis.set_title(title, fontsize=10)
                axis.set_axis_off()
        return self


class ComparisonDisplay:
    """The PSNR of the test shots as boxes: one row of panels per camera, one panel per direction, one box per backbone.

    Parameters
    ----------
    comparison : ispfit.comparison.Comparison
        The results to draw.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure that `plot` drew.
    """

    figure_: Figure

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def plot(self) -> ComparisonDisplay:
        """Draw a new figure.

        A box spans the quartiles of the shots, its line is the median, its triangle the mean; the whiskers reach the
        lowest and the highest shot.
        """
        from matplotlib.figure import Figure

        from ispfit.directions import DIRECTIONS

        cameras = self.comparison.cameras
        self.figure_ = Figure(figsize=(11, 3.6 * len(cameras)), layout="constrained")
        axes = self.figure_.subplots(len(cameras), 2, squeeze=False)
        for row, camera in zip(axes, cameras, strict=True):
            names = self.comparison.backbones(camera)
            for axis, (direction, title) in zip(row, DIRECTIONS.items(), strict=True):
                values = [self.comparison.psnr(camera, name, direction) for name in names]
                axis.boxplot(values, tick_labels=names, whis=(0, 100), showmeans=True)
                axis.set_title(f"{camera}, {title}", fontsize=10)
                axis.set_ylabel("PSNR, dB")
                for label in axis.get_xticklabels():
                    label.set(rotation=25, horizontalalignment="right")
                axis.grid(axis="y", alpha=0.3)
        return self
