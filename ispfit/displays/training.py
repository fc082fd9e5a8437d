"""`TrainingDisplay`: how training went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ispfit.analysis.frames import data_frame
from ispfit.directions import DIRECTIONS
from ispfit.displays.axes import COLORS, GREY, add_grid, first_axis, grid_of_axes
from ispfit.errors import InputError
from ispfit.metrics import psnr_from_mse

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from ispfit.estimator import ISPModel
    from ispfit.training import TrainingRecord

__all__ = ["TrainingDisplay"]


class TrainingDisplay:
    """Training and validation PSNR by step, one panel for each direction.

    Parameters
    ----------
    records : dict of str to TrainingRecord
        The courses of training by direction, such as ``model.records_``.

    Attributes
    ----------
    ax_ : Axes, or ndarray of Axes (1, 2) if there are two directions
    figure_ : matplotlib.figure.Figure
    """

    ax_: Any
    figure_: Figure

    def __init__(self, records: Mapping[str, TrainingRecord]) -> None:
        self.records = records

    @classmethod
    def from_estimator(cls, estimator: ISPModel, *, ax: Any = None, **style: Any) -> TrainingDisplay:
        """Plot the course of training of a fitted model; `ax` and `style` are as for `plot`.

        Raises
        ------
        InputError
            If the model was fitted in closed form.
        """
        return cls.from_records(estimator.records_, ax=ax, **style)

    @classmethod
    def from_records(cls, records: Mapping[str, TrainingRecord], *, ax: Any = None, **style: Any) -> TrainingDisplay:
        """Plot training records by direction; `ax` and `style` are as for `plot`."""
        return cls(records).plot(ax, **style)

    def plot(self, ax: Any = None, **style: Any) -> TrainingDisplay:
        """Draw a panel for each direction.

        The loss, a mean squared error, is shown as a PSNR in dB. A dotted line marks the step whose weights were kept.

        Parameters
        ----------
        ax : Axes, or array of Axes, one for each panel
            Where to draw; None makes a new figure.
        **style : of the lines, as for `matplotlib.axes.Axes.plot`.
        """
        trained = {direction: record for direction, record in self.records.items() if record.history}
        if not trained:
            raise InputError("there is no course of training to draw: the model was fitted in closed form.")
        self.figure_, axes = grid_of_axes(ax, 1, len(trained), (4.8, 3.2))
        for axis, (direction, record) in zip(axes[0], trained.items(), strict=True):
            for color, (label, values) in zip(COLORS, _curves(record).items(), strict=False):
                axis.plot(*zip(*values, strict=True), **({"color": color, "label": label} | style))
            axis.axvline(record.best_step, color=GREY, linestyle=":", label="weights that were kept")
            axis.set(xlabel="training step", ylabel="PSNR, dB")
            axis.set_title(DIRECTIONS[direction], fontsize=10)
            axis.legend(frameon=False, fontsize=9)
            add_grid(axis)
        self.ax_ = first_axis(axes)
        return self

    def frame(self) -> DataFrame:
        """Return a table with one row for each evaluation: direction, step, training loss (MSE), validation PSNR."""
        rows = [(direction, entry) for direction, record in self.records.items() for entry in record.history]
        columns: dict[str, Any] = {"direction": [direction for direction, _ in rows]}
        columns |= {name: [entry[name] for _, entry in rows] for name in ("step", "loss", "psnr")}
        return data_frame(columns)


def _curves(record: TrainingRecord) -> dict[str, list[tuple[float, float]]]:
    """Return step and PSNR of training and of validation, as far as they are known."""
    found: dict[str, list[tuple[float, float]]] = {}
    for entry in record.history:
        step, loss, psnr = entry["step"], entry["loss"], entry["psnr"]
        assert step is not None
        if loss is not None:
            found.setdefault(f"training ({record.n_train} pairs)", []).append((step, psnr_from_mse(loss)))
        if psnr is not None:
            found.setdefault(f"validation ({record.n_validation} pairs)", []).append((step, psnr))
    return found
