"""Initial weights of convolutional networks for which the paper gives none."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import nn

__all__ = ["Initialisation", "initialise_convolutions"]

Initialisation: TypeAlias = Literal["torch", "he", "gaussian"]

_GAUSSIAN_DEVIATION = 1e-3


def initialise_convolutions(network: nn.Module, initialisation: Initialisation) -> None:
    """Draw new initial weights for all convolutions of a network.

    Parameters
    ----------
    network : any module.
    initialisation : "he" (He et al., "Delving Deep into Rectifiers", ICCV 2015), "torch" (torch's default: uniform, a
        sixth of He's variance), or "gaussian" (standard deviation 0.001; Dong et al., ECCV 2014). Biases are 0, except
        with "torch".
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            if initialisation == "torch":
                module.reset_parameters()
                continue
            if initialisation == "he":
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, std=_GAUSSIAN_DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
