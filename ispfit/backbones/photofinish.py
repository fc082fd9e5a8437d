"""A physical camera whose exposure, tone and colour follow the scene: fitted in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ispfit.backbone import Backbone, Network, Scene, ScenePart, Window
from ispfit.backbones.parts.camera_directions import Derendering, Rendering
from ispfit.backbones.parts.color_model import ParametricNetwork
from ispfit.backbones.parts.direction import Direction
from ispfit.backbones.parts.exposure import GAIN_POWERS, fit_color_maps, fit_gains
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
    a map of colours (that of `parametric`). Each direction then averages four maps, sharp or smooth, of shots whose
    gains are divided out or not, by what they are worth in scenes that the regression below has not seen. What a map
    leaves of each shot is fitted by a few coefficients. Gains and coefficients are predicted from statistics of the
    scene by kernel regressions, whose smoothness is chosen by leaving out scenes. Only the networks of the residual are
    trained by gradient steps, 500 in each direction.

    Parameters
    ----------
    control_points : maximum number of control points of each map of colours, see `Parametric`.
    max_shots : largest number of shots that are used, evenly spaced among the pairs.
    residual : whether small networks add what the camera model leaves. "auto" uses them in a direction if they raise
        the mean PSNR of shots in scenes that were held out, with fewer than 20 scenes by more than 1.645 standard
        errors of this mean. With fewer than 10 scenes they are left out.
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

    def __init__(self, control_points: int, max_shots: int, residual: bool | Literal["auto"] = False) -> None:
        super().__init__()
        self.control_points, self.max_shots, self.residual = control_points, max_shots, residual
        self.rendering, self.derendering = Rendering(max_shots), Derendering(max_shots)
        self.register_buffer("n_scenes", torch.zeros((), dtype=torch.int64))
        with torch.no_grad():
            for direction in self._directions:
                direction.set_color_maps(len(GAIN_POWERS) * [ParametricNetwork(0)])

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
            log_gains = self._fit_gains(raws, srgbs)
            color_maps = fit_color_maps(raws.colors, srgbs.colors, log_gains, self.control_points)
            for direction in self._directions:
                direction.set_color_maps(color_maps)
                gains = direction.shot_gains(raws, srgbs, log_gains)
                direction.fit(*direction.sides(raws, srgbs), gains, groups, self.residual)

    def _fit_gains(self, raws: ShotSamples, srgbs: ShotSamples) -> npt.NDArray[np.float64]:
        """Fit the log gains (N,) of the shots; of a single scene, all are 0, and what differs is left to the map."""
        if self.n_scenes == 1:
            return np.zeros(len(raws.colors))
        return fit_gains(raws.colors, srgbs.colors, self.control_points)

    def notes(self) -> list[str]:
        """Say for each direction how much each map of colours counts, and what the residual is worth."""
        weights = [
            _weights_note(name, each.weights) for name, each in zip(_DIRECTION_NAMES, self._directions, strict=True)
        ]
        return (weights if self.n_scenes > 1 else []) + self._residual_notes()

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


def _weights_note(direction: str, weights: Tensor) -> str:
    plain, divided, smooth_plain, smooth_divided = weights.tolist()
    return (
        f"{direction}: weights of the maps of colours: sharp {plain:.2f}, smooth {smooth_plain:.2f}; "
        f"with gains divided out, sharp {divided:.2f}, smooth {smooth_divided:.2f}."
    )


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
