"""Displays, as scikit-learn has them: data in ``__init__``, a picture from ``plot``."""

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

_WORST = 0.2
"""The error that is drawn brightest."""


class RenderingDisplay:
    """Raw, the camera's srgb, our srgb and their difference, a line a shot.

    Parameters
    ----------
    raws, srgbs, estimates : images H x W x 3 in [0, 1]: linear raw, the camera's srgb, the model's.

    Attributes
    ----------
    figure_ : matplotlib Figure, after `plot`.
    """

    figure_: Figure

    def __init__(
        self, raws: Sequence[FloatImage], srgbs: Sequence[FloatImage], estimates: Sequence[FloatImage]
    ) -> None:
        self.raws, self.srgbs, self.estimates = raws, srgbs, estimates

    @classmethod
    def from_estimator(cls, model: ISPModel, X: Sequence[Any], Y: Sequence[Any]) -> RenderingDisplay:
        """Render X with a fitted model and set it beside Y, then `plot`."""
        display = cls([np.asarray(x) for x in X], [np.asarray(y) for y in Y], model.transform(X))
        return display.plot()

    def plot(self) -> RenderingDisplay:
        """Draw a new figure. Raw is shown with the sRGB curve; errors run from black (0) to yellow (0.2 and more)."""
        from matplotlib.figure import Figure

        rows = len(self.raws)
        self.figure_ = Figure(figsize=(13, 3.4 * rows), layout="constrained")
        axes = self.figure_.subplots(rows, 4, squeeze=False)
        for line, (raw, srgb, estimate) in zip(
            axes, zip(self.raws, self.srgbs, self.estimates, strict=True), strict=True
        ):
            error = np.abs(np.asarray(estimate) - srgb).mean(2)
            titles = ("raw (sRGB curve)", "camera", f"model, {psnr(srgb, estimate):.1f} dB", f"error, 0 to {_WORST}")
            pictures = (linear_to_srgb(np.asarray(raw)), srgb, np.asarray(estimate), error)
            for axis, title, picture in zip(line, titles, pictures, strict=True):
                axis.imshow(
                    np.clip(picture, 0, 1) if picture.ndim == 3 else picture, cmap="inferno", vmin=0, vmax=_WORST
                )
                axis.set_title(title, fontsize=10)
                axis.set_axis_off()
        return self


class ComparisonDisplay:
    """Boxes of the test shots' PSNR: a row of panels a camera, a panel a direction, a box a backbone.

    Parameters
    ----------
    comparison : an `ispfit.comparison.Comparison`.

    Attributes
    ----------
    figure_ : matplotlib Figure, after `plot`.
    """

    figure_: Figure

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def plot(self) -> ComparisonDisplay:
        """Draw a new figure. Boxes hold the middle half of the shots, whiskers all; triangles are means."""
        from matplotlib.figure import Figure

        from ispfit.directions import DIRECTIONS

        cameras = self.comparison.cameras
        self.figure_ = Figure(figsize=(11, 3.6 * len(cameras)), layout="constrained")
        axes = self.figure_.subplots(len(cameras), 2, squeeze=False)
        for line, camera in zip(axes, cameras, strict=True):
            names = self.comparison.backbones(camera)
            for axis, (direction, title) in zip(line, DIRECTIONS.items(), strict=True):
                values = [self.comparison.psnr(camera, name, direction) for name in names]
                axis.boxplot(values, tick_labels=names, whis=(0, 100), showmeans=True)
                axis.set_title(f"{camera}, {title}", fontsize=10)
                axis.set_ylabel("PSNR, dB")
                for label in axis.get_xticklabels():
                    label.set(rotation=25, horizontalalignment="right")
                axis.grid(axis="y", alpha=0.3)
        return self
