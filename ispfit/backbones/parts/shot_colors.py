"""What the parameters of a shot make of its colours, and the slopes of colours by them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ispfit.backbones.parts.finishing import basis, finish

__all__ = [
    "FinishedModel",
    "colors_by_map",
    "encoded_colors",
    "exposure_error",
    "finished_colors",
    "light",
    "parameter_slopes",
    "rendered",
    "slopes_at",
    "split_parameters",
]

_GAIN_STEP = 0.05  # of the numerical slope by the log gain
_TINY = 1e-7


class FinishedModel(Protocol):
    """One direction of a camera, as the delta method sees it: a weighted mean of the colours of C maps.

    Its parameters are those of one map after the other: the log gain, and the coefficients of `finish`.
    """

    prefilters: bool

    @property
    def weights(self) -> Tensor: ...
    def coordinates(self, pixels: Tensor) -> Tensor: ...
    def base(self, nodes: Tensor, log_gains: Tensor) -> Tensor: ...
    def output(self, encoded: Tensor) -> Tensor: ...
    def slope(self, encoded: Tensor) -> Tensor: ...
    def linear(self, output: Tensor) -> Tensor: ...


def split_parameters(model: FinishedModel, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log gains (..., C) and the coefficients (..., C, 17) of each map, of parameters (..., K)."""
    by_map = parameters.view(*parameters.shape[:-1], len(model.weights), -1)
    return by_map[..., 0], by_map[..., 1:]


def colors_by_map(model: FinishedModel, nodes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each map makes of nodes (..., n, 3) at parameters (..., K), and the slopes: (..., C, n, 3)."""
    gains, coefficients = split_parameters(model, parameters)
    return finish(model.base(nodes, gains), coefficients)


def finished_colors(model: FinishedModel, nodes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return encoded colours (..., n, 3) of nodes in a neighbourhood of mean brightness, and their slope by it."""
    changed, slope = colors_by_map(model, nodes, parameters)
    weights = model.weights[:, None, None]
    return (weights * changed).sum(-3), (weights * slope).sum(-3)


def parameter_slopes(model: FinishedModel, nodes: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives of encoded colours by the parameters, and their change with brightness, each (n, 3, K)."""
    gains, coefficients = split_parameters(model, parameters)
    steps = (_GAIN_STEP, -_GAIN_STEP)
    above, below = (finish(model.base(nodes, gains + step), coefficients) for step in steps)
    by_gain, by_gain_locally = (
        (up - down)[..., None] / (2 * _GAIN_STEP) for up, down in zip(above, below, strict=True)
    )
    everywhere, locally = basis(model.base(nodes, gains))
    return (
        _of_mean(model, torch.cat([by_gain, everywhere, torch.zeros_like(locally)], -1)),
        _of_mean(model, torch.cat([by_gain_locally, torch.zeros_like(everywhere), locally], -1)),
    )


def _of_mean(model: FinishedModel, slopes: Tensor) -> Tensor:
    """Return the derivatives (n, 3, K) of the weighted mean, given those of the maps, (C, n, 3, K')."""
    return (model.weights[:, None, None, None] * slopes).permute(1, 2, 0, 3).flatten(2)


def slopes_at(model: FinishedModel, nodes: Tensor, parameters: Tensor, brightness: Tensor) -> Tensor:
    """Return the derivatives (n, 3, K) of encoded colours by the parameters, in neighbourhoods of brightness (n,)."""
    everywhere, locally = parameter_slopes(model, nodes, parameters)
    return everywhere + brightness[:, None, None] * locally


def encoded_colors(model: FinishedModel, nodes: Tensor, parameters: Tensor, brightness: Tensor) -> Tensor:
    """Return encoded colours (n, 3) at nodes (n, 3), in neighbourhoods of some brightness (n,)."""
    changed, slope = finished_colors(model, nodes, parameters)
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
