"""Check the parameters of an `ISPModel` when it is fitted: its constructor only stores them."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from ispfit.backbone import Backbone, Network
from ispfit.directions import DIRECTIONS
from ispfit.errors import InputError
from ispfit.estimator.persistence import to_json
from ispfit.plugins import get_backbone

__all__ = [
    "check_checkpoint",
    "check_has_std",
    "check_same_backbone",
    "resolve_backbone",
    "resolve_directions",
    "resolve_seed",
]


def resolve_backbone(backbone: Any) -> Backbone:
    """Return a new `Backbone` object for a name or an object, or raise an `InputError`."""
    if isinstance(backbone, str):
        return get_backbone(backbone)()
    if not isinstance(backbone, Backbone):
        raise InputError(f"backbone: expected a name or a Backbone object, got {backbone!r}.")
    copy: Backbone = clone(backbone)
    copy.check_settings()
    return copy


def resolve_directions(direction: str, backbone: Backbone) -> tuple[str, ...]:
    """Return the directions to train, or raise an `InputError`; an invertible backbone trains the forward one only."""
    if direction != "both" and direction not in DIRECTIONS:
        raise InputError(f"direction: expected 'both', 'forward' or 'inverse', got {direction!r}.")
    if backbone.invertible:
        return ("forward",)
    return tuple(DIRECTIONS) if direction == "both" else (direction,)


def resolve_seed(random_state: Any) -> int:
    """Return the seed of a run: `random_state` itself, or a number that it draws; or raise an `InputError`."""
    if isinstance(random_state, int | np.integer):
        if random_state < 0:
            raise InputError(f"random_state: expected a whole number >= 0, got {random_state}.")
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def check_checkpoint(checkpoint: str | PathLike[str] | None, random_state: Any) -> None:
    """Raise an `InputError` if a run with a checkpoint has no fixed seed."""
    if checkpoint is not None and not isinstance(random_state, int | np.integer):
        raise InputError(
            f"random_state: expected an int with a checkpoint, got {random_state!r}; "
            "a run that is continued must draw the same windows."
        )


def check_same_backbone(fitted: Backbone, backbone: Backbone) -> None:
    """Raise an `InputError` if a warm start cannot continue the fitted backbone."""
    first, second = (to_json([each.name, each.settings()]) for each in (fitted, backbone))
    if first != second:
        raise InputError(f"warm_start: {backbone} cannot continue {fitted}, which was fitted; set warm_start=False.")


def check_has_std(network: Network, backbone: Backbone, what: str) -> None:
    """Raise an `InputError` that begins with `what` if a network does not know the standard deviation of its error."""
    if not network.has_std:
        raise InputError(
            f"{what}: the backbone {backbone.name!r} does not know how sure it is; fit "
            "ISPModel(backbone='photofinish'), or another backbone whose networks have render_std."
        )
