"""The initial weights of the baselines follow their parameter `initialisation`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ispfit import Backbone
from ispfit.backbones.mlp import MLP
from ispfit.backbones.srcnn import SRCNN
from ispfit.errors import InputError


def hidden_layer(backbone: Backbone) -> nn.Conv2d:
    torch.manual_seed(0)
    return [module for module in backbone.build().modules() if isinstance(module, nn.Conv2d)][1]


@pytest.mark.parametrize("family", [MLP, SRCNN])
@pytest.mark.parametrize(("initialisation", "variance"), [("he", 2.0), ("torch", 1 / 3)])
def test_the_variance_is_that_of_the_scheme(family: type[Backbone], initialisation: str, variance: float) -> None:
    layer = hidden_layer(family(initialisation=initialisation))
    fan = layer.weight[0].numel()
    assert float(layer.weight.detach().var()) * fan == pytest.approx(variance, rel=0.1)
    assert layer.bias is not None
    assert (initialisation == "torch") == bool(layer.bias.any())


@pytest.mark.parametrize("family", [MLP, SRCNN])
def test_a_narrow_gaussian(family: type[Backbone]) -> None:
    assert float(hidden_layer(family(initialisation="gaussian")).weight.detach().std()) == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize("family", [MLP, SRCNN])
def test_an_unknown_one_is_refused(family: type[Backbone]) -> None:
    with pytest.raises(InputError, match="expected initialisation to be 'torch' or 'he' or 'gaussian', got 'xavier'"):
        family(initialisation="xavier").build()
