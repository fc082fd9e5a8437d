"""The charts of a report, as SVG that takes the colours of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ispfit.directions import DIRECTIONS
from ispfit.displays import ErrorDisplay, HistogramDisplay, ToneCurveDisplay, TrainingDisplay
from ispfit.displays.svg import figure_svg
from ispfit.errors import InputError
from ispfit.estimator import ISPModel
from ispfit.images import Image
from ispfit.resize import reduce_image
from ispfit.splits import evenly_spaced

__all__ = ["Chart", "ChartSample", "make_charts"]

_MOST_SHOTS = 50  # that charts are computed from
_SIZE = 384  # longer side of their images in pixels


@dataclass(frozen=True)
class Chart:
    """A chart and its words.

    Parameters
    ----------
    title, caption : what it shows, and how to read it.
    svg : the drawing.
    """

    title: str
    caption: str
    svg: str


class ChartSample:
    """Images of some of the shots, all over the pairs, reduced so that they fit into memory.

    Parameters
    ----------
    n_shots : number of shots that will be added.

    Attributes
    ----------
    raws, srgbs : the camera's images.
    found : the model's, by direction.
    """

    def __init__(self, n_shots: int) -> None:
        self._chosen = set(evenly_spaced(n_shots, _MOST_SHOTS))
        self._n_seen = 0
        self.raws: list[Image] = []
        self.srgbs: list[Image] = []
        self.found: dict[str, list[Image]] = {}

    def add(self, raw: Image, srgb: Image, found: dict[str, Image]) -> None:
        """Keep a shot, if its turn has come."""
        if self._n_seen in self._chosen:
            self.raws.append(reduce_image(raw, _SIZE, linear=True))
            self.srgbs.append(reduce_image(srgb, _SIZE, linear=False))
            for direction, image in found.items():
                small = reduce_image(image, _SIZE, linear=direction == "inverse")
                self.found.setdefault(direction, []).append(small)
        self._n_seen += 1


def make_charts(model: ISPModel, sample: ChartSample) -> list[Chart]:
    """Return the charts that the model and the shots allow."""
    charts = []
    for number, (title, caption, draw) in enumerate(_drawings(model, sample)):
        with suppress(InputError):  # a model without histograms, or without steps
            charts.append(Chart(title, caption, figure_svg(draw().figure_, f"chart{number}")))
    return charts


def _drawings(model: ISPModel, sample: ChartSample) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield title, caption and function of each chart."""
    pairs = sample.raws, sample.srgbs
    for direction, found in sample.found.items():
        yield (
            f"Error by what the pixel is, {DIRECTIONS[direction]}",
            "Solid: root mean square error; dashed: mean error, above 0 if the model is too bright. Clipped and dark "
            "pixels are at the right, and in no other group.",
            partial(ErrorDisplay.from_predictions, *pairs, found, direction=direction),
        )
    if "forward" in sample.found:
        yield (
            "Tone curves by scene",
            "What the model makes of the brightness of the raw, a line for each shot: where lines part, the scene "
            "decides.",
            partial(ToneCurveDisplay.from_predictions, sample.raws, sample.found["forward"]),
        )
    for direction in model.networks_:
        yield (
            f"Learned histograms, {DIRECTIONS[direction]}",
            "The bins into which pixels vote, beside where they began.",
            partial(HistogramDisplay.from_estimator, model, direction=direction),
        )
    yield (
        "Course of training",
        "PSNR of the training loss and of the validation pairs; a dotted line marks the step whose weights were kept.",
        partial(TrainingDisplay.from_estimator, model),
    )
