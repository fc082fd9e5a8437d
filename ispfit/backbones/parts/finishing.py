"""Small changes of tone and colour that an auto mode makes from shot to shot, linear in their coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

from ispfit.color import BT601_LUMA

__all__ = ["N_COEFFICIENTS", "basis", "finish", "fit_coefficients"]

_TONE_HATS, _LIFT_HATS = 6, 6
_RIDGE = 1e-2  # of a shot's coefficients, relative to the mean square of what they multiply
N_COEFFICIENTS = _TONE_HATS + 2 + 3 + _LIFT_HATS


def basis(colors: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the coefficients multiply, by colour.

    Tone is a piecewise linear curve over luma. Saturation scales the distance from grey, by a factor of its own and by
    one that follows luma. A tint moves the middle of each channel. The lift follows the brightness of the
    neighbourhood, differently by luma.

    Parameters
    ----------
    colors : encoded colours (..., 3), nominally in [0, 1].

    Returns
    -------
    everywhere : (..., 3, 11), for tone, saturation and tint.
    locally : (..., 3, 6), to be multiplied by the brightness of the neighbourhood too.
    """
    luma = colors @ torch.from_numpy(BT601_LUMA).to(colors)
    grey = luma[..., None].expand(colors.shape)
    chroma = colors - grey
    tones = [hat[..., None].expand(colors.shape) for hat in _hats(luma, _TONE_HATS)]
    saturations = [chroma, chroma * (grey - 0.5)]
    middle = 4 * colors * (1 - colors)
    tints = [middle * torch.eye(3).to(colors)[channel] for channel in range(3)]
    lifts = [hat[..., None].expand(colors.shape) for hat in _hats(luma, _LIFT_HATS)]
    return torch.stack([*tones, *saturations, *tints], -1), torch.stack(lifts, -1)


def finish(colors: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
    """Change colours as coefficients say.

    Parameters
    ----------
    colors : encoded colours (..., n, 3).
    coefficients : (..., 17), for the two parts of `basis`.

    Returns
    -------
    changed : (..., n, 3), in a neighbourhood of mean brightness.
    slope : (..., n, 3), the change per unit of the neighbourhood's brightness.
    """
    tone, saturation, tint, lift = torch.split(coefficients[..., None, :], [_TONE_HATS, 2, 3, _LIFT_HATS], -1)
    luma = (colors @ torch.from_numpy(BT601_LUMA).to(colors))[..., None]
    factor = saturation[..., :1] + saturation[..., 1:] * (luma - 0.5)
    changes = _curve(luma, tone) + factor * (colors - luma) + 4 * tint * colors * (1 - colors)
    return colors + changes, _curve(luma, lift).expand(changes.shape)


def fit_coefficients(colors: Tensor, residual: Tensor, brightness: Tensor, slope: Tensor) -> Tensor:
    """Fit a shot's coefficients by ridge regression, float64 (K,).

    Parameters
    ----------
    colors, residual : encoded colours (n, 3), and what is missing to their targets.
    brightness : (n,), of the neighbourhoods.
    slope : (n, 3), the error of the output per error of the encoded colour.
    """
    everywhere, locally = basis(colors)
    terms = torch.cat([everywhere, locally * brightness[:, None, None]], -1) * slope[..., None]
    design, targets = terms.flatten(0, 1).double(), (residual * slope).flatten().double()
    normal = design.T @ design
    ridge = _RIDGE * normal.trace() / len(normal) * torch.eye(len(normal), dtype=torch.float64)
    coefficients: Tensor = torch.linalg.solve(normal + ridge, design.T @ targets)
    return coefficients


def _curve(luma: Tensor, heights: Tensor) -> Tensor:
    """Return (..., n, 1), the piecewise linear curve of luma (..., n, 1) through heights (..., 1, hats)."""
    return (torch.cat(_hats(luma, heights.shape[-1]), -1) * heights).sum(-1, keepdim=True)


def _hats(values: Tensor, count: int) -> list[Tensor]:
    """Return triangles of height 1 around `count` equally spaced centres on [0, 1]; their sum is 1 there."""
    distance = (values[..., None] - torch.linspace(0, 1, count).to(values)).abs() * (count - 1)
    return list((1 - distance).clamp(min=0).unbind(-1))
