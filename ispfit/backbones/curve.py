"""One response curve per channel: the oldest camera model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import numpy as np
from torch import Tensor

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.color_samples import sample_colors
from ispfit.backbones.parts.monotone_curves import MonotoneCurves, fit_monotone
from ispfit.images import Image
from ispfit.plugins import hookimpl
from ispfit.settings import Range

__all__ = ["Curve"]

_NODE_POWER = 1 / 2.2  # nodes lie closer in the dark tones, where most of a raw's values are


class Curve(Backbone):
    """One monotone response curve per channel, fitted by isotonic regression.

    This is the camera model of radiometric calibration before colour was modelled. Grossberg & Nayar's empirical model
    (EMoR) expresses curves in a basis of measured ones, which is not redistributed here. A free monotone curve needs no
    basis and fits at least as well. There are no gradient steps.

    Parameters
    ----------
    nodes : number of nodes of each curve, equally spaced in ``x ** (1 / 2.2)``.

    References
    ----------
    Grossberg & Nayar, "Modeling the Space of Camera Response Functions", PAMI 2004.
    """

    name = "curve"

    def __init__(self, nodes: Annotated[int, Range(2, 4096)] = 64) -> None:
        self.nodes = nodes

    def build(self) -> Network:
        """Return a new network whose curves are ``x ** (1 / 2.2)``."""
        self.check_settings()
        return CurveNetwork(self.nodes)


class CurveNetwork(Network):
    """The network of `Curve`."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.curves = MonotoneCurves(nodes)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Map each channel by its curve."""
        colors = pixels.clamp(min=0).pow(_NODE_POWER).movedim(1, -1)
        values: Tensor = self.curves(colors.reshape(-1, 3))
        return values.reshape(colors.shape).movedim(-1, 1).contiguous()

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit the curve of each channel by isotonic regression."""
        sources, targets = sample_colors(pairs)
        positions, count = sources.clip(0) ** _NODE_POWER, self.curves.nodes.shape[1]
        self.curves.set(np.stack([fit_monotone(positions[:, c], targets[:, c], count) for c in range(3)], 1))


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `Curve`."""
    return [Curve]
