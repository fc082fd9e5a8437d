"""What a notebook shows of a fitted model, below scikit-learn's diagram."""

from __future__ import annotations

import base64
import io
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from ispfit.color import linear_to_srgb
from ispfit.directions import DIRECTIONS
from ispfit.errors import printable

if TYPE_CHECKING:
    from ispfit.estimator.model import ISPModel

__all__ = ["fitted_html"]

_HUES, _STEPS, _SIDE_PX = 12, 12, 12
_CELL = 'style="text-align:left;padding:2px 10px"'


def fitted_html(model: ISPModel) -> str:
    """Return what a fitted model is fitted on, its validation PSNR both ways, and a small picture, as HTML.

    The picture is a chart of colours, from dark to bright, as an sRGB curve would show the raw, and as the model
    renders it: how this camera differs from plain encoding.
    """
    camera = printable(model.camera_ or "an unknown camera")
    rows = "".join(_row(way, model.records_.get(way)) for way in model.networks_)
    name = escape(model.backbone_.name)
    table = f"<table><tr>{''.join(f'<th {_CELL}>{head}</th>' for head in _HEAD)}</tr>{rows}</table>"
    return f'<div style="margin-top:8px"><p>{name}, fitted to {escape(camera)}</p>{table}{_picture(model)}</div>'


_HEAD = ("direction", "pairs", "steps", "time", "validation PSNR")


def _row(way: str, record: Any) -> str:
    """A row of the table; a direction without a record is solved from the network of the other."""
    cells = [DIRECTIONS[way], "solved from the other direction", "", "", ""]
    if record is not None:
        validation = f" + {record.n_validation}" if record.n_validation else ""
        psnr = "none held out" if record.best_psnr is None else f"{record.best_psnr:.2f} dB"
        steps = str(record.steps or "closed form")
        cells = [DIRECTIONS[way], f"{record.n_train}{validation}", steps, f"{record.seconds:.0f} s", psnr]
    return f"<tr>{''.join(f'<td {_CELL}>{escape(cell)}</td>' for cell in cells)}</tr>"


def _picture(model: ISPModel) -> str:
    if "forward" not in model.networks_:
        return ""
    chart = _chart()
    rendered = np.asarray(model.transform([chart])[0])
    both = np.concatenate([np.asarray(linear_to_srgb(chart), np.float32), rendered], axis=1)
    file = io.BytesIO()
    PILImage.fromarray(np.rint(both * 255).astype(np.uint8)).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    text = "left: a chart of raw colours, encoded by the sRGB curve; right: as the model renders it"
    return f'<img alt="{text}" title="{text}" src="data:image/png;base64,{data}">'


@cache
def _chart() -> npt.NDArray[np.float32]:
    """Linear colours: a row each of hues and of grey, five stops from left to right."""
    light = np.geomspace(0.02, 0.7, _STEPS)
    hues = np.linspace(0, 2 * np.pi, _HUES, endpoint=False)
    color = 1 + 0.6 * np.cos(hues[:, None] - np.array([0, 2, 4]) * np.pi / 3)
    rows = np.concatenate([np.ones((1, 3)), color])
    cells = np.clip(rows[:, None] * light[None, :, None], 0, 1)
    return cells.repeat(_SIDE_PX, axis=0).repeat(_SIDE_PX, axis=1).astype(np.float32)
