"""One curve a channel: the oldest camera model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from ispfit.backbone import Backbone, Network, Scene, Window
from ispfit.backbones.parts.checks import check_counts
from ispfit.backbones.parts.color_samples import sample_colors
from ispfit.backbones.parts.curves import MonotoneCurves, fit_monotone
from ispfit.images import Image
from ispfit.plugins import hookimpl

__all__ = ["Curve"]

_POWER = 1 / 2.2  # nodes lie closer in the dark, where a raw's codes are


class Curve(Backbone):
    """One monotone curve a channel, fitted by isotonic regression: the camera as its response alone.

    What radiometric calibration assumed before colour was modelled. Grossberg & Nayar's empirical model (EMoR) has its
    curves from a basis of measured ones, which is not redistributed here; a free monotone curve needs none and can
    fit no worse. No gradient steps.

    Parameters
    ----------
    nodes : of each curve, at equal distances of ``x ** (1 / 2.2)``.

    References
    ----------
    Grossberg & Nayar, "Modeling the Space of Camera Response Functions", PAMI 2004.
    """

    name = "curve"

    def __init__(self, nodes: int = 64) -> None:
        self.nodes = nodes

    def build(self) -> Network:
        """A new network: the identity on the scale of its nodes."""
        check_counts(self, nodes=2)
        return CurveNetwork(self.nodes)


class CurveNetwork(Network):
    """The network of `Curve`."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.curves = MonotoneCurves(nodes)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Look each value up."""
        colors = pixels.clamp(min=0).pow(_POWER).movedim(1, -1)
        values: Tensor = self.curves(colors.reshape(-1, 3))
        return values.reshape(colors.shape).movedim(-1, 1).contiguous()

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Isotonic regression, channel by channel."""
        sources, targets = sample_colors(pairs)
        places, count = sources.clip(0) ** _POWER, self.curves.nodes.shape[1]
        self.curves.set(np.stack([fit_monotone(places[:, c], targets[:, c], count) for c in range(3)], 1))


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `Curve`."""
    return [Curve]
