"""The budget of a comparison: the training that every backbone gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ispfit.backbone import Backbone
from ispfit.estimator import ISPModel
from ispfit.training import TrainingPlan

__all__ = ["Budget"]

_SET_BY_RUN = frozenset({"backbone", "device", "direction", "random_state", "verbose", "warm_start"})


@dataclass(frozen=True)
class Budget:
    """The training that every backbone gets: a number of steps, or a wall time.

    Parameters
    ----------
    parameters : dict of str to Any
        Training parameters of `ispfit.ISPModel`. Parameters that are not given have the defaults of `ispfit.ISPModel`,
        except `validation_fraction`, which is 0: every backbone trains to the last step.
    seconds : float, optional
        Wall time per direction in seconds, in place of `max_steps`. Each backbone trains for as many steps as fit into
        this time, measured on this machine. Backbones that are fitted in closed form have no limit.

    Examples
    --------
    >>> Budget({"max_steps": 100}).model("mlp")
    ISPModel(backbone='mlp', max_steps=100, validation_fraction=0)
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    def model(self, backbone: str | Backbone = "histpyramid", **parameters: Any) -> ISPModel:
        """Return an unfitted estimator with this budget; `parameters` take precedence."""
        return ISPModel(backbone, **{"validation_fraction": 0, **self.parameters, **parameters})

    def with_parameters(self, **parameters: Any) -> Budget:
        """Return a copy in which `parameters` are replaced."""
        return replace(self, parameters={**self.parameters, **parameters})

    def settings(self) -> dict[str, Any]:
        """Return all settings that a result depends on, by name."""
        unused = _SET_BY_RUN if self.seconds is None else _SET_BY_RUN | {"max_steps"}
        parameters = self.model().get_params(deep=False)
        return {name: value for name, value in parameters.items() if name not in unused} | {"seconds": self.seconds}

    def check(self) -> None:
        """Raise an `InputError` if a training parameter is out of range."""
        parameters = self.model().get_params(deep=False)
        names = [field.name for field in fields(TrainingPlan) if field.name in parameters]
        TrainingPlan(seed=0, **{name: parameters[name] for name in names})
