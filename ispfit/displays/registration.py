"""`RegistrationDisplay`: whether a raw and an srgb lie on each other, and how the lens bent one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ispfit.analysis.frames import data_frame
from ispfit.color import linear_to_srgb, srgb_to_linear
from ispfit.displays.axes import COLORS, Array, Panels, add_grid, grid_of_axes, show_picture
from ispfit.images import FloatImage
from ispfit.registration import LensTransform, Registration, register, resample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["RegistrationDisplay"]

_SQUARES = 8  # along the longer side of a checkerboard
_ARROWS = 11  # along the longer side
_LONGEST = 0.08  # arrow, as a share of the longer side
_CORNER = 1 / 3  # of both sides, shown in the checkerboards
_SHOWN_PX = 360  # of the longer side of this corner


class RegistrationDisplay:
    """Raw and srgb in a checkerboard, before and after registration, and the shift between the two.

    Parameters
    ----------
    raw, srgb : float images H x W x 3 and h x w x 3 in [0, 1]
        The two images of a shot, as they were registered.
    registration : Registration

    Attributes
    ----------
    ax_ : ndarray of Axes, (1, 3)
    figure_ : matplotlib.figure.Figure
    """

    ax_: Panels
    figure_: Figure

    def __init__(self, raw: FloatImage, srgb: FloatImage, registration: Registration) -> None:
        self.raw, self.srgb, self.registration = raw, srgb, registration

    @classmethod
    def from_images(cls, raw: FloatImage, srgb: FloatImage, *, ax: Any = None, **style: Any) -> RegistrationDisplay:
        """Register a raw with its srgb, and plot the result; `ax` and `style` are as for `plot`."""
        return cls.from_predictions(raw, srgb, register(raw, srgb), ax=ax, **style)

    @classmethod
    def from_predictions(
        cls, raw: FloatImage, srgb: FloatImage, registration: Registration, *, ax: Any = None, **style: Any
    ) -> RegistrationDisplay:
        """Plot a registration; `ax` and `style` are as for `plot`."""
        return cls(raw, srgb, registration).plot(ax, **style)

    def plot(self, ax: Any = None, **style: Any) -> RegistrationDisplay:
        """Draw the three panels.

        In a corner of the picture, where lenses distort most, squares of the raw, in the srgb's mean colour, alternate
        with squares of the srgb: lines that continue from one
        to the next show that the two lie on each other. Arrows show how far the registration moves pixels from where
        they are if the two images are only scaled and centred; their length is magnified.

        Parameters
        ----------
        ax : Axes, or array of 3 Axes
            Where to draw; None makes a new figure.
        **style : of the arrows, as for `matplotlib.axes.Axes.quiver`.
        """
        self.figure_, self.ax_ = grid_of_axes(ax, 1, 3, (4.2, 3.7))
        found = self.registration
        nominal = LensTransform.centred(self.srgb.shape, self.raw.shape)
        verdict = f"registered, {found.residual:.3f} px rms" if found.ok else f"not registered: {found.reason}"
        for axis, transform, title in zip(
            self.ax_[0], (nominal, found.transform), ("centred, not registered", verdict), strict=False
        ):
            show_picture(axis, self._checkerboard(transform), title)
        self._draw_shifts(self.ax_[0, 2], style)
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row: residual in px, overlap, scale, rotation in degrees, and radial distortion."""
        found, transform = self.registration, self.registration.transform
        values = {
            "ok": found.ok,
            "residual": found.residual,
            "overlap": found.overlap,
            "patches": found.n_patches,
            "scale": transform.scale,
            "rotation": transform.rotation,
            "k1": transform.k1,
            "k2": transform.k2,
        }
        return data_frame({name: [value] for name, value in values.items()})

    def _checkerboard(self, transform: LensTransform) -> Array:
        """Return srgb and raw on the grid of the srgb, in squares that alternate: the upper left corner."""
        factor = max(1.0, _CORNER * max(self.srgb.shape[:2]) / _SHOWN_PX)
        whole = tuple(round(side / factor) for side in self.srgb.shape[:2])
        height, width = (max(1, round(_CORNER * side)) for side in whole)
        small = transform.scaled(srgb=(whole[1] / self.srgb.shape[1], whole[0] / self.srgb.shape[0]))
        raw, _ = resample(self.raw, small, (height, width), linear=True)
        srgb, _ = resample(self.srgb, LensTransform.centred(whole, self.srgb.shape), (height, width), linear=False)
        gains = srgb_to_linear(np.asarray(srgb)).mean((0, 1)) / np.maximum(np.asarray(raw).mean((0, 1)), 1e-6)
        shown = linear_to_srgb(np.clip(np.asarray(raw) * gains, 0, 1))
        square = max(1, max(height, width) // _SQUARES)
        rows, columns = (np.arange(side) // square for side in (height, width))
        is_srgb = (rows[:, None, None] + columns[:, None]) % 2 == 0
        return np.where(is_srgb, np.asarray(srgb), shown)

    def _draw_shifts(self, axis: Axes, style: dict[str, Any]) -> None:
        """Draw where registration moves pixels of the srgb, in pixels of the srgb."""
        height, width = self.srgb.shape[:2]
        step = max(height, width) / _ARROWS
        x, y = np.meshgrid(np.arange(step / 2, width, step), np.arange(step / 2, height, step))
        points = np.stack([x, y], -1)
        nominal = LensTransform.centred(self.srgb.shape, self.raw.shape)
        shift = (self.registration.transform(points) - nominal(points)) / nominal.scale
        longest = float(np.hypot(*np.moveaxis(shift, 2, 0)).max())
        factor = _LONGEST * max(height, width) / max(longest, 1e-6)
        looks = {"color": COLORS[0], "angles": "xy", "scale_units": "xy", "scale": 1 / factor} | style
        axis.quiver(x, y, shift[..., 0], shift[..., 1], **looks)
        axis.set(
            xlim=(0, width), ylim=(height, 0), aspect="equal", xlabel="x, px of the srgb", ylabel="y, px of the srgb"
        )
        axis.set_title(f"shift by registration; the longest is {longest:.1f} px", fontsize=10)
        add_grid(axis)
