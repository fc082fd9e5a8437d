"""The methods of a fitted `ISPModel` that use its networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Self, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import TransformerMixin

from ispfit import metrics
from ispfit.backbone import Backbone, Network, Scene
from ispfit.directions import DIRECTIONS
from ispfit.errors import InputError, NotFittedError
from ispfit.estimator.inputs import iterate_pairs
from ispfit.estimator.parameters import check_has_std
from ispfit.estimator.scenes import check_scenes, scene_on
from ispfit.images import Image, check_images
from ispfit.io import read_raw, read_srgb
from ispfit.rendering import describe_image, exposure_std, render_image, render_std
from ispfit.runtime import Runtime, resolve_runtime
from ispfit.training import TrainingRecord

__all__ = ["FittedNetworks"]

_WithStds: TypeAlias = tuple[list[Image], list[Image]]

_READERS = {"forward": read_raw, "inverse": read_srgb}


class FittedNetworks(TransformerMixin):
    """The fitted attributes of an `ISPModel`, and the methods that render with its networks."""

    direction: str
    device: str
    precision: str

    backbone_: Backbone
    networks_: dict[str, Network]
    records_: dict[str, TrainingRecord]
    camera_: str | None
    color_matrix_: npt.NDArray[np.float64] | None

    def set_fitted(
        self,
        backbone: Backbone,
        networks: dict[str, Network],
        records: dict[str, TrainingRecord],
        camera: str | None = None,
        color_matrix: npt.NDArray[np.float64] | None = None,
    ) -> Self:
        """Assign the fitted attributes, as `fit` does: for readers of foreign formats, such as `ispfit.formats`.

        Parameters
        ----------
        backbone : backbone of the networks.
        networks : trained networks by direction, which are moved to the CPU and set to evaluation mode. An invertible
            backbone needs the forward network alone.
        records : training record of each of the networks.
        camera : make and model of the camera, if known.
        color_matrix : (3, 3), from CIE XYZ (D65) to the camera's RGB before white balance, if known.

        Returns
        -------
        The model itself.
        """
        if backbone.invertible and "forward" in networks:
            networks = networks | {"inverse": networks["forward"].inverse()}
        self.backbone_ = backbone
        self.networks_ = {direction: network.cpu().eval() for direction, network in networks.items()}
        self.records_ = dict(records)
        self.camera_ = camera
        self.color_matrix_ = color_matrix
        return self

    @overload
    def transform(
        self, X: Any, scenes: Sequence[Scene] | None = None, return_std: Literal[False] = False
    ) -> list[Image]: ...
    @overload
    def transform(self, X: Any, scenes: Sequence[Scene] | None = None, *, return_std: Literal[True]) -> _WithStds: ...
    def transform(self, X: Any, scenes: Sequence[Scene] | None = None, return_std: bool = False) -> Any:
        """Render raws to srgbs.

        Parameters
        ----------
        X : sequence of raws or paths, as in `fit`.
        scenes : the scene to render each image with, as `describe` returns it; that of another image makes a scene
            exchange (Nam & Kim 2017, 5.3). None renders each image with its own scene.
        return_std : whether to return the standard deviation of the error of each value too. Of new shots of the
            camera, about 68 % of the values lie within one standard deviation, 95 % within 1.96. Needs a backbone that
            knows it, such as photofinish.

        Returns
        -------
        srgbs : list of float32 images H x W x 3 in [0, 1], non-linear sRGB, each with the shot of its raw.
        stds : list of float32 images H x W x 3 of the same units; only if `return_std`.

        Raises
        ------
        NotFittedError
            If the forward direction is not fitted.
        InputError
            If X is not a sequence of images, if `scenes` does not hold one scene of this backbone for each image, or if
            the backbone does not know the standard deviation.

        Examples
        --------
        >>> from ispfit import ISPModel
        >>> from ispfit.datasets import make_camera_pairs
        >>> X, Y = make_camera_pairs(3, image_size=48, random_state=0)
        >>> model = ISPModel("photofinish").fit(X[:2], Y[:2])
        >>> srgbs, stds = model.transform(X[2:], return_std=True)
        >>> stds[0].shape
        (48, 48, 3)
        """
        return self._render("forward", X, "X", scenes, return_std)

    @overload
    def inverse_transform(
        self, Y: Any, scenes: Sequence[Scene] | None = None, return_std: Literal[False] = False
    ) -> list[Image]: ...
    @overload
    def inverse_transform(
        self, Y: Any, scenes: Sequence[Scene] | None = None, *, return_std: Literal[True]
    ) -> _WithStds: ...
    def inverse_transform(self, Y: Any, scenes: Sequence[Scene] | None = None, return_std: bool = False) -> Any:
        """Derender srgbs to raws.

        Parameters
        ----------
        Y : sequence of srgbs or paths, as in `fit`.
        scenes : as in `transform`, of the inverse direction.
        return_std : as in `transform`.

        Returns
        -------
        raws : list of float32 images H x W x 3 in [0, 1], linear camera RGB, each with the shot of its srgb.
        stds : list of float32 images H x W x 3 of the same units; only if `return_std`.

        Raises
        ------
        NotFittedError
            If the inverse direction is not fitted.
        InputError
            As in `transform`, of Y.
        """
        return self._render("inverse", Y, "Y", scenes, return_std)

    @overload
    def predict(self, X: Any, return_std: Literal[False] = False) -> list[Image]: ...
    @overload
    def predict(self, X: Any, return_std: Literal[True]) -> _WithStds: ...
    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return `transform` of X, for tools that expect a regressor; a Pipeline passes `return_std` on."""
        return self._render("forward", X, "X", None, return_std)

    def exposure_std(self, X: Any, direction: str = "forward") -> npt.NDArray[np.float64]:
        """Return how sure the exposure of each rendered image is.

        The errors of pixels average out over an image, those of its exposure do not: the standard deviations of its
        pixels do not say how sure its mean is.

        Parameters
        ----------
        X : sequence of images or paths, as in `fit`: raws for the forward direction, srgbs for the inverse one.
        direction : {"forward", "inverse"}

        Returns
        -------
        float64 (n_images,), in EV: standard deviations of the error of log2 of the mean linear light of what
        `transform` or `inverse_transform` returns, of srgb after decoding. They hold for new shots of the camera, as
        those of `transform` do.

        Raises
        ------
        NotFittedError
            If the direction is not fitted.
        InputError
            If X is not a sequence of images, or the backbone does not know the standard deviation.
        """
        with self._on_device(direction) as (network, runtime):
            check_has_std(network, self.backbone_, "exposure_std")
            images = check_images(X, "X", _READERS[direction])
            return np.array([exposure_std(network, image, runtime) for image in images])

    def describe(self, X: Any, direction: str = "forward") -> list[Scene]:
        """Return the scene of each image: what its network reads from the whole image before it renders any pixel.

        Parameters
        ----------
        X : sequence of images or paths, as in `fit`: raws for the forward direction, srgbs for the inverse one.
        direction : {"forward", "inverse"}

        Returns
        -------
        List of scenes, one for each image, whose tensors are on the CPU and have a leading axis of length 1. A scene is
        empty if the backbone does not use it. Scenes can be pickled.

        Raises
        ------
        NotFittedError
            If the direction is not fitted.
        InputError
            If X is not a sequence of images, or the direction is neither "forward" nor "inverse".

        Examples
        --------
        Render one image with the scene of another:

        >>> from ispfit import ISPModel
        >>> from ispfit.datasets import make_camera_pairs
        >>> X, Y = make_camera_pairs(3, image_size=48, random_state=0)
        >>> model = ISPModel(max_steps=2, random_state=0).fit(X, Y)
        >>> scenes = model.describe(X)
        >>> scenes[0]["histogram"].shape
        torch.Size([1, 18])
        >>> [exchanged] = model.transform(X[:1], scenes=scenes[1:2])
        """
        with self._on_device(direction) as (network, runtime):
            images = check_images(X, "X", _READERS[direction])
            return [scene_on(torch.device("cpu"), describe_image(network, image, runtime)) for image in images]

    def psnr(self, X: Any, Y: Any, *, direction: str = "forward") -> npt.NDArray[np.float64]:
        """Return the PSNR of each pair: ``transform(X)`` against Y, or ``inverse_transform(Y)`` against X.

        Pairs are read and rendered one by one, so that memory does not grow with their number.

        Parameters
        ----------
        X, Y : raws and srgbs, as in `fit`.
        direction : {"forward", "inverse"}

        Returns
        -------
        float64 (n_pairs,), in dB; see `ispfit.psnr` for its cap.
        """
        values = []
        with self._on_device(direction) as (network, runtime):
            for raw, srgb in iterate_pairs(X, Y):
                image, target = (raw, srgb) if direction == "forward" else (srgb, raw)
                values.append(metrics.psnr(target, render_image(network, image, runtime)))
        return np.array(values)

    def score(self, X: Any, Y: Any) -> float:
        """Return the mean PSNR of the forward direction in dB; see `psnr`."""
        return float(np.mean(self.psnr(X, Y)))

    def _render(
        self, direction: str, images: Any, name: str, scenes: Sequence[Scene] | None, return_std: bool
    ) -> list[Image] | _WithStds:
        with self._on_device(direction) as (network, runtime):
            if return_std:
                check_has_std(network, self.backbone_, "return_std")
            checked = check_images(images, name, _READERS[direction])
            given = None if scenes is None else check_scenes(scenes, len(checked), network, runtime)
            rendered: list[Image] = []
            stds: list[Image] = []
            for index, image in enumerate(checked):
                scene = scene_on(runtime.device, given[index]) if given else None
                if return_std and scene is None:
                    scene = describe_image(network, image, runtime)
                rendered.append(Image(render_image(network, image, runtime, scene=scene), image.shot))
                if return_std:
                    stds.append(Image(render_std(network, image, runtime, scene=scene), image.shot))
            return (rendered, stds) if return_std else rendered

    @contextmanager
    def _on_device(self, direction: str) -> Iterator[tuple[Network, Runtime]]:
        """Yield the network of a direction, which is on the runtime's device within the block, and the runtime."""
        self.check_direction(direction)
        runtime = resolve_runtime(self.device, self.precision)
        network = self.networks_[direction].to(runtime.device)
        try:
            yield network, runtime
        finally:
            network.cpu()

    def check_direction(self, direction: str) -> None:
        """Raise an `InputError` if there is no such direction, or a `NotFittedError` if it is not fitted."""
        if direction not in DIRECTIONS:
            raise InputError(f"direction: expected 'forward' or 'inverse', got {direction!r}.")
        self._check_fitted()
        if direction not in self.networks_:
            raise NotFittedError(
                f"this ISPModel has no {direction} direction: it was fitted with direction={self.direction!r}; "
                f"fit it with direction='both' or '{direction}'."
            )

    def _check_fitted(self) -> None:
        if not hasattr(self, "networks_"):
            raise NotFittedError("this ISPModel is not fitted yet; call fit(X, Y), or ispfit.load(path).")
