"""How a fit reports to scikit-learn's callbacks (`sklearn.callback`): a progress bar, a monitor of scores, one's own.

Tasks are nested: the fit; its directions, named so; and of each the stretches between two evaluations, at whose end
``fitted_estimator`` has the best weights so far, and the step, loss and validation PSNR in ``records_``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ispfit.backbone import Backbone, Network
from ispfit.images import ImageList
from ispfit.training import OnEvaluation, TrainingRecord

__all__ = ["FitTask", "FittedState"]


@dataclass
class FittedState:
    """What a fit has made so far: the fitted attributes of an `ispfit.ISPModel` without their underscores."""

    backbone: Backbone
    camera: str | None
    networks: dict[str, Network] = field(default_factory=dict)
    records: dict[str, TrainingRecord] = field(default_factory=dict)

    def plus(self, direction: str, network: Network, record: TrainingRecord) -> FittedState:
        """The state with one direction more."""
        added = {direction: network}
        if self.backbone.invertible:
            added["inverse"] = network.inverse()
        return replace(self, networks=self.networks | added, records=self.records | {direction: record})

    def attributes(self) -> dict[str, Any]:
        """The fitted attributes by name."""
        return {f"{name}_": value for name, value in vars(self).items()}


class FitTask:
    """The task of a whole fit.

    Parameters
    ----------
    model : the estimator, a `sklearn.callback.CallbackSupportMixin`.
    raws, srgbs : what it is fitted to.
    n_directions : how many tasks there will be within it.
    """

    def __init__(self, model: Any, raws: ImageList, srgbs: ImageList, n_directions: int) -> None:
        self._given = {"estimator": model, "X": raws, "y": srgbs}
        self._root = model._init_callback_context(max_subtasks=n_directions)
        self._root.call_on_fit_task_begin(**self._given)

    @contextmanager
    def direction(self, name: str, network: Network, n_evaluations: int, state: FittedState) -> Iterator[OnEvaluation]:
        """The task of one direction; yields what the training is to call after each evaluation."""
        task = self._root.subcontext(task_name=name, max_subtasks=n_evaluations)
        task.call_on_fit_task_begin(**self._given)
        stretch = self._stretch(task) if n_evaluations else None

        def evaluated(record: TrainingRecord, best: dict[str, Tensor]) -> bool:
            nonlocal stretch

            def attributes() -> dict[str, Any]:
                copy = deepcopy(network).cpu().eval()
                copy.load_state_dict(best)
                return state.plus(name, copy, deepcopy(record)).attributes()

            assert stretch is not None
            stop: bool = stretch.call_on_fit_task_end(**self._given, reconstruction_attributes=attributes)
            if not stop and len(record.history) < n_evaluations:
                stretch = self._stretch(task)
            return stop

        yield evaluated
        task.call_on_fit_task_end(**self._given)

    def _stretch(self, task: Any) -> Any:
        return task.subcontext(task_name="evaluation").call_on_fit_task_begin(**self._given)

    def end(self, state: FittedState) -> None:
        """The fit has ended in this state."""
        self._root.call_on_fit_task_end(**self._given, reconstruction_attributes=state.attributes)
