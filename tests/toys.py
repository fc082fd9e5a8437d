"""Toy cameras and toy backbones that tests share. The module is also a plugin."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ispfit import Backbone, ISPModel, Network, Scene, Window, hookimpl
from ispfit.backbones.mlp import MLP
from ispfit.images import Image, Shot

SHOT = Shot(make="Toy", model="One")


def toy_pairs(n: int = 6, size: int = 24, seed: int = 0, gain: float = 0.9) -> tuple[list[Image], list[Image]]:
    """Return raws of noise and their renderings by a gain and a gamma."""
    rng = np.random.default_rng(seed)
    raws = [Image(rng.random((size, size, 3), np.float32), SHOT) for _ in range(n)]
    return raws, [Image((gain * raw) ** 0.5, SHOT) for raw in raws]


QUICK: dict[str, Any] = {
    "max_steps": 6,
    "batch_size": 2,
    "windows_per_image": 2,
    "window_size": 8,
    "validation_fraction": 0,
    "learning_rate": 1e-2,
    "device": "cpu",
    "random_state": 0,
}


def quick(backbone: Any = None, **changes: Any) -> ISPModel:
    """Return a model that is fitted in a fraction of a second."""
    return ISPModel(MLP(hidden=4) if backbone is None else backbone, **QUICK | changes)


def weights(model: ISPModel) -> dict[str, Tensor]:
    """Return all weights of a fitted model by name."""
    return {
        f"{direction}.{name}": tensor
        for direction, network in model.networks_.items()
        for name, tensor in network.state_dict().items()
    }


def same(one: ISPModel, other: ISPModel) -> bool:
    """Return whether two fitted models are equal bit for bit."""
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(tensor, second[name]) for name, tensor in first.items())


class Line(Backbone):
    """A 3 x 3 matrix and an offset, trained by gradient steps."""

    name = "line"

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def build(self) -> Network:
        return LineNetwork(self.gain)


class LineNetwork(Network):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain
        self.conv = nn.Conv2d(3, 3, 1)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return self.gain * self.conv(pixels)


class Restless(Backbone):
    """A convolution of pixels, position and scene, with a halo, a stride, a buffer, and dropout in training."""

    name = "restless"

    def build(self) -> Network:
        return RestlessNetwork()


class RestlessNetwork(Network):
    halo = 2
    stride = 2

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 3, 5)
        self.dropout = nn.Dropout(0.3)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def describe(self, image: Tensor) -> Scene:
        return Scene(mean=image.mean((1, 2, 3)))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        if self.training:
            self.count += 1
        place = nn.functional.pad(window.grid(), (2, 2, 2, 2), mode="replicate")
        mean = scene["mean"].view(-1, 1, 1, 1).expand(-1, 1, *pixels.shape[2:])
        output: Tensor = self.conv(self.dropout(torch.cat([pixels, place, mean], 1)))
        return output


class LeastSquares(Backbone):
    """A combination of a pixel and its square root, fitted in closed form."""

    name = "leastsquares"

    def build(self) -> Network:
        return LeastSquaresNetwork()


class LeastSquaresNetwork(Network):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.zeros(7, 3))

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        inputs = torch.cat([_terms(torch.from_numpy(np.asarray(image)).reshape(-1, 3)) for image, _ in pairs])
        targets = torch.cat([torch.from_numpy(np.asarray(target)).reshape(-1, 3) for _, target in pairs])
        self.matrix = torch.linalg.lstsq(inputs, targets).solution

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return (_terms(pixels.permute(0, 2, 3, 1)) @ self.matrix).permute(0, 3, 1, 2)


def _terms(rgb: Tensor) -> Tensor:
    return torch.cat([rgb, rgb.sqrt(), torch.ones_like(rgb[..., :1])], -1)


class Gamma(Backbone):
    """A gain and an exponent; one set of weights serves both directions."""

    name = "gamma"
    invertible = True

    def build(self) -> Network:
        return GammaNetwork(nn.Parameter(torch.tensor([0.0, 0.0])))


class GammaNetwork(Network):
    def __init__(self, logs: nn.Parameter, inverted: bool = False) -> None:
        super().__init__()
        self.logs, self.inverted = logs, inverted

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        gain, exponent = self.logs.exp()
        safe = pixels.clamp(min=1e-4)
        return safe ** (1 / exponent) / gain if self.inverted else (gain * safe) ** exponent

    def inverse(self) -> Network:
        return GammaNetwork(self.logs, not self.inverted)


@hookimpl
def ispfit_backbones() -> list[Any]:
    return [Line, Restless, LeastSquares, Gamma]
