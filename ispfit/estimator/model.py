"""The estimator: `ISPModel`."""

from __future__ import annotations

import time
from copy import copy, deepcopy
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackSupportMixin

from ispfit.backbone import Backbone, Network
from ispfit.errors import PluginError, UnknownBackboneError
from ispfit.estimator.callbacks import DirectionTask, Task, with_callbacks
from ispfit.estimator.fitted import FittedNetworks
from ispfit.estimator.inputs import check_pairs, check_validation, in_direction, warn_of_mixed_cameras
from ispfit.estimator.notebook import fitted_html
from ispfit.estimator.parameters import (
    check_checkpoint,
    check_same_backbone,
    resolve_backbone,
    resolve_directions,
    resolve_seed,
)
from ispfit.estimator.persistence import ModelFile, read_model, write_model
from ispfit.estimator.schedule import Training, check_budget, schedule
from ispfit.images import ImageList, ImagePairs
from ispfit.plugins import get_backbone
from ispfit.runtime import Runtime, resolve_runtime, seeded
from ispfit.training import Checkpoint, OnEvaluation, TrainingPlan, TrainingRecord, train

__all__ = ["ISPModel", "load"]


class ISPModel(CallbackSupportMixin, FittedNetworks, BaseEstimator):
    """A camera's image signal processor, learned from pairs of raw and srgb images.

    `transform` renders raw to srgb, `inverse_transform` derenders srgb to raw; each direction has its own network
    (Nam & Kim 2017). Images are float32 arrays H x W x 3 in [0, 1], which may differ in size, or paths of files.

    Parameters
    ----------
    backbone : str or Backbone
        A name from `ispfit.list_backbones`, or an object such as ``HistPyramid(bins=8)``. Its hyper-parameters are
        parameters of the model too, such as ``backbone__bins``, even if the backbone is a name.
    direction : {"both", "forward", "inverse"}
        Direction to fit.
    max_steps : int
        Training steps for each direction.
    budget : str, float or None
        Time for all directions, such as "5min", "1h30min", or a number of seconds, in place of `max_steps`: `fit`
        measures the speed of this machine, sets the number of steps before the first one, and keeps to it. The number
        depends on the machine and what else it does; ``records_["forward"].steps`` has it. To repeat a fit bit for bit,
        pass that number as `max_steps`.
    learning_rate : float
        Peak learning rate of Adam, after a linear warm-up and before a cosine decay.
    batch_size : int
        Images per step.
    windows_per_image : int
        Windows cut from each image of a step.
    window_size : int
        Side of a window in pixels.
    validation_fraction : "auto" or float in [0, 1)
        Fraction of the pairs held out for validation; no pair is held out if it amounts to less than half a pair.
        "auto" holds out a tenth if that is at least 20 scenes, and none otherwise. Training stops early only on
        evidence: the learning rate has fallen to a quarter, and the PSNR, averaged over five evaluations, is below its
        highest value by a paired t-test over at least 8 validation scenes. Then the best weights are kept, otherwise
        the last ones.
    device : str
        "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...
    precision : {"auto", "fp32", "bf16", "fp16"}
        Precision of the convolutions; "auto" is mixed precision on a GPU and fp32 on a CPU.
    warm_start : bool
        Whether `fit` continues from the weights of the previous `fit`, for another `max_steps`.
    verbose : int
        1 tells how long training will take before it starts, and shows a progress bar on a terminal or in a notebook,
        elsewhere a line a minute.
    random_state : int, RandomState instance or None
        An int makes training repeatable on one machine.

    Attributes
    ----------
    backbone_ : Backbone
        The backbone that was fitted.
    networks_ : dict of str to Network
        The fitted networks by direction, on the CPU.
    records_ : dict of str to TrainingRecord
        The course of training, by direction.
    camera_ : str or None
        The camera of the first training image; None if it is unknown.
    color_matrix_ : ndarray (3, 3) or None
        From CIE XYZ (D65) to the camera's RGB before white balance. `fit` does not know it: ``ispfit fit`` takes it
        from a RAW file of the camera, and `save` keeps it, for the exports.

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

    def __init__(
        self,
        backbone: str | Backbone = "histpyramid",
        *,
        direction: str = "both",
        max_steps: int = 4000,
        budget: str | float | None = None,
        learning_rate: float = 1e-3,
        batch_size: int = 4,
        windows_per_image: int = 16,
        window_size: int = 32,
        validation_fraction: float | str = "auto",
        device: str = "auto",
        precision: str = "auto",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: Any = None,
    ) -> None:
        self.backbone = backbone
        self.direction = direction
        self.max_steps = max_steps
        self.budget = budget
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
    def fit(
        self,
        X: Any,
        Y: Any,
        *,
        validation: tuple[Any, Any] | None = None,
        checkpoint: str | PathLike[str] | None = None,
    ) -> Self:
        """Fit the model to pairs of a camera.

        Parameters
        ----------
        X : sequence of raws
            Linear, white-balanced camera RGB in [0, 1], 1 = saturation: float arrays H x W x 3, or paths for
            `ispfit.read_raw`.
        Y : sequence of srgbs
            The camera's rendering of each raw, on the same pixel grid: float arrays H x W x 3 in [0, 1], or paths for
            `ispfit.read_srgb`.
        validation : (X, Y) of other pairs, optional
            Pairs to validate on instead of a share of X and Y (`validation_fraction`). They are not trained on.
        checkpoint : folder, optional
            Folder of checkpoints: training continues from those it finds and writes new ones. `random_state` must be
            an int.

        Returns
        -------
        The model itself.

        Raises
        ------
        InputError
            If X or Y is not a sequence of images, their lengths or the sizes of a pair differ, a parameter is out of
            range, or the backbone of a warm start differs from the fitted one.
        TrainingError
            If the loss is not finite.
        CheckpointError
            If the checkpoint belongs to a run with other settings or other data.
        """
        started = time.monotonic()
        backbone = resolve_backbone(self.backbone)
        directions = resolve_directions(self.direction, backbone)
        check_checkpoint(checkpoint, self.random_state)
        plan, budget, runtime = self._plan(), check_budget(self.budget), resolve_runtime(self.device, self.precision)
        raws, srgbs = check_pairs(X, Y)
        held_out = None if validation is None else check_validation(validation)
        warn_of_mixed_cameras(raws)
        camera = raws[0].shot.camera

        trainings: dict[str, Training] = {}
        first_steps: dict[str, int] = {}
        for direction in directions:
            pairs = in_direction(direction, (raws, srgbs))
            network, first_steps[direction] = self._build(backbone, direction, pairs, plan.seed)
            trainings[direction] = Training(network, pairs, in_direction(direction, held_out) if held_out else None)
        plan = schedule(
            trainings,
            plan,
            runtime,
            budget=budget,
            started=started,
            checkpoint=checkpoint,
            label=backbone.name if self.verbose > 0 else None,
        )

        networks: dict[str, Network] = {}
        records: dict[str, TrainingRecord] = {}
        task = Task.of_fit(self, raws, srgbs, len(directions))
        for direction, training in trainings.items():
            network = training.network
            n_evaluations = 0 if network.has_closed_form else plan.n_evaluations
            so_far = copy(self).set_fitted(backbone, networks, records, camera)
            subtask = DirectionTask(task, direction, network, n_evaluations, so_far)
            records[direction] = self._train(
                training,
                replace(plan, first_step=first_steps[direction]),
                runtime,
                Checkpoint(Path(checkpoint, f"{direction}.safetensors")) if checkpoint else None,
                backbone,
                f"{direction} ({len(networks) + 1} of {len(trainings)})",
                subtask.on_evaluation,
            )
            networks[direction] = network.cpu().eval()
            subtask.end()
        self.set_fitted(backbone, networks, records, camera)
        task.end(lambda: self)
        return self

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted model to one file (safetensors with JSON metadata).

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        InputError
            If a parameter cannot be written as JSON, or another backbone is registered under the name of this one.
        FileError
            If the file cannot be written.
        """
        self._check_fitted()
        parameters = self.get_params(deep=False) | {"backbone": self.backbone_.name, "random_state": None}
        if isinstance(self.random_state, int | np.integer):
            parameters["random_state"] = int(self.random_state)
        trained = {direction: self.networks_[direction] for direction in self.records_}
        matrix = None if self.color_matrix_ is None else np.asarray(self.color_matrix_, float).tolist()
        file = ModelFile(self.backbone_, trained, self.records_, parameters, self.camera_, matrix)
        write_model(path, file)

    @classmethod
    def load(cls, path: str | PathLike[str], *, device: str = "auto") -> Self:
        """Read a model that `save` wrote, on any device; nothing is unpickled.

        Raises
        ------
        ModelFileError
            If the file is not a model file, has a newer format, or needs a plugin that is not installed.
        """
        file = read_model(path)
        known = cls().get_params(deep=False)
        parameters = {name: value for name, value in file.parameters.items() if name in known}
        model = cls(**(parameters | {"backbone": file.backbone, "device": device, "precision": "auto"}))
        matrix = None if file.color_matrix is None else np.array(file.color_matrix)
        return model.set_fitted(clone(file.backbone), file.networks, file.records, file.camera, matrix)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with `deep` also those of the backbone, even if it is the name of an installed one.

        An unknown name has no parameters here: `fit` raises the error.
        """
        parameters: dict[str, Any] = super().get_params(deep=deep)
        if deep and isinstance(self.backbone, str):
            try:
                nested = get_backbone(self.backbone)().get_params(deep=True)
            except (PluginError, UnknownBackboneError):
                return parameters
            parameters |= {f"backbone__{name}": value for name, value in nested.items()}
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters; ``backbone__bins`` and the like replace a backbone's name by an object.

        Raises
        ------
        ValueError
            If there is no such parameter; `UnknownBackboneError` if the backbone of ``backbone__bins`` is missing.
        """
        if "backbone" in parameters:
            self.backbone = parameters.pop("backbone")
        if isinstance(self.backbone, str) and any(name.startswith("backbone__") for name in parameters):
            self.backbone = get_backbone(self.backbone)()
        super().set_params(**parameters)
        return self

    def _html_repr(self) -> str:
        """Return what a notebook shows: scikit-learn's diagram, and what the model is fitted on."""
        diagram: str = super()._html_repr()
        return diagram + fitted_html(self) if self.__sklearn_is_fitted__() else diagram

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "networks_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []  # images are float32, whatever comes in
        return tags

    def _plan(self) -> TrainingPlan:
        return TrainingPlan(
            max_steps=self.max_steps,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            windows_per_image=self.windows_per_image,
            window_size=self.window_size,
            validation_fraction=self.validation_fraction,
            seed=resolve_seed(self.random_state),
        )

    def _build(
        self, backbone: Backbone, direction: str, pairs: tuple[ImageList, ImageList], seed: int
    ) -> tuple[Network, int]:
        """Return the network to train, new or a copy of the fitted one, and the number of steps it was trained."""
        if self.warm_start and direction in getattr(self, "networks_", {}):
            check_same_backbone(self.backbone_, backbone)
            return deepcopy(self.networks_[direction]), self.records_[direction].steps
        with seeded(seed):
            network = backbone.build()
            backbone.initialise(network, ImagePairs(*pairs))
        return network, 0

    def _train(
        self,
        training: Training,
        plan: TrainingPlan,
        runtime: Runtime,
        checkpoint: Checkpoint | None,
        backbone: Backbone,
        label: str,
        on_evaluation: OnEvaluation,
    ) -> TrainingRecord:
        return train(
            training.network,
            *training.pairs,
            plan,
            runtime,
            validation=training.validation,
            checkpoint=checkpoint,
            about={"backbone": backbone.name, "settings": backbone.settings()},
            progress_label=f"{backbone.name} {label}" if self.verbose > 0 else None,
            on_evaluation=on_evaluation,
        )


def load(path: str | PathLike[str], *, device: str = "auto") -> ISPModel:
    """Read a fitted `ISPModel` from a file that `ISPModel.save` wrote; see `ISPModel.load`."""
    return ISPModel.load(path, device=device)
