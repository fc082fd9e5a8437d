"""The estimator: `ISPModel`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import check_random_state

from ispfit import metrics
from ispfit.backbone import Backbone, Network
from ispfit.errors import InputError, NotFittedError
from ispfit.estimator.callbacks import FitTask, FittedState
from ispfit.estimator.inputs import read_pairs, same_lengths, same_shapes
from ispfit.estimator.persistence import ModelFile, read_model, to_json, write_model
from ispfit.images import Image, ImageList, ImagePairs, check_images
from ispfit.io import read_raw, read_srgb
from ispfit.plugins import get_backbone
from ispfit.rendering import render_image
from ispfit.runtime import resolve_runtime, seeded
from ispfit.training import Checkpoint, OnEvaluation, TrainingPlan, TrainingRecord, train

__all__ = ["ISPModel", "load"]

Direction: TypeAlias = Literal["forward", "inverse"]


class ISPModel(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """A camera's image signal processor, learned from pairs of raw and srgb images.

    `transform` renders raw to srgb, `inverse_transform` derenders srgb to raw; each direction has its own network
    (Nam & Kim 2017). Images are float32 arrays H x W x 3 in [0, 1] of any and unequal sizes, or paths of files.

    Parameters
    ----------
    backbone : str or Backbone
        A name of `ispfit.list_backbones`, or an object such as ``HistPyramid(bins=8)``. Its hyper-parameters are
        reached as ``backbone__bins``, also where a name was given.
    direction : {"both", "forward", "inverse"}
        What to fit.
    max_steps : int
        Training steps for each direction. Training ends before if the validation PSNR has ceased to rise.
    learning_rate : float
        Highest rate of Adam; it warms up linearly and decays as half a cosine.
    batch_size : int
        Images a step.
    windows_per_image : int
        Windows cut from each of them.
    window_size : int
        Side of a window in pixels.
    validation_fraction : float in [0, 1)
        Share of the pairs held out for early stopping; where it comes to less than half a pair, none is.
    device : str
        "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", ...
    precision : {"auto", "fp32", "bf16", "fp16"}
        Precision of the convolutions; "auto" is mixed on a GPU and fp32 on a CPU.
    warm_start : bool
        Whether `fit` continues from the weights of the last `fit`, for another `max_steps`.
    verbose : int
        1 shows a progress bar on a terminal.
    random_state : int, RandomState instance or None
        An int makes training repeatable on one machine.

    Attributes
    ----------
    backbone_ : Backbone
        The backbone that was fitted.
    networks_ : dict of str to Network
        The fitted networks, by direction, on the CPU.
    records_ : dict of str to TrainingRecord
        How the training of each direction went.
    camera_ : str or None
        The camera of the first training image, where it is known.

    Examples
    --------
    >>> from ispfit import ISPModel
    >>> from ispfit.datasets import make_camera_pairs
    >>> X, Y = make_camera_pairs(4, image_size=64, camera="manual", random_state=0)
    >>> model = ISPModel("mlp", max_steps=30, learning_rate=1e-2, random_state=0).fit(X[:3], Y[:3])
    >>> [srgb] = model.transform(X[3:])
    >>> srgb.shape
    (64, 64, 3)
    >>> model.score(X[3:], Y[3:]) > 10
    True

    References
    ----------
    Nam & Kim, "Modelling the Scene Dependent Imaging in Cameras with a Deep Neural Network", ICCV 2017.
    """

    backbone_: Backbone
    networks_: dict[str, Network]
    records_: dict[str, TrainingRecord]
    camera_: str | None

    def __init__(
        self,
        backbone: str | Backbone = "histpyramid",
        *,
        direction: str = "both",
        max_steps: int = 4000,
        learning_rate: float = 1e-3,
        batch_size: int = 4,
        windows_per_image: int = 16,
        window_size: int = 32,
        validation_fraction: float = 0.1,
        device: str = "auto",
        precision: str = "auto",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.direction = direction
        self.max_steps = max_steps
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.windows_per_image = windows_per_image
        self.window_size = window_size
        self.validation_fraction = validation_fraction
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    def fit(self, X: Any, Y: Any, *, checkpoint: str | PathLike[str] | None = None) -> ISPModel:
        """Fit the camera.

        Parameters
        ----------
        X : sequence of raw images
            Linear, white-balanced camera RGB in [0, 1], 1 = saturation: float arrays H x W x 3, or paths that
            `ispfit.read_raw` reads.
        Y : sequence of srgb images
            The camera's rendering of each, on the same pixel grid: float arrays in [0, 1], or paths that
            `ispfit.read_srgb` reads.
        checkpoint : folder, optional
            Where to keep checkpoints of the training, and to continue from those that are there; this needs an int
            `random_state`.

        Raises
        ------
        InputError
            If X or Y is no sequence of images, their lengths or a pair's sizes differ, a parameter is out of range,
            or a warm start finds another backbone fitted.
        TrainingError
            If the loss is not finite.
        CheckpointError
            If the checkpoint belongs to a run with other settings or other data.
        """
        directions = _DIRECTIONS.get(self.direction)
        if directions is None:
            raise InputError(f"direction: expected 'both', 'forward' or 'inverse', got {self.direction!r}.")
        self._check_checkpoint(checkpoint)
        plan = self._plan()
        raws, srgbs = read_pairs(X, Y)
        backbone = self._backbone()
        if backbone.invertible:
            directions = ("forward",)
        state = FittedState(backbone, raws[0].shot.camera)
        task = FitTask(self, raws, srgbs, len(directions))
        for direction in directions:
            pairs = (raws, srgbs) if direction == "forward" else (srgbs, raws)
            network, first_step = self._start(backbone, direction, plan.seed, pairs)
            place = Checkpoint(Path(checkpoint, f"{direction}.safetensors")) if checkpoint else None
            part = replace(plan, first_step=first_step)
            n_evaluations = 0 if network.has_closed_form else plan.n_evaluations
            with task.direction(direction, network, n_evaluations, state) as on_evaluation:
                record = self._train(backbone, direction, network, pairs, part, place, on_evaluation)
            state = state.plus(direction, network, record)
        for name, value in state.attributes().items():
            setattr(self, name, value)
        task.end(state)
        return self

    def transform(self, X: Any) -> list[Image]:
        """Render raw images to srgb.

        Parameters
        ----------
        X : sequence of raw images or paths, as for `fit`.

        Returns
        -------
        List of float32 images H x W x 3 in [0, 1], non-linear sRGB, each with the shot of its raw.
        """
        with self._renderer("forward") as render:
            return [render(image) for image in check_images(X, "X", read_raw)]

    def inverse_transform(self, Y: Any) -> list[Image]:
        """Derender srgb images to raw.

        Parameters
        ----------
        Y : sequence of srgb images or paths, as for `fit`.

        Returns
        -------
        List of float32 images H x W x 3 in [0, 1], linear and white-balanced camera RGB, 1 = saturation.
        """
        with self._renderer("inverse") as render:
            return [render(image) for image in check_images(Y, "Y", read_srgb)]

    def predict(self, X: Any) -> list[Image]:
        """The same as `transform`, for tools that look for a regressor."""
        return self.transform(X)

    def psnr(self, X: Any, Y: Any, *, direction: str = "forward") -> npt.NDArray[np.float64]:
        """PSNR in dB of each pair, in one direction: ``transform(X)`` against Y, or ``inverse_transform(Y)`` against X.

        Images are read, rendered and forgotten one by one.
        """
        values = []
        with self._renderer(direction) as render:
            for raw, srgb in same_shapes(*same_lengths(X, Y)):
                image, target = (raw, srgb) if direction == "forward" else (srgb, raw)
                values.append(metrics.psnr(target, render(image)))
        return np.array(values)

    def score(self, X: Any, Y: Any) -> float:
        """Mean PSNR in dB of the forward direction; see `ispfit.psnr` for its cap."""
        return metrics.psnr_scorer(self, X, Y)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted model to one file (safetensors with JSON metadata)."""
        self._check_fitted()
        parameters = self.get_params(deep=False) | {"backbone": self.backbone_.name, "random_state": None}
        if isinstance(self.random_state, int | np.integer):
            parameters["random_state"] = int(self.random_state)
        networks = {name: self.networks_[name] for name in self.records_}
        records = {name: record.as_dict() for name, record in self.records_.items()}
        write_model(path, ModelFile(self.backbone_, networks, parameters, records, self.camera_))

    @classmethod
    def load(cls, path: str | PathLike[str], *, device: str = "auto") -> ISPModel:
        """Read a model that `save` wrote, on any device; nothing is unpickled.

        Raises
        ------
        ModelFileError
            If it is no model file, is of a newer format, or needs a plugin that is not installed.
        """
        file = read_model(path)
        known = cls().get_params(deep=False)
        parameters = {name: value for name, value in file.parameters.items() if name in known}
        model = cls(**(parameters | {"backbone": file.backbone, "device": device, "precision": "auto"}))
        model.backbone_, model.networks_, model.camera_ = clone(file.backbone), file.networks, file.camera
        model.records_ = {name: TrainingRecord.from_dict(record) for name, record in file.records.items()}
        if file.backbone.invertible:
            model.networks_["inverse"] = model.networks_["forward"].inverse()
        return model

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters of the model; with `deep`, those of its backbone too, also where it was given by name."""
        parameters: dict[str, Any] = super().get_params(deep=deep)
        if deep and isinstance(self.backbone, str):
            nested = get_backbone(self.backbone)().get_params(deep=True)
            parameters |= {f"backbone__{name}": value for name, value in nested.items()}
        return parameters

    def set_params(self, **parameters: Any) -> ISPModel:
        """Set parameters; one such as ``backbone__bins`` turns a backbone given by name into an object."""
        if "backbone" in parameters:
            self.backbone = parameters.pop("backbone")
        if isinstance(self.backbone, str) and any(name.startswith("backbone__") for name in parameters):
            self.backbone = get_backbone(self.backbone)()
        super().set_params(**parameters)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "networks_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        return tags

    def _plan(self) -> TrainingPlan:
        names = [field.name for field in fields(TrainingPlan) if field.name not in ("seed", "first_step")]
        return TrainingPlan(seed=self._seed(), **{name: getattr(self, name) for name in names})

    def _start(
        self, backbone: Backbone, direction: str, seed: int, pairs: tuple[ImageList, ImageList]
    ) -> tuple[Network, int]:
        """The network to train, and how many steps it has been trained: a new one, or a copy of the fitted one."""
        if self.warm_start and direction in getattr(self, "networks_", {}):
            old, new = (to_json([one.name, one.settings()]) for one in (self.backbone_, backbone))
            if new != old:
                raise InputError(
                    f"warm_start: {backbone} cannot continue {self.backbone_}, which was fitted; set warm_start=False."
                )
            return deepcopy(self.networks_[direction]), self.records_[direction].steps
        with seeded(seed):
            network = backbone.build()
            backbone.initialise(network, ImagePairs(*pairs))
            return network, 0

    def _train(
        self,
        backbone: Backbone,
        direction: str,
        network: Network,
        pairs: tuple[ImageList, ImageList],
        plan: TrainingPlan,
        checkpoint: Checkpoint | None,
        on_evaluation: OnEvaluation,
    ) -> TrainingRecord:
        runtime = resolve_runtime(self.device, self.precision)
        about = {"backbone": backbone.name, "settings": backbone.settings()}
        label = f"{backbone.name} {direction}"
        try:
            network.to(runtime.device)
            verbose = self.verbose > 0
            return train(
                network,
                *pairs,
                plan,
                runtime,
                checkpoint=checkpoint,
                about=about,
                label=label,
                verbose=verbose,
                on_evaluation=on_evaluation,
            )
        finally:
            network.cpu().eval()

    @contextmanager
    def _renderer(self, direction: str) -> Iterator[Callable[[Image], Image]]:
        """A function that renders an image in this direction; the network is on the device meanwhile."""
        self.check_direction(direction)
        runtime = resolve_runtime(self.device, self.precision)
        network = self.networks_[direction].to(runtime.device)
        try:
            yield lambda image: Image(render_image(network, image, runtime), image.shot)
        finally:
            network.cpu()

    def check_direction(self, direction: str) -> None:
        """Raise a `NotFittedError` if this direction, "forward" or "inverse", has not been fitted."""
        if direction not in _DIRECTIONS["both"]:
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

    def _check_checkpoint(self, checkpoint: str | PathLike[str] | None) -> None:
        if checkpoint is not None and not isinstance(self.random_state, int | np.integer):
            raise InputError(
                f"random_state: expected an int with a checkpoint, got {self.random_state!r}; "
                "a run that is continued must draw the same windows."
            )

    def _backbone(self) -> Backbone:
        if isinstance(self.backbone, str):
            return get_backbone(self.backbone)()
        if not isinstance(self.backbone, Backbone):
            raise InputError(f"backbone: expected a name or a Backbone object, got {self.backbone!r}.")
        copy: Backbone = clone(self.backbone)
        return copy

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            if self.random_state < 0:
                raise InputError(f"random_state: expected a whole number >= 0, got {self.random_state}.")
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))


_DIRECTIONS = {"both": ("forward", "inverse"), "forward": ("forward",), "inverse": ("inverse",)}


def load(path: str | PathLike[str], *, device: str = "auto") -> ISPModel:
    """Read a fitted `ISPModel` from a file that its ``save`` wrote; see `ISPModel.load`."""
    return ISPModel.load(path, device=device)
