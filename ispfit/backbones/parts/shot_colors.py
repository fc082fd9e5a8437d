"""What the parameters of a shot make of its colours, and the slopes of colours by them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ispfit.backbones.parts.finishing import basis, finish

__all__ = [
    "FinishedModel",
    "encoded_colors",
    "exposure_error",
    "light",
    "parameter_slopes",
    "rendered",
    "slopes_at",
]

_GAIN_STEP = 0.05  # of the numerical slope by the log gain
_TINY = 1e-7


class FinishedModel(Protocol):
    """One direction of a camera, as the delta method sees it."""

    def coordinates(self, pixels: Tensor) -> Tensor: ...
    def base(self, nodes: Tensor, log_gain: Tensor) -> Tensor: ...
    def output(self, encoded: Tensor) -> Tensor: ...
    def slope(self, encoded: Tensor) -> Tensor: ...
    def linear(self, output: Tensor) -> Tensor: ...


def parameter_slopes(model: FinishedModel, nodes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return the slopes of encoded colours by the parameters, and their change with brightness, each (n, 3, K)."""
    steps = (_GAIN_STEP, -_GAIN_STEP)
    above, below = (finish(model.base(nodes, parameters[0] + step), parameters[1:]) for step in steps)
    by_gain, by_gain_locally = (
        (up - down)[..., None] / (2 * _GAIN_STEP) for up, down in zip(above, below, strict=True)
    )
    everywhere, locally = basis(model.base(nodes, parameters[0]))
    return (
        torch.cat([by_gain, everywhere, torch.zeros_like(locally)], -1),
        torch.cat([by_gain_locally, torch.zeros_like(everywhere), locally], -1),
    )


def slopes_at(model: FinishedModel, nodes: Tensor, parameters: Tensor, brightness: Tensor) -> Tensor:
    """Return the slopes (n, 3, K) of encoded colours in neighbourhoods of some brightness (n,)."""
    everywhere, locally = parameter_slopes(model, nodes, parameters)
    return everywhere + brightness[:, None, None] * locally


def encoded_colors(model: FinishedModel, nodes: Tensor, parameters: Tensor, brightness: Tensor) -> Tensor:
    """Return encoded colours (n, 3) at nodes (n, 3), in neighbourhoods of some brightness (n,)."""
    changed, slope = finish(model.base(nodes, parameters[0]), parameters[1:])
    return changed + brightness[:, None] * slope


def rendered(model: FinishedModel, colors: Tensor) -> Tensor:
    """Return the outputs of encoded colours, in [0, 1]."""
    return model.output(colors).clamp(0, 1)


def light(model: FinishedModel, colors: Tensor) -> Tensor:
    """Return the linear light of the outputs of encoded colours."""
    return model.linear(rendered(model, colors))


def exposure_error(model: FinishedModel, colors: Tensor, targets: Tensor) -> Tensor:
    """Return log2 of the ratio of mean linear light of encoded colours to that of their targets."""
    return ((light(model, colors).mean() + _TINY) / (model.linear(targets).mean() + _TINY)).log2()
