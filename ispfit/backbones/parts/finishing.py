"""Small changes of tone and colour that an auto mode makes from shot to shot, linear in their coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

from ispfit.color import BT601_LUMA

__all__ = ["N_COEFFICIENTS", "basis", "finish"]

_TONE_HATS, _LIFT_HATS = 6, 6
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
    colors : encoded colours (..., 3).
    coefficients : (17,), for the two parts of `basis`.

    Returns
    -------
    changed : (..., 3), in a neighbourhood of mean brightness.
    slope : (..., 3), the change per unit of the neighbourhood's brightness.
    """
    everywhere, locally = basis(colors)
    return colors + everywhere @ coefficients[:-_LIFT_HATS], locally @ coefficients[-_LIFT_HATS:]


def _hats(values: Tensor, count: int) -> list[Tensor]:
    """Return triangles of height 1 around `count` equally spaced centres on [0, 1]; their sum is 1 there."""
    distance = (values[..., None] - torch.linspace(0, 1, count).to(values)).abs() * (count - 1)
    return list((1 - distance).clamp(min=0).unbind(-1))
