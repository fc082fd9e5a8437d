"""The backbone contract: describe the scene once, render any window of it.

A camera's auto mode reads the whole picture and then maps every pixel: ``Y_x = f(X_x, Φ, Ω_x)`` (Nam & Kim 2017,
Eq. 1), with Φ the global scene descriptor and Ω_x the neighbourhood of pixel x. In code::

    scene = network.describe(image)                   # Φ: the whole image in, a small summary out
    output = network.render(pixels, scene, window)    # f: a window and its halo (Ω) in, the window out

Training, tiled rendering of images of any size and scene exchange need nothing but these two calls. A third
party ships a `Backbone` whose ``build`` returns such a `Network`, checks it with
`ispfit.testing.check_backbone`, and registers it with one hook::

    @ispfit.hookimpl
    def ispfit_backbones():
        return [ItsBackbone]

A window (``#``) and its halo (``.``), here ``halo = 1``::

           image                 pixels                    output
    +------------------+
    |    . . . . . .   |       . . . . . .
    |    . # # # # .   |       . # # # # .                 # # # #
    |    . # # # # .   |  cut  . # # # # .     render      # # # #
    |    . # # # # .   |  -->  . # # # # .  (with scene)   # # # #
    |    . . . . . .   |       . . . . . .      -->
    |                  |
    +------------------+    (h + 2) x (w + 2)               h x w

The rules of `Network.render`:

- Use only *valid* convolutions. The framework supplies the halo and reflects the image at its edge, so an image
  rendered in tiles equals the image rendered whole.
- Use no statistics of the batch or of the window (batch or instance normalisation). Whatever depends on the whole
  image belongs in `Network.describe`.
- Keep no state between calls, leave inputs unchanged, return the same output for the same input.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from ispfit.errors import BackboneError
from ispfit.images import Image
from ispfit.scene import Scene, ScenePart
from ispfit.settings import check_settings

__all__ = ["Backbone", "Network", "Scene", "ScenePart", "Window"]


@dataclass(frozen=True)
class Window:
    """Where the windows of a batch lie in their images, without their halo.

    Parameters
    ----------
    top, left : int64 (N,), pixels from the image's upper left corner, multiples of the network's stride.
    height, width : size of every window of the batch in pixels. A window may reach past the lower and right edge of
        the image to complete its last stride; the image is reflected there.
    image_height, image_width : int64 (N,), size of the image of each window in pixels.
    """

    top: Tensor
    left: Tensor
    height: int
    width: int
    image_height: Tensor
    image_width: Tensor

    def grid(self) -> Tensor:
        """Return the pixel centres, float32 (N, 2, height, width): y, then x, from 0 to 1 across the image."""
        rows = self.top[:, None] + torch.arange(self.height, device=self.top.device)
        columns = self.left[:, None] + torch.arange(self.width, device=self.left.device)
        y = (rows + 0.5) / self.image_height[:, None]
        x = (columns + 0.5) / self.image_width[:, None]
        shape = (len(rows), self.height, self.width)
        return torch.stack([y[:, :, None].expand(shape), x[:, None, :].expand(shape)], 1)


def pick_pixels(maps: Tensor, sample_index: Tensor) -> Tensor:
    """Return some pixels of each map, (N, C, S).

    Parameters
    ----------
    maps : (N, C, h, w).
    sample_index : int64 (N, S), numbers of pixels, counted row by row.
    """
    return maps.flatten(2).gather(2, sample_index[:, None].expand(-1, maps.shape[1], -1))


class Network(torch.nn.Module):
    """One direction of a camera as a torch module.

    A subclass implements `render`, and `describe` if its output depends on the scene. All else is optional.

    Attributes
    ----------
    halo : pixels around a window that `render` reads on each side, a multiple of `stride`.
    stride : windows start and end on multiples of this number of pixels; more than 1 if the network pools.
    samples_per_window : number of pixels of each window, drawn with replacement, from which training computes the
        loss; None for all pixels.
    """

    halo: int = 0
    stride: int = 1
    samples_per_window: int | None = None

    def describe(self, image: Tensor) -> Scene:
        """Summarise whole images; the default returns an empty scene.

        Parameters
        ----------
        image : float32 (N, 3, H, W) in [0, 1], without halo. It may have 45 megapixels: reduce it first or go through
            it in strips, so that memory does not grow with the image.

        Returns
        -------
        Tensors with leading axis N.
        """
        return Scene()

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Render windows.

        Parameters
        ----------
        pixels : float32 (N, 3, h + 2 * halo, w + 2 * halo) in [0, 1], the windows with their halo.
        scene : the result of `describe`, one row for each of the N windows.
        window : the positions of the windows.

        Returns
        -------
        float32 (N, 3, h, w), nominally in [0, 1]; the caller clips.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement render(pixels, scene, window).")

    def scene_parts(self) -> dict[str, ScenePart]:
        """Return the parts of a scene that `ispfit.analysis.exchange_scene` can exchange alone, by name; optional.

        A slash puts parts into a group: ``luminance`` names both ``luminance/global`` and ``luminance/grid4``.
        """
        return {}

    def complete_scene(self, scene: Scene) -> Scene:
        """Recompute those tensors of a scene that follow from others, some of which were exchanged; optional."""
        return scene

    def describe_std(self, scene: Scene) -> Scene:
        """Return what `render_std` needs of scenes, computed once per image; the default returns `scene`."""
        return scene

    def render_std(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Return the standard deviation of the error of each value of `render`, under the same rules; optional.

        Parameters
        ----------
        pixels, window : as for `render`.
        scene : the result of `describe_std`, one row for each window.

        Returns
        -------
        float32 (N, 3, h, w), not negative, in the units of the output. Of new shots, about 68 % of the values should
        lie within one standard deviation of what is rendered, 95 % within 1.96.
        """
        raise BackboneError(f"{type(self).__name__} has no render_std(pixels, scene, window).")

    def exposure_std(self, image: Tensor, scene: Scene) -> Tensor:
        """Return the standard deviation of the error of log2 of the mean linear light of each output, in EV; optional.

        It does not follow from `render_std`: over the pixels of a shot, some errors average out and others do not.
        `image` and `scene` are the argument and the result of `describe`; returns float32 (N,).
        """
        raise BackboneError(f"{type(self).__name__} has no exposure_std(image, scene).")

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit the network to (input, target) images in closed form, such as by least squares.

        A network that overrides this is not trained by gradient steps. It is on the CPU while it is fitted. `pairs` can
        be iterated several times.
        """
        raise NotImplementedError(f"{type(self).__name__} is trained by gradient steps.")

    def notes(self) -> list[str]:
        """Return sentences on what `fit_pairs` decided, for the training record; none by default."""
        return []

    def inverse(self) -> Network:
        """Return the network of the other direction; required if the backbone declares ``invertible = True``."""
        raise BackboneError(f"{type(self).__name__} has no inverse(), but its backbone declares invertible = True.")

    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, sample_index: Tensor) -> Tensor:
        """Render some pixels of each window; training calls this if `samples_per_window` is set.

        The default renders whole windows. Override it if the pixels between the samples need not be computed.

        Parameters
        ----------
        pixels, scene, window : as for `render`.
        sample_index : int64 (N, S), numbers of pixels of each window without its halo, counted row by row. A number
            may occur twice.

        Returns
        -------
        float32 (N, 3, S).
        """
        return pick_pixels(self.render(pixels, scene, window), sample_index)

    @property
    def has_closed_form(self) -> bool:
        """Whether the network is fitted by `fit_pairs`."""
        return self._overrides("fit_pairs")

    @property
    def uses_scene(self) -> bool:
        """Whether the network has a `describe` of its own."""
        return self._overrides("describe")

    @property
    def has_std(self) -> bool:
        """Whether the network has a `render_std` of its own."""
        return self._overrides("render_std")

    def _overrides(self, method: str) -> bool:
        return getattr(getattr(self, method), "__func__", None) is not getattr(Network, method)


class Backbone(BaseEstimator):
    """A family of networks with its hyper-parameters; ``__init__`` stores its arguments and does nothing else.

    As a scikit-learn estimator it can be cloned, printed and searched (``backbone__bins``). A model file stores its
    hyper-parameters, so they are numbers, strings, booleans, None, or lists of these.

    Attributes
    ----------
    name : the name by which ``ISPModel(backbone=name)`` finds it.
    invertible : whether `Network.inverse` of the forward network serves the inverse direction; if so, only the forward
        network is fitted.
    """

    name: ClassVar[str]
    invertible: ClassVar[bool] = False

    def build(self) -> Network:
        """Return a new network with random weights drawn from torch's global generator."""
        raise NotImplementedError(f"{type(self).__name__} must implement build().")

    def initialise(self, network: Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Set initial weights that are not random: pretrained, or fitted in closed form to (input, target) images.

        Called for a network from `build` before it is trained, but not when a model file is loaded. `pairs` can be
        iterated several times. The default leaves the weights as they are.
        """

    def __sklearn_is_fitted__(self) -> bool:
        return True  # a backbone has hyper-parameters only

    def summary(self) -> str:
        """Return the first line of the docstring."""
        return (type(self).__doc__ or "").strip().split("\n")[0]

    def settings(self) -> dict[str, Any]:
        """Return the hyper-parameters, as a model file stores them."""
        return dict(self.get_params(deep=False))

    def check_settings(self) -> None:
        """Raise an `InputError` if a hyper-parameter is not what its annotation says, see `ispfit.settings`."""
        check_settings(type(self), self.settings())
