"""Report a fit to scikit-learn's callbacks (`sklearn.callback`): a progress bar, a monitor of scores, or your own.

Three nested tasks: the fit, each direction, and each interval of training that ends with an evaluation. At the end of
an interval ``fitted_estimator`` has the best weights so far, and its ``records_`` the step, loss and validation PSNR.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from functools import partial
from typing import Any, TypeVar, cast

import sklearn.callback
from sklearn.callback import CallbackSupportMixin
from torch import Tensor

from ispfit.backbone import Network
from ispfit.estimator.fitted import FittedNetworks
from ispfit.images import ImageList
from ispfit.training import TrainingRecord

__all__ = ["DirectionTask", "Task", "with_callbacks"]

_Fit = TypeVar("_Fit", bound=Callable[..., Any])

with_callbacks = cast(Callable[[_Fit], _Fit], sklearn.callback.with_callbacks)  # which has no types of its own


class Task:
    """A task that begins now.

    Parameters
    ----------
    context : `sklearn.callback.CallbackContext` of the task.
    arguments : keyword arguments that every hook gets: estimator, X, y.
    """

    def __init__(self, context: Any, arguments: dict[str, Any]) -> None:
        self._context, self._arguments = context, arguments
        context.call_on_fit_task_begin(**arguments)

    @classmethod
    def of_fit(cls, model: CallbackSupportMixin, raws: ImageList, srgbs: ImageList, n_directions: int) -> Task:
        """Begin the task of a whole fit."""
        context = model._init_callback_context(max_subtasks=n_directions)
        return cls(context, {"estimator": model, "X": raws, "y": srgbs})

    def subtask(self, name: str, n_subtasks: int = 0) -> Task:
        """Begin a task within this one."""
        return Task(self._context.subcontext(task_name=name, max_subtasks=n_subtasks), self._arguments)

    def end(self, fitted: Callable[[], FittedNetworks] | None = None) -> bool:
        """End the task and return whether a callback asks to stop its parent.

        Parameters
        ----------
        fitted : makes the fitted model for those callbacks that ask for it.
        """
        attributes = None if fitted is None else lambda: vars(fitted())
        stop: bool = self._context.call_on_fit_task_end(**self._arguments, reconstruction_attributes=attributes)
        return stop


class DirectionTask:
    """The task of training one direction, which begins now, and its intervals.

    Parameters
    ----------
    fit : task of the whole fit.
    direction : name of the task.
    network : network that is trained.
    n_evaluations : number of intervals if training does not stop early.
    model : model with the directions that were fitted before this one.
    """

    _interval: Task

    def __init__(self, fit: Task, direction: str, network: Network, n_evaluations: int, model: FittedNetworks) -> None:
        self._direction, self._network, self._n_evaluations, self._model = direction, network, n_evaluations, model
        self._task = fit.subtask(direction, n_evaluations)
        if n_evaluations:
            self._interval = self._task.subtask("evaluation")

    def on_evaluation(self, record: TrainingRecord, best: dict[str, Tensor]) -> bool:
        """End an interval, begin the next, and return whether a callback asks to stop the training."""
        stop = self._interval.end(partial(self._fitted, record, best))
        if not (stop or record.stopped_early or len(record.history) >= self._n_evaluations):
            self._interval = self._task.subtask("evaluation")
        return stop

    def _fitted(self, record: TrainingRecord, best: dict[str, Tensor]) -> FittedNetworks:
        """Return the model as if training ended now."""
        model, network = copy(self._model), deepcopy(self._network)
        network.load_state_dict(best)
        networks = model.networks_ | {self._direction: network}
        records = model.records_ | {self._direction: deepcopy(record)}
        return model.set_fitted(model.backbone_, networks, records, model.camera_)

    def end(self) -> None:
        """End the task of the direction."""
        self._task.end()
