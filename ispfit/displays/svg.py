"""Figures as SVG inside of a web page, in the colours of the page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure_svg"]

_BLACK = re.compile(r"(fill|stroke): ?(#000000|black)")
_IDENTIFIER = re.compile(r'(\bid="|url\(#|href="#)')


def figure_svg(figure: Figure, name: str) -> str:
    """Return a figure as an ``svg`` element, and close it.

    Black becomes the colour of the page's text, and text stays text.

    Parameters
    ----------
    figure : the figure.
    name : begins the identifiers in the element, so that several of them fit into one page.
    """
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = _BLACK.sub(r"\1: currentColor", text)
    return _IDENTIFIER.sub(rf"\1{name}-", text)
