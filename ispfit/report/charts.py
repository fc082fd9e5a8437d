"""The charts of a report, as SVG that takes the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ispfit.estimator import ISPModel

__all__ = ["Chart", "make_charts"]


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


def make_charts(model: ISPModel, X: Sequence[Any], Y: Sequence[Any]) -> list[Chart]:
    """Return the charts that the model and the pairs allow."""
    return []
