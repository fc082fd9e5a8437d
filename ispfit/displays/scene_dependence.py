"""`SceneDependenceDisplay`: where in each picture the rendering depends on the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.analysis.dependence import SceneDependence, scene_dependence
from ispfit.displays.axes import Panels, grid_of_axes, show_picture
from ispfit.errors import InputError
from ispfit.images import FloatImage

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ispfit.estimator import ISPModel

__all__ = ["SceneDependenceDisplay"]

_TOP = 20.0  # CIEDE2000 at the top of the scale


class SceneDependenceDisplay:
    """Each rendering, and below it how far its pixels move if the scenes of the other images are put in.

    Parameters
    ----------
    renderings : sequence of float images, H x W x 3
        The model's renderings, each with its own scene, in [0, 1].
    dependence : SceneDependence
        What `ispfit.analysis.scene_dependence` found.

    Attributes
    ----------
    ax_ : ndarray of Axes, (2, n_images)
    figure_ : matplotlib.figure.Figure
    """

    ax_: Panels
    figure_: Figure

    def __init__(self, renderings: Sequence[FloatImage], dependence: SceneDependence) -> None:
        self.renderings, self.dependence = renderings, dependence

    @classmethod
    def from_estimator(cls, estimator: ISPModel, X: Any, *, ax: Any = None, **style: Any) -> SceneDependenceDisplay:
        """Render each raw with the scenes of all, and plot how far its pixels move.

        Parameters
        ----------
        estimator : ISPModel
            A model that is fitted in the forward direction.
        X : sequence of raws or paths
            Two or more; n images take n * n renderings.
        ax, **style : as for `plot`.
        """
        return cls.from_predictions(estimator.transform(X), scene_dependence(estimator, X), ax=ax, **style)

    @classmethod
    def from_predictions(
        cls, renderings: Sequence[FloatImage], dependence: SceneDependence, *, ax: Any = None, **style: Any
    ) -> SceneDependenceDisplay:
        """Plot what `ispfit.analysis.scene_dependence` found.

        Parameters
        ----------
        renderings, dependence : as for the class.
        ax, **style : as for `plot`.

        Raises
        ------
        InputError
            If there is not one map for each rendering.
        """
        if len(renderings) != len(dependence.maps):
            raise InputError(f"expected a rendering for each of {len(dependence.maps)} maps, got {len(renderings)}.")
        return cls(renderings, dependence).plot(ax, **style)

    def plot(self, ax: Any = None, **style: Any) -> SceneDependenceDisplay:
        """Draw the panels; the scale is the same in all displays, unless `style` changes it.

        Parameters
        ----------
        ax : Axes, or array of Axes, one for each panel
            Where to draw; None makes a new figure.
        **style : of the maps, as for `matplotlib.axes.Axes.imshow`, such as ``vmax=20``.
        """
        self.figure_, self.ax_ = grid_of_axes(ax, 2, len(self.renderings), (3.0, 2.2))
        found = self.dependence
        for column, rendering in enumerate(self.renderings):
            show_picture(self.ax_[0, column], np.asarray(rendering), found.names[column])
            title = f"mean {found.ciede2000[column]:.1f}, {found.psnr[column]:.1f} dB"
            looks = {"cmap": "inferno", "vmin": 0, "vmax": _TOP} | style
            artist = show_picture(self.ax_[1, column], found.maps[column], title, **looks)
        self.figure_.colorbar(artist, ax=self.ax_, extend="max", label="CIEDE2000")
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row for each image: its name, rms in codes, PSNR in dB, and CIEDE2000."""
        return self.dependence.frame()
