"""The deterministic camera model: colour matrix, gamut mapping, response (Kim et al., PAMI 2012)."""

from __future__ import annotations

from typing import Annotated

from ispfit.backbone import Backbone, Network
from ispfit.backbones.parts.color_model import ParametricNetwork
from ispfit.plugins import hookimpl
from ispfit.settings import Range

__all__ = ["Parametric", "ParametricNetwork"]


class Parametric(Backbone):
    """Colour matrix, gamut mapping by radial basis functions, response curves: one map of colours for all scenes.

    ``srgb = f(h(T raw))`` with a 3 x 3 matrix T, a gamut mapping h (radial basis functions ``phi(r) = r`` plus an
    affine map), and one monotone response f per channel; raw is already white-balanced. T and f are fitted by
    alternating least squares, then h with greedily selected control points. There are no gradient steps. The inverse
    has its own h, fitted from srgb to raw, as in the published models.

    Parameters
    ----------
    control_points : maximum number of control points of the gamut mapping; the published models have about 3,500.

    References
    ----------
    Kim, Lin, Lu, Süsstrunk, Lin & Brown, "A New In-Camera Imaging Model for Color Computer Vision and its
    Application", PAMI 2012.
    """

    name = "parametric"
    invertible = True

    def __init__(self, control_points: Annotated[int, Range(0, 4096)] = 300) -> None:
        self.control_points = control_points

    def build(self) -> Network:
        """Return a new network that encodes sRGB: T and h are the identity, f is the sRGB curve."""
        self.check_settings()
        return ParametricNetwork(self.control_points)


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `Parametric`."""
    return [Parametric]
