"""A physical camera whose exposure, tone and colour follow the scene: fitted in seconds, without gradient steps."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.backbone import Backbone, Network, Scene, ScenePart, Window
from ispfit.backbones.parts.camera_directions import Derendering, Rendering
from ispfit.backbones.parts.color_model import ParametricNetwork
from ispfit.backbones.parts.direction import Direction
from ispfit.backbones.parts.exposure import fit_camera, fit_gains
from ispfit.backbones.parts.gain_share import choose_gain_shares
from ispfit.backbones.parts.residual import MIN_SCENES
from ispfit.backbones.parts.shot_samples import ShotSamples, sample_shots
from ispfit.directions import DIRECTIONS
from ispfit.images import Image
from ispfit.plugins import hookimpl
from ispfit.settings import Range

__all__ = ["Photofinish", "PhotofinishNetwork"]


_DIRECTION_NAMES = tuple(DIRECTIONS.values())


class Photofinish(Backbone):
    """A colour model whose gain, tone, saturation, tint and local lift are predicted from statistics of the scene.

    Photofinishing is what a camera does to please: it follows the scene. The gain of each shot is fitted by turns with
    a map of colours (that of `parametric`). Each direction then fits its map to shots whose gains are divided out as
    far as this helps in scenes that are left out. What is left of each shot is fitted by a few coefficients. Gains and
    coefficients are predicted from statistics of the scene by kernel regressions, whose smoothness is chosen by leaving
    out scenes. There are no gradient steps.

    Parameters
    ----------
    control_points : maximum number of control points of the map of colours, see `Parametric`.
    max_shots : largest number of shots that are used, evenly spaced among the pairs.
    residual : whether small networks add what the camera model leaves. "auto" uses them in a direction if they raise
        the mean PSNR of shots in scenes that were held out by more than 1.645 standard errors of this mean.
    """

    name = "photofinish"
    invertible = True

    def __init__(
        self,
        control_points: Annotated[int, Range(0, 4096)] = 300,
        max_shots: Annotated[int, Range(2, 4096)] = 400,
        residual: bool | Literal["auto"] = "auto",
    ) -> None:
        self.control_points = control_points
        self.max_shots = max_shots
        self.residual = residual

    def build(self) -> Network:
        """Return a new network, which encodes sRGB and does not look at the scene."""
        self.check_settings()
        return PhotofinishNetwork(self.control_points, self.max_shots, self.residual)


class _Directed(Network):
    """A network that does what one of the directions of a `PhotofinishNetwork` does."""

    @property
    def direction(self) -> Direction:
        raise NotImplementedError

    def describe(self, image: Tensor) -> Scene:
        """Predict the parameters of the shot, and compute its table of colours."""
        return self.direction.describe(image)

    def scene_parts(self) -> dict[str, ScenePart]:
        """Return the statistics of brightness and of colour, and the brightness from place to place."""
        return self.direction.scene_parts()

    def complete_scene(self, scene: Scene) -> Scene:
        """Recompute what follows from the statistics."""
        return self.direction.complete_scene(scene)

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Look up each pixel in the table."""
        return self.direction.render(pixels, scene, window)

    def describe_std(self, scene: Scene) -> Scene:
        """Compute the table of variances."""
        return self.direction.describe_std(scene)

    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Look up each pixel in the table of variances."""
        return self.direction.render_std(pixels, scene, window)

    def exposure_std(self, image: Tensor, scene: Scene) -> Tensor:
        """Sum up over a thumbnail what errors of the parameters change."""
        return self.direction.exposure_std(image, scene)


class PhotofinishNetwork(_Directed):
    """The network of `Photofinish`, in the forward direction."""

    n_scenes: Tensor
    gain_shares: Tensor
    """How much of the gains each direction's map of colours leaves out, (2,)."""

    def __init__(self, control_points: int, max_shots: int, residual: bool | Literal["auto"] = False) -> None:
        super().__init__()
        self.control_points, self.max_shots, self.residual = control_points, max_shots, residual
        self.rendering, self.derendering = Rendering(max_shots), Derendering(max_shots)
        self.register_buffer("n_scenes", torch.zeros((), dtype=torch.int64))
        self.register_buffer("gain_shares", torch.ones(2))
        with torch.no_grad():
            for direction in self._directions:
                direction.set_camera(ParametricNetwork(0))

    @property
    def direction(self) -> Direction:
        return self.rendering

    @property
    def _directions(self) -> tuple[Direction, Direction]:
        return self.rendering, self.derendering

    def inverse(self) -> Network:
        """Return the network of the same camera from srgb to raw."""
        return _Inverse(self)

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit both directions to raw and srgb images."""
        raws, srgbs, groups = sample_shots(pairs, self.max_shots)
        self.n_scenes.fill_(len(set(groups)))
        with torch.no_grad():
            log_gains, shares = self._fit_gains(raws, srgbs, groups)
            self.gain_shares.copy_(torch.tensor(shares))
            for direction, share in zip(self._directions, shares, strict=True):
                camera = fit_camera(raws.colors, srgbs.colors, share * log_gains, self.control_points)
                direction.set_camera(camera)
                gains = direction.shot_gains(camera, raws, srgbs, share * log_gains)
                direction.fit(*direction.sides(raws, srgbs), gains, groups, self.residual)

    def _fit_gains(
        self, raws: ShotSamples, srgbs: ShotSamples, groups: Sequence[Hashable]
    ) -> tuple[npt.NDArray[np.float64], list[float]]:
        """Fit the log gains (N,) of the shots, and choose how much of them each direction's map of colours leaves out.

        Shots of one scene have equal gains: what differs between them is left to the map.
        """
        if self.n_scenes == 1:
            return np.zeros(len(groups)), [1.0, 1.0]
        log_gains = fit_gains(raws.colors, srgbs.colors, self.control_points)
        return log_gains, choose_gain_shares(self._directions, raws, srgbs, log_gains, groups, self.control_points)

    def notes(self) -> list[str]:
        """Say for each direction to which power of the gains its map was fitted, and what the residual is worth."""
        gains = [
            f"{name}: the map of colours is fitted to raw times the gain to the power of {share:.2f}."
            for name, share in zip(_DIRECTION_NAMES, self.gain_shares.tolist(), strict=True)
        ]
        return (gains if self.n_scenes > 1 else []) + self._residual_notes()

    def _residual_notes(self) -> list[str]:
        if self.residual is False:
            return ["The residual network is switched off (residual=False)."]
        if self.n_scenes < MIN_SCENES:
            return [
                f"The residual network is left out: it needs {MIN_SCENES} scenes, which do not look alike, and got "
                f"{int(self.n_scenes)}."
            ]
        pairs = zip(_DIRECTION_NAMES, self._directions, strict=True)
        return [f"{name}: {direction.residual.verdict}" for name, direction in pairs]


class _Inverse(_Directed):
    """The network from srgb to raw of a `PhotofinishNetwork`."""

    def __init__(self, network: PhotofinishNetwork) -> None:
        super().__init__()
        self.network = network

    @property
    def direction(self) -> Direction:
        return self.network.derendering


@hookimpl
def ispfit_backbones() -> list[type[Backbone]]:
    """Register `Photofinish`."""
    return [Photofinish]
