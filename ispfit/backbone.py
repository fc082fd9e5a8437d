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

The rules of `Network.render`:

- only *valid* convolutions: the framework supplies the halo (the image's edge is reflected), so that an image rendered
  in tiles equals the image rendered whole;
- no statistics of the batch or of the window (batch or instance normalisation): what depends on the image as a
  whole belongs in `Network.describe`;
- no state between calls, inputs left unchanged, the same output for the same input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from ispfit.errors import BackboneError
from ispfit.images import Image

__all__ = ["Backbone", "Network", "Scene", "Window"]


class Scene(Mapping[str, Tensor]):
    """What `Network.describe` returns, Φ: named tensors whose leading axis counts the images.

    Parameters
    ----------
    **tensors : one tensor or more of shape (N, ...); none for a network that does not look at the scene. Their size
        must not grow with the image.

    Examples
    --------
    >>> import torch
    >>> scene = Scene(mean=torch.tensor([[0.1], [0.7]]))
    >>> scene.select(torch.tensor([1, 1, 0]))["mean"].flatten().tolist()
    [0.699..., 0.699..., 0.100...]
    """

    def __init__(self, **tensors: Tensor) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"Scene({', '.join(f'{name}={tuple(tensor.shape)}' for name, tensor in self.items())})"

    def select(self, index: Tensor) -> Scene:
        """The scene of each row of a batch: row i gets the scene of image ``index[i]``."""
        return Scene(**{name: tensor[index] for name, tensor in self.items()})

    def detach(self) -> Scene:
        """The same values without their gradient history."""
        return Scene(**{name: tensor.detach() for name, tensor in self.items()})

    @classmethod
    def cat(cls, scenes: Sequence[Scene]) -> Scene:
        """The scenes of several images, one after the other."""
        return cls(**{name: torch.cat([scene[name] for scene in scenes]) for name in scenes[0]})


@dataclass(frozen=True)
class Window:
    """Where the windows of a batch lie in their images, without their halo.

    Parameters
    ----------
    top, left : int64 tensors (N,), in pixels from the image's corner, multiples of the network's stride.
    height, width : the size of every window of the batch, in pixels. A window may reach past the image's
        lower and right edge to fill its last stride; there the image is reflected.
    image_height, image_width : int64 tensors (N,), the size of each row's image, in pixels.
    """

    top: Tensor
    left: Tensor
    height: int
    width: int
    image_height: Tensor
    image_width: Tensor

    def grid(self) -> Tensor:
        """Centres of the pixels, float32 (N, 2, height, width): y, then x, running from 0 to 1 over the image."""
        rows = self.top[:, None] + torch.arange(self.height, device=self.top.device)
        columns = self.left[:, None] + torch.arange(self.width, device=self.left.device)
        y = (rows + 0.5) / self.image_height[:, None]
        x = (columns + 0.5) / self.image_width[:, None]
        shape = (len(rows), self.height, self.width)
        return torch.stack([y[:, :, None].expand(shape), x[:, None, :].expand(shape)], 1)


def pick_pixels(maps: Tensor, at: Tensor) -> Tensor:
    """The pixels `at` (N, S) of maps (N, C, h, w), counted row by row: (N, C, S)."""
    return maps.flatten(2).gather(2, at[:, None].expand(-1, maps.shape[1], -1))


class Network(torch.nn.Module):
    """One direction of a camera as a torch module: a subclass gives `render`, and `describe` if the scene counts.

    Attributes
    ----------
    halo : pixels of surround that `render` reads on each side of a window, a multiple of `stride`.
    stride : windows start and end on multiples of this (a network with pooling needs its grid aligned).
    samples_per_window : pixels of each window that a training step looks at, drawn with repetition; None: all.
    """

    halo: int = 0
    stride: int = 1
    samples_per_window: int | None = None

    def describe(self, image: Tensor) -> Scene:
        """Summarise whole images; the default looks at nothing.

        Parameters
        ----------
        image : float32 (N, 3, H, W) in [0, 1], without halo. It may hold 45 megapixels: reduce or stream, so that the
            memory needed does not grow with it.

        Returns
        -------
        Tensors with leading axis N.
        """
        return Scene()

    def render(self, pixels: Tensor, scene: Scene, window: Window) -> Tensor:
        """Render windows.

        Parameters
        ----------
        pixels : float32 (N, 3, h + 2 * halo, w + 2 * halo) in [0, 1], the windows and their halo.
        scene : what `describe` returned, one row for each of the N windows.
        window : where the windows lie.

        Returns
        -------
        float32 (N, 3, h, w), nominally in [0, 1]; the caller clips.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement render(pixels, scene, window).")

    def render_samples(self, pixels: Tensor, scene: Scene, window: Window, at: Tensor) -> Tensor:
        """Render some pixels of each window: what training asks for where `samples_per_window` is set.

        The default picks them from `render`; a network overrides this if it need not compute what lies between.

        Parameters
        ----------
        pixels, scene, window : as for `render`.
        at : int64 (N, S), the pixels of each window, counted row by row; one may come twice.

        Returns
        -------
        float32 (N, 3, S).
        """
        return pick_pixels(self.render(pixels, scene, window), at)

    def fit_pairs(self, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Fit to (input, target) images without gradient steps (least squares, a table).

        A network that overrides this is not trained by the loop. `pairs` can be iterated several times.
        """
        raise NotImplementedError(f"{type(self).__name__} is trained by gradient steps.")

    def inverse(self) -> Network:
        """The network of the other direction; a backbone with ``invertible = True`` overrides this."""
        raise BackboneError(f"{type(self).__name__} has no inverse(), but its backbone declares invertible = True.")

    @property
    def has_closed_form(self) -> bool:
        """Whether this network fits itself by `fit_pairs`."""
        return type(self).fit_pairs is not Network.fit_pairs


class Backbone(BaseEstimator):
    """A family of networks with its hyper-parameters; ``__init__`` stores its arguments and does nothing else.

    As a scikit-learn estimator it can be cloned, printed and searched (``backbone__bins``). Its hyper-parameters are
    numbers, strings, booleans, None, or lists of these: what a model file holds.

    Attributes
    ----------
    name : the name by which ``ISPModel(backbone=name)`` finds it.
    invertible : True where the forward network's `Network.inverse` serves the inverse direction, so that one network
        is fitted, not two.
    """

    name: ClassVar[str]
    invertible: ClassVar[bool] = False

    def build(self) -> Network:
        """A new network with random weights, drawn from torch's global generator."""
        raise NotImplementedError(f"{type(self).__name__} must implement build().")

    def initialise(self, network: Network, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Give a network that `build` made the weights that training is to begin with, where random ones are not meant.

        Called before a network is trained, not where one is loaded from a file: here pretrained weights are fetched,
        or a part is fitted in one go to the (input, target) images, which can be iterated several times.
        """

    def __sklearn_is_fitted__(self) -> bool:
        return True  # hyper-parameters only: there is nothing to fit

    def summary(self) -> str:
        """The first line of the docstring."""
        return (type(self).__doc__ or "").strip().split("\n")[0]

    def settings(self) -> dict[str, Any]:
        """The hyper-parameters, for a model file."""
        return dict(self.get_params(deep=False))
