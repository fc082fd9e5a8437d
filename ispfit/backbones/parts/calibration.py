"""Scale the layers of a network that looks at thumbnails to the images that it will see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ispfit.images import Image
from ispfit.splits import evenly_spaced

__all__ = ["calibrate", "thumbnails"]

_MAX_IMAGES = 300
_LEAST_DEVIATION = 1e-3  # of features, below which they say nothing of an image and are not scaled up


def thumbnails(pairs: Sequence[tuple[Image, Image]], size: int) -> Tensor:
    """Return thumbnails (n, 3, size, size) of the inputs of at most 300 pairs, evenly spaced."""
    images = (np.array(pairs[index][0], np.float32) for index in evenly_spaced(len(pairs), _MAX_IMAGES))
    return torch.cat([adaptive_avg_pool2d(torch.from_numpy(image).permute(2, 0, 1)[None], size) for image in images])


def calibrate(layers: Iterable[nn.Conv2d | nn.Linear], forward: Callable[[], object]) -> None:
    """Scale and shift layers so that their outputs have mean 0 and variance 1 over some images.

    Mishkin & Matas, "All you need is a good init", ICLR 2016, do so one layer after the other; here each layer is
    changed while the images pass through it. Outputs that hardly vary are shifted but not scaled.

    Parameters
    ----------
    layers : layers with a bias, each of which `forward` applies once, in order.
    forward : computes the network of the images.
    """
    hooks = [layer.register_forward_hook(_standardise) for layer in layers]
    with torch.no_grad():
        forward()
    for hook in hooks:
        hook.remove()


def _standardise(layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    """Change a layer so that `output` has mean 0 and variance 1; return what the changed layer gives."""
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    assert layer.bias is not None
    features = output.transpose(0, 1).flatten(1)
    mean, deviation = features.mean(1), features.std(1, correction=0)
    deviation = torch.where(deviation > _LEAST_DEVIATION, deviation, 1)
    layer.weight.div_(deviation.view(-1, *[1] * (layer.weight.ndim - 1)))
    layer.bias.sub_(mean).div_(deviation)
    shape = (1, -1, *[1] * (output.ndim - 2))
    return (output - mean.view(shape)) / deviation.view(shape)
