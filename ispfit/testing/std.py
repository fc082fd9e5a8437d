"""Checks of `Network.render_std` and `Network.exposure_std`, where a network has them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ispfit.backbone import Network, Scene, Window
from ispfit.rendering import check_rendered
from ispfit.testing.rendering import check_batch, check_halo, check_inputs, check_repeats, output_problem
from ispfit.testing.subject import Subject, cut, describe

__all__ = ["check_std"]


def check_std(subject: Subject) -> Iterator[str]:
    """render_std returns standard deviations, keeps the rules of render, and exposure_std returns one per image."""
    network, image = subject.network(), subject.image()
    if not network.has_std:
        return
    pixels, window = cut(network, image, size=(subject.unit, 2 * subject.unit))
    with torch.no_grad():
        std: Any = network.render_std(pixels, network.describe_std(describe(network, image)), window)
    if problem := output_problem("render_std", std, partial(check_rendered, network, std, window, "render_std")):
        yield problem
        return
    if not (std >= 0).all() or not std.isfinite().all():
        yield "render_std returned NaN, infinite or negative values; clamp variances before the root."
        return
    as_output = _StdSubject(subject, _Std(network))
    for check in (check_inputs, check_repeats, check_halo, check_batch):
        if problems := [f"the standard deviation: {problem}" for problem in check(as_output)]:
            yield from problems
            return
    yield from _check_exposure_std(network, subject)


def _check_exposure_std(network: Network, subject: Subject) -> Iterator[str]:
    images = torch.stack([subject.image(seed).permute(2, 0, 1) for seed in (0, 1)])
    with torch.no_grad():
        found: Any = network.exposure_std(images, network.describe(images))
    if not (isinstance(found, Tensor) and found.shape == (2,) and found.isfinite().all() and (found >= 0).all()):
        yield f"exposure_std returned {found!r} for 2 images, expected 2 finite values >= 0, in EV."


class _StdSubject(Subject):
    """The standard deviation of a network under examination."""

    def __init__(self, subject: Subject, network: Network) -> None:
        super().__init__(subject.backbone)
        self._network = network


class _Std(Network):
    """A network whose output is the standard deviation of another."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.halo, self.stride = network, network.halo, network.stride

    def describe(self, image: Tensor) -> Scene:
        return self.network.describe_std(self.network.describe(image))

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        return self.network.render_std(pixels, scene, window)
