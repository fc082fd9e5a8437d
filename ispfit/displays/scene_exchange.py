"""`SceneExchangeDisplay`: an image with the scene of another one (Nam & Kim 2017, figures 6 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.analysis import color_shift, exchange_scene
from ispfit.analysis.exchange import Parts
from ispfit.analysis.frames import data_frame
from ispfit.color import BT601_LUMA, linear_to_srgb, rgb_to_lrg
from ispfit.displays.axes import COLORS, Array, Panels, add_grid, grid_of_axes, show_picture
from ispfit.images import FloatImage, ImageLike, check_images
from ispfit.io import read_raw
from ispfit.metrics import ciede2000_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ispfit.estimator import ISPModel

__all__ = ["SceneExchangeDisplay"]

_STOPS = np.linspace(-9, 0, 46)
_CODES = np.linspace(0, 255, 52)
_CHROMATICITY = np.linspace(0, 0.8, 65)
_CHROMA = np.linspace(0, 120, 61)


class SceneExchangeDisplay:
    """An image with its own scene and with that of another one, the histograms before and after, and the difference.

    Parameters
    ----------
    raw : float image H x W x 3
        The raw that was rendered.
    scene_from : float image h x w x 3
        The raw whose scene was used.
    own, exchanged : float images H x W x 3
        Renderings of `raw` with its own scene and with the other one.
    chrominance : bool
        Whether the histograms are of colour, as figure 7 asks for, instead of lightness, as figure 6 does.

    Attributes
    ----------
    ax_ : ndarray of Axes, (2, 3)
    figure_ : matplotlib.figure.Figure
    """

    ax_: Panels
    figure_: Figure

    def __init__(
        self,
        raw: FloatImage,
        scene_from: FloatImage,
        own: FloatImage,
        exchanged: FloatImage,
        chrominance: bool = False,
    ) -> None:
        self.raw, self.scene_from, self.own, self.exchanged = raw, scene_from, own, exchanged
        self.chrominance = chrominance

    @classmethod
    def from_estimator(
        cls,
        estimator: ISPModel,
        image: ImageLike,
        scene_from: ImageLike,
        *,
        parts: Parts = None,
        ax: Any = None,
        **style: Any,
    ) -> SceneExchangeDisplay:
        """Render a raw with its own scene and with that of another raw, and plot both.

        Parameters
        ----------
        estimator, image, scene_from, parts
            As for `ispfit.analysis.exchange_scene`. If all parts are of chrominance, so are the histograms.
        ax, **style : as for `plot`.
        """
        raw, other = check_images([image, scene_from], "image", read_raw).in_memory()
        exchanged = exchange_scene(estimator, raw, other, parts=parts)
        names = [parts] if isinstance(parts, str) else parts or []
        chrominance = bool(names) and all(name.startswith("chrominance") for name in names)
        [own] = estimator.transform([raw])
        return cls(raw, other, own, exchanged, chrominance).plot(ax, **style)

    @classmethod
    def from_predictions(
        cls,
        image: FloatImage,
        scene_from: FloatImage,
        own: FloatImage,
        exchanged: FloatImage,
        *,
        chrominance: bool = False,
        ax: Any = None,
        **style: Any,
    ) -> SceneExchangeDisplay:
        """Plot renderings that something has made, such as a virtual camera.

        Parameters
        ----------
        image, scene_from, own, exchanged, chrominance : as for `SceneExchangeDisplay`.
        ax, **style : as for `plot`.
        """
        return cls(image, scene_from, own, exchanged, chrominance).plot(ax, **style)

    def plot(self, ax: Any = None, **style: Any) -> SceneExchangeDisplay:
        """Draw the six panels; raws are shown with the sRGB curve.

        Parameters
        ----------
        ax : Axes, or array of 6 Axes
            Where to draw; None makes a new figure.
        **style : of the map of differences, as for `matplotlib.axes.Axes.imshow`.
        """
        self.figure_, self.ax_ = grid_of_axes(ax, 2, 3, (3.9, 2.9))
        raw, other, own, exchanged = map(np.asarray, (self.raw, self.scene_from, self.own, self.exchanged))
        pictures, graphs = self.ax_
        show_picture(pictures[0], linear_to_srgb(other), "A, whose scene is used (raw, sRGB curve)")
        show_picture(pictures[1], own, "B, rendered with its own scene")
        show_picture(pictures[2], exchanged, "B, rendered with the scene of A")
        _draw_histograms(graphs[0], self._of_raws(raw, other))
        _draw_histograms(graphs[1], self._of_renderings(own, exchanged))
        difference = ciede2000_map(own, exchanged)
        looks = {"cmap": "inferno", "vmin": 0, "vmax": max(5.0, float(np.quantile(difference, 0.99)))} | style
        artist = show_picture(graphs[2], difference, "difference of the two renderings of B", **looks)
        self.figure_.colorbar(artist, ax=graphs[2], extend="max", label="CIEDE2000")
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row: how the colours with the scene of A differ from those with the own scene."""
        shift = color_shift(self.own, self.exchanged)
        return data_frame({name: [value] for name, value in vars(shift).items()})

    def _of_raws(self, raw: Array, other: Array) -> tuple[str, Array, dict[str, Array]]:
        if self.chrominance:
            lrgs = {"raw B": rgb_to_lrg(raw), "raw A": rgb_to_lrg(other)}
            values = {f"{'Lrg'[at]} of {name}": lrg[..., at] for name, lrg in lrgs.items() for at in (1, 2)}
            return "chromaticity, r or g", _CHROMATICITY, values
        images = {"raw B": raw, "raw A": other}
        stops = {name: np.log2(np.maximum(image.mean(2), 1e-4)) for name, image in images.items()}
        return "L, stops relative to saturation", _STOPS, stops

    def _of_renderings(self, own: Array, exchanged: Array) -> tuple[str, Array, dict[str, Array]]:
        images = {"B, own scene": own, "B, scene of A": exchanged}
        if self.chrominance:
            from skimage.color import rgb2lab

            chroma = {name: np.hypot(*np.moveaxis(rgb2lab(image)[..., 1:], 2, 0)) for name, image in images.items()}
            return "chroma C* of the srgb", _CHROMA, chroma
        return "luma of the srgb, 8-bit codes", _CODES, {n: 255 * (image @ BT601_LUMA) for n, image in images.items()}


def _draw_histograms(axis: Axes, quantity: tuple[str, Array, dict[str, Array]]) -> None:
    """Draw the histograms as steps; four of them are pairs, dashed and solid."""
    label, edges, values = quantity
    for index, (name, each) in enumerate(values.items()):
        counts, _ = np.histogram(each.clip(edges[0], edges[-1]), edges)
        paired = len(values) == 4
        looks: dict[str, Any] = {
            "color": COLORS[index // 2 if paired else index],
            "linestyle": "--" if paired and index % 2 else "-",
        }
        axis.stairs(100 * counts / each.size, edges, label=name, linewidth=1.6, **looks)
    axis.set(xlabel=label, ylabel="share of pixels, %", xlim=(edges[0], edges[-1]))
    axis.legend(frameon=False, fontsize=8)
    add_grid(axis)
