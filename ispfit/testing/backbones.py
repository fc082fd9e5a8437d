"""`check_backbone`: every promise of the backbone contract, measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ispfit.backbone import Backbone
from ispfit.errors import BackboneError
from ispfit.testing import describe, parameters, rendering, training
from ispfit.testing.subject import Subject

__all__ = ["check_backbone"]

Check = Callable[[Subject], Iterator[str]]

_STAGES: tuple[tuple[Check, ...], ...] = (
    (parameters.check_parameters, parameters.check_build),
    (describe.check_scene, rendering.check_shape),
    (rendering.check_inputs,),
    (rendering.check_repeats,),
    (
        parameters.check_pickle,
        describe.check_rows,
        describe.check_memory,
        rendering.check_halo,
        rendering.check_batch,
        rendering.check_samples,
        training.check_learns,
        training.check_saves,
        training.check_inverse,
    ),
)
"""Checks of a stage presume that those of the stages before found nothing."""


def check_backbone(backbone: Backbone) -> None:
    """Measure every promise of the backbone contract; see `ispfit.backbone`.

    Hyper-parameters stored as given, cloned and kept in JSON; the scene's form and size, and the memory that it
    takes; the output's shape; the halo by gradient; tiled = whole; samples = the same pixels of a window; no batch or
    window statistics, no state, no random numbers, inputs left alone; pickling, saving and loading; training lowers
    the loss; the inverse, where one is declared. Takes a second or two for a small network. torch's global random
    state is left as it was.

    Parameters
    ----------
    backbone : an object with the hyper-parameters to check, such as ``ItsBackbone()``.

    Raises
    ------
    BackboneError
        With one sentence for each promise that is broken, which says what to change.

    Examples
    --------
    >>> from ispfit import get_backbone
    >>> check_backbone(get_backbone("mlp")(hidden=4))
    """
    if not isinstance(backbone, Backbone):
        raise BackboneError(f"check_backbone: expected an object of a subclass of Backbone, got {backbone!r}.")
    subject = Subject(backbone)
    for stage in _STAGES:
        problems = [problem for check in stage for problem in _run(check, subject)]
        if problems:
            raise BackboneError("\n".join(f"{type(backbone).__name__}: {problem}" for problem in problems))


def _run(check: Check, subject: Subject) -> list[str]:
    found: list[str] = []
    try:
        found.extend(subject.seeded(lambda: list(check(subject))))
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
        promise = (check.__doc__ or check.__name__).strip().rstrip(".")
        found.append(f"{type(error).__name__} while checking that {promise}: {error}")
    return found
