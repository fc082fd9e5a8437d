"""`RenderingDisplay`: raw, the camera's picture, the model's picture, and the error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.analysis.frames import data_frame
from ispfit.color import linear_to_srgb
from ispfit.displays.axes import Array, Panels, grid_of_axes, show_picture
from ispfit.errors import InputError
from ispfit.images import FloatImage, check_images, shots_of
from ispfit.io import read_raw, read_srgb
from ispfit.metrics import ciede2000, ciede2000_map, psnr

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ispfit.estimator import ISPModel

__all__ = ["RenderingDisplay"]

_SCALES = {"codes": (51.0, "mean absolute error, 8-bit codes"), "ciede2000": (10.0, "error, CIEDE2000")}
_TITLES = ("raw (sRGB curve)", "camera", "model, {:.1f} dB", "error")
_ZOOMED = 0.15  # side of the part that is magnified, as a share of the shorter side
_INSET = 0.45  # side of its magnification, as a share of the picture


class RenderingDisplay:
    """Raw, the camera's srgb, the model's srgb and their difference, one row of panels for each shot.

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
    ax_ : ndarray of Axes, (n_shots, 4)
    figure_ : matplotlib.figure.Figure
    """

    ax_: Panels
    figure_: Figure

    def __init__(
        self, raws: Sequence[FloatImage], srgbs: Sequence[FloatImage], estimates: Sequence[FloatImage]
    ) -> None:
        self.raws, self.srgbs, self.estimates = raws, srgbs, estimates

    @classmethod
    def from_estimator(
        cls, estimator: ISPModel, X: Sequence[Any], Y: Sequence[Any], *, ax: Any = None, **style: Any
    ) -> RenderingDisplay:
        """Render X with a fitted model, and plot the renderings beside Y.

        Parameters
        ----------
        estimator : ISPModel
            A model that is fitted in the forward direction.
        X, Y : sequences of raws and of srgbs, or of paths
        ax, **style : as for `plot`.
        """
        return cls.from_predictions(X, Y, estimator.transform(X), ax=ax, **style)

    @classmethod
    def from_predictions(
        cls, X: Sequence[Any], Y: Sequence[Any], predictions: Sequence[FloatImage], *, ax: Any = None, **style: Any
    ) -> RenderingDisplay:
        """Plot renderings of X that something has made beside Y.

        Parameters
        ----------
        X, Y : sequences of raws and of srgbs, or of paths
        predictions : sequence of srgbs
        ax, **style : as for `plot`.
        """
        raws, srgbs = check_images(X, "X", read_raw), check_images(Y, "Y", read_srgb)
        return cls(list(raws), list(srgbs), predictions).plot(ax, **style)

    def plot(
        self, ax: Any = None, *, error: str = "codes", zoom: tuple[float, float] | str | None = None, **style: Any
    ) -> RenderingDisplay:
        """Draw the panels.

        Raw is shown with the sRGB curve. The error is the mean absolute difference of R, G and B in 8-bit codes, or
        CIEDE2000; its scale is the same in all displays, unless `style` changes it.

        Parameters
        ----------
        ax : Axes, or array of Axes, one for each panel
            Where to draw; None makes a new figure.
        error : {"codes", "ciede2000"}
        zoom : (x, y), "worst" or None
            Magnify a part of each picture: around a point, in shares of the width and of the height, or where the
            error is largest.
        **style : of the error map, as for `matplotlib.axes.Axes.imshow`, such as ``vmax=20``.
        """
        if error not in _SCALES:
            raise InputError(f"error: expected 'codes' or 'ciede2000', got {error!r}.")
        self.figure_, self.ax_ = grid_of_axes(ax, len(self.raws), 4, (3.25, 2.4))
        top, label = _SCALES[error]
        for row, raw, srgb, estimate in zip(self.ax_, self.raws, self.srgbs, self.estimates, strict=True):
            truth, own = np.asarray(srgb), np.asarray(estimate)
            errors = _errors(truth, own, error)
            pictures = (linear_to_srgb(np.asarray(raw)), truth, own, errors)
            for axis, title, picture in zip(row, _TITLES, pictures, strict=True):
                looks = {"cmap": "inferno", "vmin": 0, "vmax": top} | style if picture is errors else {}
                artist = show_picture(axis, picture, title.format(psnr(truth, own)), **looks)
                if zoom is not None:
                    _magnify(axis, picture, _worst(errors) if isinstance(zoom, str) else zoom, looks)
        self.figure_.colorbar(artist, ax=self.ax_[:, 3], extend="max", label=label)
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row for each shot: PSNR in dB, mean absolute error in 8-bit codes, CIEDE2000."""
        pairs = [(np.asarray(srgb), np.asarray(own)) for srgb, own in zip(self.srgbs, self.estimates, strict=True)]
        return data_frame(
            {
                "shot": [shot.name or str(index) for index, shot in enumerate(shots_of(self.srgbs))],
                "psnr": [psnr(*pair) for pair in pairs],
                "codes": [float(_errors(*pair, "codes").mean()) for pair in pairs],
                "ciede2000": [ciede2000(*pair) for pair in pairs],
            }
        )


def _errors(truth: FloatImage, estimate: FloatImage, error: str) -> Array:
    return 255 * np.abs(estimate - truth).mean(2) if error == "codes" else ciede2000_map(truth, estimate)


def _worst(errors: Array) -> tuple[float, float]:
    """Return the place of the largest error, averaged over the part that is magnified, in shares of both sides."""
    from scipy.ndimage import uniform_filter

    blurred = uniform_filter(errors, max(1, round(_ZOOMED * min(errors.shape))))
    row, column = np.unravel_index(blurred.argmax(), errors.shape)
    return (float(column) + 0.5) / errors.shape[1], (float(row) + 0.5) / errors.shape[0]


def _magnify(axis: Any, picture: Array, centre: tuple[float, float], looks: dict[str, Any]) -> None:
    """Draw a magnified part of a picture in that corner of it that is farthest from the part."""
    height, width = picture.shape[:2]
    half = max(1.0, _ZOOMED * min(height, width) / 2)
    x = float(np.clip(centre[0] * width, half, width - half)) - 0.5
    y = float(np.clip(centre[1] * height, half, height - half)) - 0.5
    side = _INSET * min(height, width)
    left = 0.0 if x > width / 2 else 1 - side / width
    bottom = 0.0 if y < height / 2 else 1 - side / height
    inset = axis.inset_axes((left, bottom, side / width, side / height), xticks=[], yticks=[])
    shown = np.clip(picture, 0, 1) if picture.ndim == 3 else picture
    inset.imshow(shown, interpolation="nearest", **looks)
    inset.set(xlim=(x - half, x + half), ylim=(y + half, y - half))
    inset.spines[:].set_color("white")
    axis.indicate_inset_zoom(inset, edgecolor="white", alpha=1)
